/**
 * What ingesters have to know of a ledger that is closed: their newest frames that survive, each proven in the tree that the
 * successor's note names, so that they frame in the successor what does not survive and nothing else (libs/audit-core,
 * surviving-heads.ts).
 *
 * Proofs are made of stored tiles, which may be altered: each is checked, and an ingester without a good one is left out. That
 * costs copies of events, never an event.
 */
import { FormatError, survivingHead, type AnnouncedHead, type LogReplay, type Restore } from '@everseal/audit-core';
import { readEntry, StoreError } from '@everseal/ledger-store';
import { CliFailure } from './cli-failure.js';
import type { RestoreParts } from './restore-log.js';
import { StoredProofs } from './stored-proofs.js';

export interface SurvivingFrames {
  readonly heads: readonly AnnouncedHead[];
  /** Ingesters whose newest frame cannot be proven, and why. */
  readonly unproven: readonly { readonly ingester: string; readonly why: string }[];
}

/** @param surviving the log as far as it survives, which is what `restore` names */
export async function survivingFrames(
  { pool, ledgerId }: Pick<RestoreParts, 'pool' | 'ledgerId'>,
  surviving: LogReplay,
  restore: Restore,
): Promise<SurvivingFrames> {
  const proofs = new StoredProofs(pool, ledgerId, restore.closed, 0);
  const heads: AnnouncedHead[] = [];
  const unproven: { ingester: string; why: string }[] = [];
  for (const [ingester, { number, index }] of surviving.heads) {
    try {
      const proof = await proofs.inclusion(index, surviving.size);
      const note = (await readEntry(pool, ledgerId, index)).toString();
      const head = { ingester, number, index, proof, note, debts: surviving.debtsOf(ingester) };
      survivingHead(restore, [head], ingester);
      heads.push(head);
    } catch (error) {
      if (!isDamage(error)) throw error;
      unproven.push({ ingester, why: error.message });
    }
  }
  return { heads, unproven };
}

/** What is stored does not fit; anything else, a lost connection for example, is no reason to go on without the proof. */
function isDamage(error: unknown): error is Error {
  if (error instanceof StoreError) return error.code === 'store.unexpected-value';
  return error instanceof FormatError || error instanceof CliFailure;
}
