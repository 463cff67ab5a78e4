/**
 * What a verifier reads before its loops run: the schema's version, its ledgers, its own cosignatures. A database that refuses it does
 * not end the process: it waits, says so in its log, and the catalog guard looks meanwhile, for it raises what was done to the rights.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreError } from '@everseal/ledger-store';
import type { LoopLogger } from '@everseal/process';
import type { CatalogGuard } from './catalog-guard.js';
import { isRefusal } from './stored-value.js';

const AGAIN_MS = 5_000;

export interface RefusedStart {
  /** Null where none is configured. */
  readonly catalog: Pick<CatalogGuard, 'look'> | null;
  readonly logger: Pick<LoopLogger, 'warn'>;
}

/** What `read` gives, once the database does not refuse it any more. @throws anything else that it throws */
export async function onceRead<T>(
  { catalog, logger }: RefusedStart,
  read: () => Promise<T>,
  againMs: number = AGAIN_MS,
): Promise<T> {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      logger.warn({ err: error }, 'the database refuses what a verifier reads at its start, trying again');
    }
    await catalog?.look().catch((error: unknown) => {
      if (!(error instanceof StoreError)) throw error;
    });
    await sleep(againMs);
  }
}
