/**
 * The keys that a receipt is believed by: those of a key set of the ledger, in a file that whoever runs this program
 * trusts. The ledger's genesis note is one. Another key set of the same ledger may be put there while the program runs: the
 * file is read again when a receipt does not verify. A file that cannot be used then changes nothing.
 */
import { readFileSync } from 'node:fs';
import {
  equalHash,
  FormatError,
  MOST_ENTRY_BYTES,
  openGenesis,
  parseKeySetText,
  parseNote,
  ZERO_HASH,
  type KeySet,
  type VerifierKey,
} from '@everseal/audit-core';
import { EversealError } from './everseal-error.js';

export class TrustedKeys {
  private constructor(
    private readonly file: string,
    private set: KeySet,
  ) {}

  /** @throws EversealError client.settings */
  static open(file: string): TrustedKeys {
    try {
      return new TrustedKeys(file, read(file));
    } catch (cause) {
      const message = `${file} holds no key set of a ledger (${String(cause)}): give the ledger's genesis.note`;
      throw new EversealError('client.settings', message, { cause });
    }
  }

  /** `<domain>/<ledger>` */
  get origin(): string {
    return this.set.origin;
  }

  get ingest(): readonly VerifierKey[] {
    return this.set.ingest;
  }

  /** Reads the file again. @returns whether it holds other ingest keys than before */
  refresh(): boolean {
    let set: KeySet;
    try {
      set = read(this.file);
    } catch (error) {
      // Being written, gone, or spoiled: what was trusted stays trusted.
      if (error instanceof FormatError || (error as NodeJS.ErrnoException).code !== undefined) return false;
      throw error;
    }
    if (set.origin !== this.origin) return false;
    const before = this.set.ingest.map(({ vkey }) => vkey).join();
    this.set = set;
    return before !== set.ingest.map(({ vkey }) => vkey).join();
  }
}

/** The file itself is what is trusted; a first key set is signed by its own keys, so that much can be checked. */
function read(file: string): KeySet {
  const note = readFileSync(file);
  const set = parseKeySetText(parseNote(note, MOST_ENTRY_BYTES).text);
  return equalHash(set.previous, ZERO_HASH) ? openGenesis(note, set.origin) : set;
}
