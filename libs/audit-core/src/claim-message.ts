/**
 * The claim (formats.md, "Claim", subject `audit.claim.<ledger>.<producer>`): a producer hands in a receipt and learns
 * what became of its events. The request is the receipt itself; the answer is JSON, read by value:
 *
 *     {"state":"sealed","index":n,"proof":["<base64>"],"checkpoint":"<note with cosignatures>"}
 *     {"state":"pending"}      {"state":"overdue"}
 *
 * `index` is that of the receipt's first event. Its frame note therefore stands `first` + 1 entries before it, and the
 * proof is that of this note: with the receipt's own range proof it leads from each of the events to the checkpoint, and
 * nothing but the receipt is needed to check it.
 *
 * The answer is not signed. `sealed` proves itself by its checkpoint; the other two are the word of who answered.
 */
import { openCheckpoint, type OpenedCheckpoint } from './checkpoint.js';
import { cosignaturesOf, type Cosignature } from './cosignature.js';
import { FormatError } from './format-error.js';
import { parseFrameText, type Frame } from './frame.js';
import { leafHash, ZERO_HASH, type Hash } from './hash.js';
import { verifyInclusion } from './inclusion.js';
import type { VerifierKey } from './key.js';
import { hashList, MessageReader } from './message-json.js';
import { MOST_ENTRY_BYTES, parseNote } from './note.js';
import { rangeRoot } from './range-proof.js';
import { parseReceipt, type Receipt } from './receipt.js';

export type Claim = {
  readonly receipt: Receipt;
  readonly frame: Frame;
  /** Leaf hash of its note. */ readonly hash: Hash;
};

export type ClaimAnswer =
  | {
      readonly state: 'sealed';
      /** Index of the receipt's first event. */
      readonly index: number;
      /** Inclusion proof of the frame note. */
      readonly proof: readonly Hash[];
      readonly checkpoint: string;
    }
  | { readonly state: 'pending' }
  | { readonly state: 'overdue' };

/** What the holder of a receipt trusts: keys of the newest key set that it knows. */
export type ClaimTrust = { readonly logKeys: readonly VerifierKey[]; readonly verifiers: readonly VerifierKey[] };

/** A checkpoint may carry many cosignatures; a proof has 53 hashes at most. */
const MAX_ANSWER_BYTES = 65_536;
const MOST_PROOF_HASHES = 53;

/**
 * Reads a claim on a ledger. The frame's signature is not checked: a frame that is sealed needs none, any other is
 * for the one who knows the keys in force.
 * @param origin the ledger of the subject that it came on
 * @throws FormatError `receipt.*` as `parseReceipt`; `claim.ledger`: a receipt of another ledger; `claim.range`: its
 * proof has not the length that its place in the frame calls for
 */
export function parseClaim(bytes: Uint8Array, origin: string): Claim {
  const receipt = parseReceipt(bytes);
  if (receipt.ledger !== origin) {
    throw new FormatError('claim.ledger', `the receipt is for ${receipt.ledger}, the claim came in for ${origin}`);
  }
  const frame = parseFrameText(parseNote(receipt.frame, MOST_ENTRY_BYTES).text);
  // Which leaves they are plays no part in how many hashes are needed.
  foldReceipt(
    receipt,
    frame,
    Array.from({ length: receipt.count }, () => ZERO_HASH),
  );
  return { receipt, frame, hash: leafHash(Buffer.from(receipt.frame)) };
}

/**
 * Checks that a claim's range proof leads from the sealed events to the frame's root.
 * @param leaves leaf hashes of the entries that stand at the receipt's positions in the log
 * @throws FormatError `claim.root`
 */
export function checkClaimedEvents({ receipt, frame }: Claim, leaves: readonly Hash[]): void {
  if (foldReceipt(receipt, frame, leaves).equals(frame.root)) return;
  throw new FormatError('claim.root', "the receipt's proof does not lead from the sealed events to the frame's root");
}

function foldReceipt({ first, count, proof }: Receipt, frame: Frame, leaves: readonly Hash[]): Hash {
  try {
    return rangeRoot(first, count, frame.count, leaves, proof);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError('claim.range', `the receipt's proof: ${cause.message}`, { cause });
  }
}

/**
 * The bytes of an answer.
 * @throws FormatError `claim-answer.*` when no reader would take it
 */
export function formatClaimAnswer(answer: ClaimAnswer): Buffer {
  const { state } = answer;
  const place =
    answer.state === 'sealed'
      ? `,"index":${answer.index},"proof":${hashList(answer.proof)},"checkpoint":${JSON.stringify(answer.checkpoint)}`
      : '';
  const bytes = Buffer.from(`{"state":"${state}"${place}}`);
  parseClaimAnswer(bytes);
  return bytes;
}

/**
 * Reads an answer by value; nothing is verified yet.
 * @throws FormatError `claim-answer.size`, `claim-answer.json`, `claim-answer.state`, and where the state is `sealed`
 * `claim-answer.index`, `claim-answer.proof`, `claim-answer.checkpoint`
 */
export function parseClaimAnswer(bytes: Uint8Array): ClaimAnswer {
  const members = MessageReader.parse('claim-answer', bytes, MAX_ANSWER_BYTES);
  const state = members.text('state');
  if (state === 'pending' || state === 'overdue') return { state };
  if (state !== 'sealed') return members.fail('state', 'is none of sealed, pending, overdue');
  return {
    state,
    index: members.count('index'),
    proof: members.hashes('proof', MOST_PROOF_HASHES),
    checkpoint: members.text('checkpoint'),
  };
}

/**
 * Verifies that the events of a receipt are sealed where an answer says: log signature, a known verifier's cosignature,
 * and the inclusion proof of the receipt's frame note.
 * @throws FormatError as `openCheckpoint`; `claim-answer.cosignature`: no known verifier cosigned it;
 * `claim-answer.place`: no frame can stand so early; `claim-answer.inclusion`: the proof does not verify
 */
export function verifyClaimAnswer(
  answer: Extract<ClaimAnswer, { state: 'sealed' }>,
  receipt: Receipt,
  { logKeys, verifiers }: ClaimTrust,
): { checkpoint: OpenedCheckpoint; cosignatures: readonly Cosignature[] } {
  const checkpoint = openCheckpoint(answer.checkpoint, logKeys, receipt.ledger);
  const cosignatures = cosignaturesOf(checkpoint, verifiers);
  if (cosignatures.length === 0) {
    throw new FormatError('claim-answer.cosignature', 'no known verifier cosigned the checkpoint');
  }
  const place = answer.index - 1 - receipt.first;
  if (place < 0) {
    throw new FormatError('claim-answer.place', `event ${answer.index} leaves no room for its frame note before it`);
  }
  const { size, root } = checkpoint;
  if (!verifyInclusion(place, size, leafHash(Buffer.from(receipt.frame)), answer.proof, root)) {
    throw new FormatError('claim-answer.inclusion', `the frame of the receipt is not proven to be entry ${place}`);
  }
  return { checkpoint, cosignatures };
}
