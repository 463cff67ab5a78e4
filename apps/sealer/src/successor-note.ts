/**
 * The note by which a ledger continues a closed one (formats.md, "Successor"): its entry 1. Made by `everseal restore --close`.
 * Here it is only checked that it is this ledger's, by the keys of its own first key set; verifiers and auditors who know the
 * closed ledger see by its key set that one of its operators signed.
 */
import { readFileSync } from 'node:fs';
import { FormatError, openRestore, type KeySet } from '@everseal/audit-core';
import { StopProcess } from '@everseal/process';

/**
 * @param genesis the ledger's first key set
 * @returns the note; null where no file is named: an ordinary ledger
 * @throws StopProcess successor.note
 */
export function readSuccessorNote(file: string | undefined, genesis: KeySet): Buffer | null {
  if (file === undefined) return null;
  const note = readFileSync(file);
  try {
    openRestore(note, genesis, null);
    return note;
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new StopProcess(
      'successor.note',
      `${file} is not the note by which ${genesis.origin} continues a closed ledger (${cause.message}): put the right file there`,
      { cause },
    );
  }
}
