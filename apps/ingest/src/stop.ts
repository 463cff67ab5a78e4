/**
 * Why an ingest process stops by itself: the closed set. Each means that going on could break a promise that was already
 * given; nothing catches them on the way to main.ts, which prints the message as one line and exits.
 */
import { StopProcess } from '@everseal/process';

export type StopCode =
  | 'spool.busy' // another process works in this directory
  | 'spool.corrupt' // stored bytes are not what was written
  | 'spool.rolled-back' // an older copy of the spool, or some of its files are gone
  | 'spool.failed' // a write or fdatasync failed: what is on the disk is unknown
  | 'custody.conflict' // somebody else wrote frames under this name, or the spool went back
  | 'keys.untrusted' // the pinned key set, or the own key, cannot be what it should be
  | 'successor.note' // what a successor begins with, or what survives of the closed ledger, cannot be read or is another's
  | 'settings.ledgers'; // settings and policy do not agree on what this ingester serves

/** @param message what happened, where, and what to do */
export function stop(code: StopCode, message: string, cause?: unknown): StopProcess {
  return new StopProcess(code, message, { cause });
}
