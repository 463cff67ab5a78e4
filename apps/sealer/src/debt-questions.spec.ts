import { describe, expect, it } from '@jest/globals';
import { DebtBook } from '@everseal/audit-core';
import { LogWriter, ORIGIN, type MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { DebtQuestions } from './debt-questions.js';

/** Frames 1 to 5 of ingester a, of which 2 to 4 are owed. */
function owed(): { debts: DebtBook; frames: MadeFrame[] } {
  const log = new LogWriter();
  const frames = Array.from({ length: 5 }, () => log.frame('a', ['{}']));
  const debts = new DebtBook();
  const gap = { origin: ORIGIN, ingester: 'a', first: 2, last: 4, cause: 'lost', time: log.time() } as const;
  const { hash, frame } = frames[0]!;
  debts.open(gap, { hash, accepted: frame.accepted }, frames[4]!.frame);
  return { debts, frames };
}

class Asked {
  now = 0;
  readonly numbers: number[] = [];
  constructor(private readonly answer: (number: number) => string | null) {}

  readonly questions = new DebtQuestions({
    ask: (_, number) => {
      this.numbers.push(number);
      const data = this.answer(number);
      return Promise.resolve(data === null ? null : Buffer.from(data));
    },
    onAnswer: () => undefined,
    now: () => this.now,
  });

  /** Looks every 100 ms for so long. */
  async pass(debts: DebtBook, milliseconds: number, onAnswer: (data: string) => void = () => undefined): Promise<void> {
    for (const end = this.now + milliseconds; this.now < end; this.now += 100) {
      this.questions.want(debts);
      await new Promise(setImmediate);
      for (const { data } of this.questions.take()) onAnswer(data.toString());
    }
  }
}

describe('questions for owed frames', () => {
  it('follow each other at once while they are answered, from the newest down', async () => {
    const { debts, frames } = owed();
    const asked = new Asked(String);
    await asked.pass(debts, 1_000, (number) => {
      const { frame, hash } = frames[Number(number) - 1]!;
      expect(debts.pay(frame, hash)).toBeNull();
    });
    expect([asked.numbers, debts.ranges('a')]).toEqual([[4, 3, 2], []]);
  });

  it.each([
    ['nothing', () => null],
    ['rubbish', () => 'rubbish'],
  ])('that bring %s pass over all numbers, ever more slowly', async (_, answer) => {
    const { debts } = owed();
    const asked = new Asked(answer);
    await asked.pass(debts, 1_000);
    expect(asked.numbers).toEqual([4]);
    await asked.pass(debts, 119_000);
    expect(asked.numbers).toEqual([4, 3, 2, 4, 3, 2, 4]);
    await asked.pass(debts, 600_000);
    expect(asked.numbers.length).toBeLessThanOrEqual(7 + 10);
  });
});
