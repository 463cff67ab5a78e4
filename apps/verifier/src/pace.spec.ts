import { describe, expect, it } from '@jest/globals';
import { Pace } from './pace.js';

describe('the pace of a sweep', () => {
  it('waits no longer than a full block would take, whatever number it is told', async () => {
    const pace = new Pace(() => 1_000_000);
    const { signal } = new AbortController();
    for (const entries of [1e9, Number.MAX_SAFE_INTEGER, -1e9]) await pace.spent(entries, signal);
    // A thousand million entries would be a quarter of an hour: the test would not end.
  });

  it('ends its wait when the sweep is stopped', async () => {
    const stop = new AbortController();
    const waiting = new Pace(() => 1).spent(10_000, stop.signal); // control: this would be hours
    stop.abort();
    await expect(waiting).resolves.toBeUndefined();
    await expect(new Pace(() => 1).spent(10_000, stop.signal)).resolves.toBeUndefined();
  });
});
