/**
 * Where lost blocks are looked for: a verifier's store, or a copy of the log in C2SP tlog-tiles layout. An archive is only
 * ever read, and nothing it says is believed: whoever puts blocks back derives them again first.
 */
import { CliFailure } from './cli-failure.js';
import { EXIT } from './exit-code.js';

/** Bytes that claim to be a block. */
export interface ArchivedBody {
  readonly body: Buffer;
  /** The file (the last one, where it is in several), for messages. */
  readonly record: string;
}

/** A block that an archive does not hold, and what is there instead. */
export interface NotArchived {
  readonly missing: string;
}

export interface Archive {
  /** What it is and where, for messages. */
  readonly what: string;
  /** Signed checkpoints that it holds, as they stand in their files. */
  readonly checkpoints: readonly { readonly note: Buffer; readonly from: string }[];
  /**
   * The block of a height.
   * @param first index of its first entry
   * @throws CliFailure naming the record, when it is there and cannot be a block
   */
  body(height: number, first: number): Promise<ArchivedBody | NotArchived>;
}

/** A record that is there and is not what it has to be. Nothing was written. */
export function badRecord(record: string, what: string, cause?: unknown): CliFailure {
  return new CliFailure(EXIT.findings, `${record} is not good: ${what}; nothing was written`, { cause });
}
