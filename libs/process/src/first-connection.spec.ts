import { describe, expect, it } from '@jest/globals';
import { RetryLater, StopProcess } from './failure.js';
import { firstConnection } from './first-connection.js';

/** Fails with each of these in turn, then connects. */
function failing(...errors: Error[]): { tried: () => number; connect: () => Promise<string> } {
  let tried = 0;
  return {
    tried: () => tried,
    connect: async () => {
      const error = errors[tried++];
      if (error) throw error;
      return 'connected';
    },
  };
}

describe('the first connection', () => {
  const passing = new RetryLater('store.unavailable', 'the database system is starting up');
  const said: string[] = [];
  const logger = { warn: (_: object, message: string) => void said.push(message) };

  it('is tried again while it fails with what may pass', async () => {
    const { tried, connect } = failing(passing, passing);
    expect(await firstConnection('Postgres', 20_000, logger, connect)).toBe('connected');
    expect([tried(), said]).toEqual([3, Array(2).fill('Postgres cannot be used yet, trying again')]);
  });

  it('fails at once with what does not pass, and in the end with what did not', async () => {
    const stop = new StopProcess('store.schema-differs', 'the schema is another one');
    const first = failing(stop);
    await expect(firstConnection('Postgres', 20_000, logger, first.connect)).rejects.toBe(stop);
    expect(first.tried()).toBe(1);
    // Control: without time to wait it is not tried again.
    const second = failing(passing);
    await expect(firstConnection('Postgres', 0, logger, second.connect)).rejects.toBe(passing);
    expect(second.tried()).toBe(1);
  });
});
