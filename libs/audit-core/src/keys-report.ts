/**
 * What a sealer says of the key sets of a ledger (formats.md "Keys", `audit.keys.<ledger>.<sealer>`). The request is JSON,
 * `{}` or `{"order":"<signed order>"}`; the answer, read by value, holds the newest sets, the one in force last:
 *
 *     {"sets":[{"index":n,"note":"<key set>"},…]}
 *
 * The sets prove themselves from one that the reader knows; where they stand is the sealer's word.
 */
import { FormatError } from './format-error.js';
import { keySetOfNote } from './key-order.js';
import { MAX_MESSAGE_BYTES } from './limits.js';
import { MessageReader } from './message-json.js';
import { MOST_ENTRY_BYTES } from './note.js';

export type SealedKeySet = {
  /** Index of its entry. */
  readonly index: number;
  readonly note: string;
};

/** The request: the sets, or an order to carry out before that. */
export function formatKeysRequest(order: string | null): Buffer {
  return Buffer.from(JSON.stringify(order === null ? {} : { order }));
}

/** @returns the order, not opened; null without. @throws FormatError `keys-request.size`, `…-json`, `keys-request.order` */
export function parseKeysRequest(bytes: Uint8Array): string | null {
  const members = MessageReader.parse('keys-request', bytes, 2 * MOST_ENTRY_BYTES);
  return members.has('order') ? members.text('order') : null;
}

/** The bytes of an answer; the oldest sets are left out where not all find room. */
export function formatKeysReport(sets: readonly SealedKeySet[]): Buffer {
  const told: string[] = [];
  let bytes = '{"sets":[]}'.length;
  for (const set of sets.toReversed()) {
    const text = JSON.stringify(set);
    bytes += Buffer.byteLength(text) + (told.length > 0 ? 1 : 0);
    if (bytes > MAX_MESSAGE_BYTES) break;
    told.push(text);
  }
  return Buffer.from(`{"sets":[${told.toReversed().join(',')}]}`);
}

/** @throws FormatError `keys-report.size`, `keys-report.json`, or the code of the member that is missing or wrong */
export function parseKeysReport(bytes: Uint8Array): SealedKeySet[] {
  const members = MessageReader.parse('keys-report', bytes, MAX_MESSAGE_BYTES);
  const sets = members.objects('sets').map((one) => {
    const set = { index: one.count('index'), note: one.text('note') };
    one.check('note', () => keySetOfNote(set.note));
    return set;
  });
  if (sets.length === 0) throw new FormatError('keys-report.sets', 'no key set is in the answer');
  return sets;
}
