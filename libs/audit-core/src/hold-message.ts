/**
 * The hold request and answer (subject `audit.hold.<ledger>.<verifier>`): JSON, read by value.
 *
 *     request  {"size":n}                       hold everything up to size n; 0 asks only what is cosigned
 *     answer   {"size":n,"root":"…","checkpoint":"…"}
 *
 * `size` and `root` are what the verifier has derived from the stored bytes and keeps on its own disk. `checkpoint` is
 * the newest checkpoint that it cosigned, with its cosignature, empty when there is none: what a new sealer must know
 * before its first signature. A verifier that cannot hold so much answers with the size that it holds.
 */

import { decodeBase64, encodeBase64 } from './base64.js';
import { isCount } from './decimal.js';
import { FormatError } from './format-error.js';
import { HASH_BYTES, type Hash } from './hash.js';

export interface HoldAnswer {
  readonly size: number;
  /** Root of the tree of `size`. */
  readonly root: Hash;
  readonly checkpoint: string;
}

export function formatHoldRequest(size: number): Buffer {
  return Buffer.from(JSON.stringify({ size }));
}

/** Throws FormatError `hold.request`. */
export function parseHoldRequest(body: Uint8Array): number {
  const { size } = parseObject(body, 'hold.request');
  if (typeof size !== 'number' || !isCount(size)) throw new FormatError('hold.request', 'a hold request names a size');
  return size;
}

export function formatHoldAnswer({ size, root, checkpoint }: HoldAnswer): Buffer {
  return Buffer.from(JSON.stringify({ size, root: encodeBase64(root), checkpoint }));
}

/** Throws FormatError `hold.answer`. */
export function parseHoldAnswer(body: Uint8Array): HoldAnswer {
  const { size, root, checkpoint } = parseObject(body, 'hold.answer');
  if (typeof size !== 'number' || !isCount(size) || typeof root !== 'string') {
    throw new FormatError('hold.answer', 'a hold answer names a size and a root');
  }
  return { size, root: decodeBase64(root, HASH_BYTES), checkpoint: typeof checkpoint === 'string' ? checkpoint : '' };
}

function parseObject(body: Uint8Array, code: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (cause) {
    throw new FormatError(code, 'the message is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FormatError(code, 'the message is not a JSON object');
  }
  return value as Record<string, unknown>;
}
