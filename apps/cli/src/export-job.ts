/** An export that is being written: from which ledger, where to, and what is counted on the way. */
import { FormatError, type EventCensus, type FrameTally, type Hash } from '@everseal/audit-core';
import type { AuditedLedger } from './audited-ledger.js';
import type { ExportFolder } from './export-folder.js';
import type { Progress } from './progress.js';
import { altered } from './stored-proofs.js';

export interface ExportJob {
  ledger: AuditedLedger;
  folder: ExportFolder;
  /** Of the checkpoint. */
  size: number;
  root: Hash;
  census: EventCensus;
  tally: FrameTally;
  progress: Progress;
  signal: AbortSignal;
}

/** Somebody pressed Ctrl-C: what is written stays, and the next run goes on from there. */
export class Interrupted extends Error {}

/** What was read has to be under the checkpoint before it is handed out. @throws CliFailure, and what `check` throws */
export async function requireInTree<T>(ledger: AuditedLedger, check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw altered(`what the database holds of ${ledger.origin} is not under its checkpoint (${cause.message})`, cause);
  }
}
