/**
 * The receipt: what a producer holds for its events (formats.md, "Receipt and refusal").
 *
 *     {"ledger":"<origin>","frame":"<the signed frame note>","first":0,"count":1,"proof":["<base64>"]}
 *
 * The events of the request are positions [first, first + count) of the frame, and `proof` is the range proof of their
 * leaves (range-proof.ts) under the root that the ingester signed. A producer rebuilds the leaves from the bytes that it
 * sent, with the ingester's `accepted` out of the note, and needs nobody but the ingest key to check it.
 */
import { encodeBase64 } from './base64.js';
import { isCount } from './decimal.js';
import { encodeEventEntry, eventPrefix } from './event-entry.js';
import { FormatError } from './format-error.js';
import { openFrame, parseFrameText, type Frame } from './frame.js';
import { equalHash, leafHash, type Hash } from './hash.js';
import type { VerifierKey } from './key.js';
import { MAX_FRAME_EVENTS } from './limits.js';
import { hashList, MessageReader } from './message-json.js';
import { parseOrigin } from './names.js';
import { MOST_ENTRY_BYTES, parseNote } from './note.js';
import { rangeRoot } from './range-proof.js';

export type Receipt = {
  /** Origin of the ledger; that of the frame. */
  readonly ledger: string;
  /** The signed frame note, verbatim. */
  readonly frame: string;
  /** Position of the request's first event in the frame. */
  readonly first: number;
  /** How many events the request had. */
  readonly count: number;
  /** Range proof of positions [first, first + count). */
  readonly proof: readonly Hash[];
};

/** What a producer knows of its own request. */
export type Submitted = {
  /** The ledger that it was sent to. */
  readonly origin: string;
  readonly producer: string;
  /** The exact bytes of its events, in order. */
  readonly events: readonly Uint8Array[];
};

/** A frame note has less than 1 KiB and a proof at most 18 hashes; this leaves room for any spelling of the JSON. */
export const MAX_RECEIPT_BYTES = 16_384;

/** 2·⌈log2 n⌉ of the largest frame. */
const MOST_PROOF_HASHES = 2 * Math.ceil(Math.log2(MAX_FRAME_EVENTS));

/** The bytes of one receipt, as `parseReceipt` gave it. For many of one frame use `receiptWriter`. */
export function formatReceipt({ ledger, frame, first, count, proof }: Receipt): Buffer {
  if (parseFrameText(parseNote(frame, MOST_ENTRY_BYTES).text).origin !== ledger) {
    throw new RangeError(`the frame of the receipt is not one of ${ledger}`);
  }
  return receiptWriter(frame)(first, count, proof);
}

/**
 * Prepares the receipts of one frame: what they share is written once, so that a receipt costs its proof only.
 * @param note the signed frame note
 * @returns a function from a request's place in the frame, and its range proof, to the bytes of its receipt. It throws
 *   RangeError (a bug of the caller) for a place outside the frame
 */
export function receiptWriter(
  note: Uint8Array | string,
): (first: number, count: number, proof: readonly Hash[]) => Buffer {
  const parsed = parseNote(note, MOST_ENTRY_BYTES);
  const frame = parseFrameText(parsed.text);
  const noteText = typeof note === 'string' ? note : Buffer.from(note).toString();
  const shared = Buffer.from(`{"ledger":${JSON.stringify(frame.origin)},"frame":${JSON.stringify(noteText)},"first":`);
  // Requests of one frame share most hashes of their proofs, and FrameTree gives the same Buffer for the same hash: with
  // the texts kept a single-event receipt takes 2 µs instead of 4 (measured, frame of 512).
  const texts = new Map<Hash, string>();
  const textOf = (hash: Hash): string => {
    let text = texts.get(hash);
    if (text === undefined) texts.set(hash, (text = encodeBase64(hash)));
    return text;
  };
  return (first, count, proof) => {
    if (!isCount(first) || !isCount(count) || count < 1 || first + count > frame.count) {
      throw new RangeError(`no ${count} events from ${first} in a frame of ${frame.count}`);
    }
    const own = `${first},"count":${count},"proof":${hashList(proof, textOf)}}`;
    const receipt = Buffer.allocUnsafe(shared.length + own.length);
    receipt.set(shared, 0);
    receipt.write(own, shared.length, 'latin1');
    return receipt;
  };
}

/**
 * Reads a receipt by value; nothing is verified yet.
 * @throws FormatError `receipt.size`, `receipt.json`, or the code of the member that is missing or wrong:
 * `receipt.ledger` (also: not the frame's), `receipt.frame` (not a frame note), `receipt.first`, `receipt.count` (not in
 * the frame), `receipt.proof`
 */
export function parseReceipt(bytes: Uint8Array): Receipt {
  const members = MessageReader.parse('receipt', bytes, MAX_RECEIPT_BYTES);
  const receipt: Receipt = {
    ledger: members.text('ledger'),
    frame: members.text('frame'),
    first: members.count('first'),
    count: members.count('count'),
    proof: members.hashes('proof', MOST_PROOF_HASHES),
  };
  members.check('ledger', () => parseOrigin(receipt.ledger));
  const frame = members.check('frame', () => parseFrameText(parseNote(receipt.frame, MOST_ENTRY_BYTES).text));
  if (frame.origin !== receipt.ledger) members.fail('ledger', `is not that of the frame, ${frame.origin}`);
  if (receipt.count < 1) members.fail('count', 'is 0');
  if (receipt.first + receipt.count > frame.count) members.fail('first', `leads out of a frame of ${frame.count}`);
  return receipt;
}

/**
 * Verifies a receipt against the bytes that were sent: these events, of this producer, stand at these positions of a
 * frame of this ledger that one of these keys signed.
 * @param ingestKeys keys in force of any ingesters; only those of the one that the frame names can have signed it
 * @returns the frame
 * @throws FormatError `receipt.other-ledger`, `receipt.other-count` (it is not for this request), `receipt.range` (the
 * proof has not the length it must have), `receipt.root` (the events are not those of the frame), `frame.*`, `event-entry.*`;
 * NoteError `note.*` (not signed by an ingester)
 */
export function verifyReceipt(receipt: Receipt, submitted: Submitted, ingestKeys: readonly VerifierKey[]): Frame {
  const { origin, producer, events } = submitted;
  if (receipt.ledger !== origin) {
    throw new FormatError('receipt.other-ledger', `the receipt is for ${receipt.ledger}, the events went to ${origin}`);
  }
  if (receipt.count !== events.length) {
    throw new FormatError(
      'receipt.other-count',
      `the receipt is for ${receipt.count} events, sent were ${events.length}`,
    );
  }
  const frame = openFrame(receipt.frame, ingestKeys, origin);
  const prefix = eventPrefix(origin, producer, frame.accepted);
  const leaves = events.map((event) => leafHash(encodeEventEntry(prefix, event)));
  if (!equalHash(rootOf(receipt, frame, leaves), frame.root)) {
    throw new FormatError('receipt.root', `the events are not at positions ${receipt.first} ff. of the signed frame`);
  }
  return frame;
}

function rootOf(receipt: Receipt, frame: Frame, leaves: readonly Hash[]): Hash {
  try {
    return rangeRoot(receipt.first, receipt.count, frame.count, leaves, receipt.proof);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError('receipt.range', `the receipt's proof: ${cause.message}`, { cause });
  }
}
