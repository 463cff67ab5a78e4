import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ServerErrorLog } from './server-error-log.js';

let lines: string[];
let now: number;
let log: ServerErrorLog;
beforeEach(() => {
  jest.useFakeTimers();
  [lines, now] = [[], 0];
  const write = (_fields: object, text: string): void => void lines.push(text);
  log = new ServerErrorLog({ info: write, warn: write, error: write }, () => now);
});
afterEach(() => void jest.useRealTimers());

const flood = (count: number): void => {
  for (let i = 0; i < count; i += 1) log.forbidden('publish', `a.${i}`);
};

describe('the log of what a server forbids', () => {
  it('has ten lines in ten seconds, and then how many more; the next window has its own', () => {
    flood(1_000);
    log.reported(new Error('x'), 'something else');
    expect(lines).toHaveLength(10);
    expect(lines[0]).toBe('NATS forbids publish on a.0 to this certificate');
    now = 10_000;
    jest.advanceTimersByTime(10_000);
    expect(lines.slice(10)).toEqual(['NATS forbade or reported 991 more']);
    flood(3);
    jest.advanceTimersByTime(60_000);
    expect(lines).toHaveLength(14);
  });

  it('says how many were left out before it goes on, when no timer has', () => {
    flood(11);
    now = 60_000;
    flood(1);
    expect(lines.slice(10)).toEqual([
      'NATS forbade or reported 1 more',
      'NATS forbids publish on a.0 to this certificate',
    ]);
  });

  it('writes a subject of a stranger in printable ASCII, and not pages of it', () => {
    log.forbidden('publish', `_R_.\u202e\n${'x'.repeat(4_000)}`);
    expect(lines[0]).toMatch(/^[\x20-\x7e]{1,320}$/);
  });
});
