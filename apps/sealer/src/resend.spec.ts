import { describe, expect, it } from '@jest/globals';
import { Resend } from './resend.js';

/** Questions that are answered when the spec says so, by a clock that it moves. */
class Asked {
  readonly questions: { ingester: string; number: number; answer: (data: string | null) => Promise<void> }[] = [];
  now = 0;
  told = 0;
  readonly resend = new Resend({
    ask: (ingester, number) =>
      new Promise((resolve) => {
        const answer = (data: string | null): Promise<void> => {
          resolve(data === null ? null : Buffer.from(data));
          return new Promise(setImmediate);
        };
        this.questions.push({ ingester, number, answer });
      }),
    onAnswer: () => this.told++,
    now: () => this.now,
  });

  /** Looks at these lanes many times within so many milliseconds. @returns the questions that were new */
  look(missing: Readonly<Record<string, number>>, milliseconds = 0): string[] {
    const before = this.questions.length;
    for (let i = 0; i <= 20; i++) {
      this.resend.want(new Map(Object.entries(missing)));
      this.now += milliseconds / 20;
    }
    return this.questions.slice(before).map(({ ingester, number }) => `${ingester}${number}`);
  }
}

describe('asking for missing frames', () => {
  it('asks one question a lane, however often it is looked at', async () => {
    const asked = new Asked();
    expect(asked.look({ a: 2, b: 7 }, 3_600_000)).toEqual(['a2', 'b7']);
    await asked.questions[0]!.answer('frame 2');
    expect([asked.told, asked.resend.take()]).toEqual([1, [{ ingester: 'a', data: Buffer.from('frame 2') }]]);
    expect(asked.resend.take()).toEqual([]);
  });

  it('goes from number to number without a pause while answers bring the lane on', async () => {
    const asked = new Asked();
    for (let number = 2; number < 1_000; number++) {
      expect(asked.look({ a: number })).toEqual([`a${number}`]);
      await asked.questions.at(-1)!.answer('a frame');
    }
  });

  it.each([null, 'rubbish'])('pauses from a second to a minute when %p comes instead of the frame', async (answer) => {
    const asked = new Asked();
    const day = 24 * 3_600_000;
    for (let end = day, waiting = asked.look({ a: 2 }); asked.now < end; waiting = asked.look({ a: 2 }, 400)) {
      if (waiting.length > 0) await asked.questions.at(-1)!.answer(answer);
    }
    // 7 until the pause is a minute, then one a minute.
    expect(asked.questions.length).toBeGreaterThan(1_400);
    expect(asked.questions.length).toBeLessThan(1_450);
  });

  it('does not ask at once for every number that a lane reaches by itself', async () => {
    const asked = new Asked();
    expect(asked.look({ a: 2 })).toEqual(['a2']);
    await asked.questions[0]!.answer(null);
    for (let number = 3; number < 100; number++) expect(asked.look({ a: number })).toEqual([]);
    asked.now += 1_000;
    expect(asked.look({ a: 100 })).toEqual(['a100']);
  });

  it('begins anew with a lane that missed nothing for a while', async () => {
    const asked = new Asked();
    asked.look({ a: 2 });
    await asked.questions[0]!.answer(null);
    asked.look({});
    expect(asked.look({ a: 9 })).toEqual(['a9']);
  });
});
