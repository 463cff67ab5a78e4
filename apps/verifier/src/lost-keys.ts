/**
 * Which keys of this verifier must not cosign for other logs any more, because what they signed was forgotten: the folder of its
 * memory was lost, or set back to an older copy. A witness without memory would cosign a second history of a log.
 *
 * Nothing in the folder itself can show that. The ledgers do: the sealer stores each cosignature, and the memory is written
 * before it leaves, so no stored cosignature of ours is over a larger size than we remember. One that is, and that verifies,
 * shows what was forgotten; nobody else can make it. Such a key is written down, for soon after the start the memory has caught
 * up. A new key is the way out (docs/operations/witnesses.md).
 */
import path from 'node:path';
import {
  cosignaturesOf,
  formatNote,
  FormatError,
  parseCheckpointText,
  parseNote,
  type LogTrust,
  type SigningKey,
  type VerifierKey,
} from '@everseal/audit-core';
import { newestCosignatureBy } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { addName, readNames } from './name-list.js';

/** One of the ledgers that this verifier holds, as it was remembered at the start. */
export interface HeldLedger {
  readonly trust: LogTrust;
  readonly ledgerId: number;
  /** Size of the newest checkpoint that it remembers to have cosigned; 0 for none. */
  readonly remembered: number;
}

export class LostKeys {
  private constructor(
    private readonly file: string,
    private readonly vkeys: Set<string>,
  ) {}

  /** @param folder where they are written down */
  static open(folder: string): LostKeys {
    const file = path.join(folder, 'lost-keys.json');
    return new LostKeys(file, new Set(readNames(file)));
  }

  /** Looks for what was forgotten; before the first cosignature of this process. @throws StoreError; system errors */
  async look(pool: Pool, ledgers: readonly HeldLedger[], keys: readonly SigningKey[]): Promise<void> {
    for (const ledger of ledgers) {
      for (const { verifier } of keys) {
        if (await isForgotten(pool, ledger, verifier)) this.add(verifier);
      }
    }
  }

  /** Those that may still be used. */
  without(keys: readonly SigningKey[]): SigningKey[] {
    return keys.filter(({ verifier }) => !this.vkeys.has(verifier.vkey));
  }

  private add({ vkey }: VerifierKey): void {
    addName(this.file, vkey);
    this.vkeys.add(vkey);
  }
}

async function isForgotten(
  pool: Pool,
  { ledgerId, trust, remembered }: HeldLedger,
  key: VerifierKey,
): Promise<boolean> {
  const row = await newestCosignatureBy(pool, ledgerId, key.name, key.id);
  if (row === null || row.size <= remembered) return false;
  try {
    const cosigned = parseNote(formatNote(parseNote(row.note).text, [row.line]));
    // The key cosigns other logs as well: what it said of one of those says nothing about this one.
    const { origin, size } = parseCheckpointText(cosigned.text);
    return origin === trust.origin && size === row.size && cosignaturesOf(cosigned, [key]).length > 0;
  } catch (error) {
    if (error instanceof FormatError) return false; // the sweep says what is wrong with it
    throw error;
  }
}
