import { describe, expect, it } from '@jest/globals';
import { CommitUnderWay } from './commit-under-way.js';

/** A commit that ends when it is told to. */
function commit(): { promise: Promise<void>; end: (error?: Error) => void } {
  let end: (error?: Error) => void = () => undefined;
  const promise = new Promise<void>((resolve, reject) => {
    end = (error) => (error ? reject(error) : resolve());
  });
  return { promise, end };
}

const LOST = new Error('connection lost');

describe('the commit under way', () => {
  it('is nothing to wait for at first', async () => {
    const underWay = new CommitUnderWay();
    await underWay.check();
    await underWay.done();
    await underWay.settled();
  });

  it('does not hold up the filling of the next block', async () => {
    const underWay = new CommitUnderWay();
    underWay.begin(commit().promise);
    await underWay.check();
  });

  it('throws its failure at the next look, though nobody waited for it', async () => {
    const underWay = new CommitUnderWay();
    const { promise, end } = commit();
    underWay.begin(promise);
    end(LOST);
    // As long as it takes, with nobody listening: it must not count as an unhandled rejection either.
    await new Promise(setImmediate);
    await expect(underWay.check()).rejects.toBe(LOST);
    await expect(underWay.done()).rejects.toBe(LOST);
    await underWay.settled();
  });

  it('is waited for by settled(), however it ends', async () => {
    const underWay = new CommitUnderWay();
    const { promise, end } = commit();
    underWay.begin(promise);
    let settled = false;
    const waiting = underWay.settled().then(() => (settled = true));
    await new Promise(setImmediate);
    expect(settled).toBe(false);
    end(LOST);
    await waiting;
  });
});
