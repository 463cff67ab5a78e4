/** A service that starts beside its database, or after a power failure before it, waits for it a while and then says why. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fateOf } from './failure.js';
import type { LoopLogger } from './loop.js';

const AGAIN_MS = 500;

/**
 * What `connect` gives, tried again while it fails with what may pass.
 *
 * @param what for log lines: "Postgres"
 * @param within milliseconds, after which the last failure is thrown
 * @throws what `connect` threw: at once when it cannot pass
 */
export async function firstConnection<T>(
  what: string,
  within: number,
  logger: Pick<LoopLogger, 'warn'>,
  connect: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + within;
  for (;;) {
    try {
      return await connect();
    } catch (error) {
      if (fateOf(error) !== 'retry' || performance.now() + AGAIN_MS >= deadline) throw error;
      logger.warn({ err: error }, `${what} cannot be used yet, trying again`);
    }
    await sleep(AGAIN_MS);
  }
}
