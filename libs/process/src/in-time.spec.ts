import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { inTime, OutOfTime } from './in-time.js';

const NEVER = new AbortController().signal;
const hang = (): Promise<never> => new Promise(() => {});

describe('work in time', () => {
  it('ends with what the work gives or throws', async () => {
    expect(await inTime(60_000, NEVER, () => Promise.resolve(7))).toBe(7);
    await expect(inTime(60_000, NEVER, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    const atOnce = (): never => {
      throw new Error('broken at once');
    };
    await expect(inTime(60_000, NEVER, atOnce)).rejects.toThrow('broken at once');
  });

  it('ends when the time is over, though the work hears nothing and its memory is swept', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const sweeping = setInterval(collect, 20).unref();
    try {
      await expect(inTime(200, NEVER, hang)).rejects.toThrow(OutOfTime);
    } finally {
      clearInterval(sweeping);
    }
  });

  it('ends when the signal says so, before or meanwhile', async () => {
    const stopping = new AbortController();
    const asked = inTime(60_000, stopping.signal, hang);
    stopping.abort();
    await expect(asked).rejects.toThrow(OutOfTime);
    await expect(inTime(60_000, stopping.signal, hang)).rejects.toThrow(OutOfTime);
  });

  it('tells the work that nobody waits any more, and gives the time as the reason', async () => {
    const broken = (signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    await expect(inTime(50, NEVER, broken)).rejects.toThrow(OutOfTime);
    let heard: AbortSignal | null = null;
    await inTime(60_000, NEVER, (signal) => Promise.resolve((heard = signal)));
    expect(heard!).toMatchObject({ aborted: true });
  });
});
