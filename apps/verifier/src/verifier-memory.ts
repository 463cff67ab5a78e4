/**
 * What this verifier has cosigned and what it remembers of the log at that size. Moves only to sizes with a checkpoint
 * that the log key signed, and is on disk before the cosignature leaves.
 *
 * It is read back with suspicion: the checkpoint must carry the log key's signature and our own, and the leaf file must
 * give its root; only then is the rest (heads, key set, open debts) taken over. A memory that does not hold together
 * stops the process: a verifier that lost its memory takes a new key and replays from entry 0.
 */

import { readFileSync } from 'node:fs';
import {
  cosignaturesOf,
  equalHash,
  formatLogMemory,
  FormatError,
  LogState,
  openCheckpoint,
  parseLogMemory,
  type LogMemory,
  type LogTrust,
  type VerifierKey,
} from '@everseal/audit-core';
import { replaceFile, StopProcess } from '@everseal/process';

export interface Remembered {
  /** The newest checkpoint that this verifier cosigned, with its cosignature. */
  readonly checkpoint: string;
  readonly memory: LogMemory;
}

interface WrittenFile {
  checkpoint: string;
  memory: string;
}

export class MemoryFile {
  constructor(
    private readonly file: string,
    private readonly trust: LogTrust,
    /** This verifier's keys. */
    private readonly own: readonly VerifierKey[],
  ) {}

  /** Null when there is none: a verifier that starts from entry 0. */
  read(): Remembered | null {
    const text = readIfThere(this.file);
    if (text === null) return null;
    try {
      const { checkpoint, memory } = JSON.parse(text) as WrittenFile;
      const remembered = { checkpoint, memory: parseLogMemory(memory) };
      this.check(remembered);
      return remembered;
    } catch (cause) {
      throw this.damaged(cause instanceof Error ? cause.message : String(cause), cause);
    }
  }

  write({ checkpoint, memory }: Remembered): void {
    replaceFile(this.file, JSON.stringify({ checkpoint, memory: formatLogMemory(memory) } satisfies WrittenFile));
  }

  damaged(why: string, cause?: unknown): StopProcess {
    return new StopProcess(
      'memory.damaged',
      `the memory ${this.file} is not to be trusted: ${why}. Find out who changed it; then give this verifier a new key ` +
        'and an empty folder, see docs/operations/verifier.md',
      { cause },
    );
  }

  private check({ checkpoint, memory }: Remembered): void {
    if (!memory.keys) throw new FormatError('memory.keys', 'it names no key set');
    const opened = openCheckpoint(checkpoint, [memory.keys.log], this.trust.origin);
    if (cosignaturesOf(opened, this.own).length === 0) {
      throw new FormatError('memory.cosignature', 'its checkpoint does not carry our own cosignature');
    }
    const state = LogState.recall(this.trust, memory);
    if (opened.size !== memory.size || !equalHash(opened.root, state.root)) {
      throw new FormatError('memory.root', 'it is not at the size and root of its checkpoint');
    }
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
