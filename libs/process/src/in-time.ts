/**
 * A bound on the time of work that depends on somebody else. When the time is over, or a signal says so, it rejects, whether or not the
 * work has heard it: a request that Node has destroyed already hears no signal.
 *
 * A timer of its own: on Node 20 nothing keeps the `AbortSignal.timeout` in an `AbortSignal.any` from being collected, and then it
 * never fires.
 */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime';
}

/**
 * @param work gets a signal that aborts when nobody waits for it any more
 * @throws OutOfTime; what the work throws
 */
export async function inTime<T>(
  milliseconds: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = (): OutOfTime => new OutOfTime(`not done within ${milliseconds} ms`);
  if (signal.aborted) throw late();
  const over = new AbortController();
  const end = (): void => over.abort();
  const timer = setTimeout(end, milliseconds);
  signal.addEventListener('abort', end, { once: true });
  // Heard before the work hears it, so that the time is the reason and not what the work makes of it.
  const outOfTime = new Promise<never>((_, reject) =>
    over.signal.addEventListener('abort', () => reject(late()), { once: true }),
  );
  const working = (async () => work(over.signal))();
  try {
    return await Promise.race([outOfTime, working]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    // Whatever of it still goes on: the rest of an answer that was too long.
    end();
  }
}
