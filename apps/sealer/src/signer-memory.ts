/**
 * What the log key has signed: one root per size, sizes only grow. Kept on the sealer's own disk, never in the database
 * and never restored from a backup, so that neither a crash nor a rolled-back database can make the log key sign two
 * histories. Only the newest signature has to be remembered: a smaller size is refused outright. It may be by a log key that
 * was rotated since; who may have signed it is known once the ledger's key sets are.
 */

import { readFileSync } from 'node:fs';
import {
  equalHash,
  FormatError,
  openCheckpoint,
  parseCheckpointText,
  parseNote,
  signCheckpoint,
  type Checkpoint,
  type Hash,
  type SigningKey,
  type VerifierKey,
} from '@everseal/audit-core';
import { replaceFile, StopProcess } from '@everseal/process';

export class SignerMemory {
  private constructor(
    private readonly file: string,
    private readonly origin: string,
    private newest: { note: string; checkpoint: Checkpoint } | null,
  ) {}

  /** Reads the memory back; a file that holds no checkpoint of this log stops the process. */
  static open(file: string, origin: string): SignerMemory {
    const note = readIfThere(file);
    if (note === null) return new SignerMemory(file, origin, null);
    try {
      const checkpoint = parseCheckpointText(parseNote(note).text);
      if (checkpoint.origin !== origin) throw new FormatError('checkpoint.origin', `it is one of ${checkpoint.origin}`);
      return new SignerMemory(file, origin, { note, checkpoint });
    } catch (cause) {
      throw notToBeTrusted(file, origin, cause);
    }
  }

  /** @param logKeys every log key that the ledger went by @throws StopProcess signer.memory: none of them has signed it */
  requireSignedBy(logKeys: readonly VerifierKey[]): void {
    if (!this.newest) return;
    try {
      openCheckpoint(this.newest.note, logKeys, this.origin);
    } catch (cause) {
      throw notToBeTrusted(this.file, this.origin, cause);
    }
  }

  get size(): number {
    return this.newest?.checkpoint.size ?? 0;
  }

  /** What was signed last, or null. */
  get checkpoint(): Checkpoint | null {
    return this.newest?.checkpoint ?? null;
  }

  /** The newest signed checkpoint note, or null. */
  get note(): string | null {
    return this.newest?.note ?? null;
  }

  /**
   * Signs the checkpoint of this size, or returns the one signed before for the same size and root. The signature is
   * on disk before it is returned.
   */
  sign(size: number, root: Hash, key: SigningKey): string {
    const before = this.newest?.checkpoint;
    if (before && size < before.size) {
      throw new StopProcess(
        'signer.went-back',
        `asked to sign size ${size}, but size ${before.size} is signed already: the log went back`,
      );
    }
    if (before && size === before.size) {
      if (equalHash(before.root, root)) return this.newest!.note;
      throw new StopProcess(
        'signer.two-histories',
        `asked to sign another root for size ${size}: the log has two histories`,
      );
    }
    const checkpoint = { origin: this.origin, size, root };
    const note = signCheckpoint(checkpoint, key);
    replaceFile(this.file, note);
    this.newest = { note, checkpoint };
    return note;
  }
}

function notToBeTrusted(file: string, origin: string, cause: unknown): StopProcess {
  return new StopProcess(
    'signer.memory',
    `the signer's memory ${file} is not a checkpoint of ${origin} signed by a log key of it; find out who changed it. ` +
      'Never delete or restore it: see docs/operations/sealer.md',
    { cause },
  );
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
