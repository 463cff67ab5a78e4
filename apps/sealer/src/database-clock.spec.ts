import { describe, expect, it } from '@jest/globals';
import { DatabaseClock } from './database-clock.js';

describe('the clock of Postgres', () => {
  it('runs on between two questions, whatever this machine sets its own to', async () => {
    let steady = 500;
    const clock = new DatabaseClock(
      () => Promise.resolve(1_000_000),
      () => steady,
    );
    await clock.ask();
    steady += 3_000;
    expect(clock.ahead(1_003_000)).toBe(0);
    expect(clock.ahead(1_003_000 + 3_600_000)).toBe(3_600_000);
  });

  it('seems to stand still while this machine sleeps, and is right when asked again', async () => {
    let postgres = 1_000_000;
    const clock = new DatabaseClock(
      () => Promise.resolve(postgres),
      () => 500,
    );
    await clock.ask();
    postgres += 3_600_000;
    expect(clock.ahead(postgres)).toBe(3_600_000);
    await clock.ask();
    expect(clock.ahead(postgres)).toBe(0);
  });
});
