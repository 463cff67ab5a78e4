/**
 * Which stream was read last: its epoch, when it was created, and one message of it by sequence and hash. Kept on disk so
 * that a stream which is replaced while the verifier is down is noticed too. A sequence number alone is no identity: a
 * stream that was restored hands the same numbers out again.
 *
 * Nothing signs this file. Whoever changes it can make the verifier raise `stream.replaced`, or miss it once; what the
 * other stream lacks is missed through the frame notes, which are signed.
 */

import { readFileSync } from 'node:fs';
import { decodeBase64, encodeBase64, FormatError, HASH_BYTES, MessageReader, type Hash } from '@everseal/audit-core';
import { replaceFile } from '@everseal/process';

export interface StreamIdentity {
  readonly epoch: string;
  readonly created: string;
  /** A message that was seen, and SHA-256 of its bytes; null before the first. */
  readonly message: { readonly sequence: number; readonly hash: Hash } | null;
}

const MOST_BYTES = 16_384;

export class StreamMemory {
  private current: StreamIdentity | null;

  constructor(private readonly file: string) {
    this.current = readIdentity(file);
  }

  /** Null before the first stream was seen. */
  get identity(): StreamIdentity | null {
    return this.current;
  }

  /** On the disk before this returns. */
  set(identity: StreamIdentity): void {
    const { epoch, created, message } = identity;
    const written = message && { sequence: message.sequence, hash: encodeBase64(message.hash) };
    replaceFile(this.file, JSON.stringify({ epoch, created, ...(written ? { message: written } : {}) }));
    this.current = identity;
  }
}

/** A file that cannot be read is none: the stream that stands is taken as the first that was seen. */
function readIdentity(file: string): StreamIdentity | null {
  try {
    const members = MessageReader.parse('stream', readFileSync(file), MOST_BYTES);
    const message = members.has('message') ? members.object('message') : null;
    return {
      epoch: members.text('epoch'),
      created: members.text('created'),
      message: message && {
        sequence: message.count('sequence'),
        hash: message.check('hash', () => decodeBase64(message.text('hash'), HASH_BYTES)),
      },
    };
  } catch (error) {
    if (error instanceof FormatError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
