/**
 * What a log makes of the answer of a witness to `add-checkpoint` (C2SP tlog-witness).
 *
 * A witness says in three ways that it knows another history of this log: 422 to a proof that this log knows to be right, 409
 * to a checkpoint of exactly the size that it has, and a size that this log never had. Each is its word alone: it shows nothing
 * but the cosignature that is missing, and whoever is told has to ask it for the checkpoint that it holds.
 */
import { verifyCosignature } from './cosignature.js';
import { FormatError } from './format-error.js';
import type { VerifierKey } from './key.js';
import { knownKey, parseNote, parseSignatureLines, type SignatureLine } from './note.js';
import { quote } from './quote.js';
import { parseWitnessSize } from './witness-message.js';

/** What was asked. */
export type WitnessAsked = {
  readonly old: number;
  /** Of the checkpoint. */
  readonly size: number;
  /** Entries that the log has by now: it signed nothing beyond. */
  readonly longest: number;
};

export type WitnessSaid =
  /** The body holds its cosignatures, not verified yet. */
  | { readonly kind: 'cosigned' }
  /** It cosigned a smaller size last: ask again with a proof from there. */
  | { readonly kind: 'behind'; readonly size: number }
  /** It cosigned a later checkpoint of this log already. */
  | { readonly kind: 'ahead'; readonly size: number }
  | { readonly kind: 'other-history'; readonly why: string }
  | { readonly kind: 'refused'; readonly why: string };

/** Of an answer that is shown to people. */
const MOST_SHOWN = 200;

export function readWitnessAnswer(asked: WitnessAsked, status: number, body: Uint8Array): WitnessSaid {
  const { old, size, longest } = asked;
  if (status === 200) return { kind: 'cosigned' };
  if (status === 422 && old > 0) {
    return { kind: 'other-history', why: `it does not take the log for a continuation of its tree of ${old} entries` };
  }
  const its = status === 409 ? sizeIn(body) : null;
  const isSame = status === 409 && old === size && (its === null || its === size);
  if (isSame) return { kind: 'other-history', why: `it cosigned another root for the tree of ${size} entries` };
  if (its === null || its === old) return { kind: 'refused', why: `it answers ${status} ${shownAnswer(body)}` };
  if (its < size) return { kind: 'behind', size: its };
  if (its <= longest) return its === size ? { kind: 'behind', size: its } : { kind: 'ahead', size: its };
  return { kind: 'other-history', why: `it cosigned a tree of ${its} entries, the log has ${longest}` };
}

/**
 * The cosignatures of a witness out of its answer, verified. Lines of keys that are not known are skipped.
 * @param note the checkpoint that was asked about
 * @param keys of that witness
 * @param clock the time here, and how far from it theirs may be, in seconds: a cosignature dates what it covers
 * @throws FormatError `note.*`, `cosignature.*`; `witness.time`; `witness.unsigned`: none by these keys
 */
export function cosignaturesIn(
  body: Uint8Array,
  note: string,
  keys: readonly VerifierKey[],
  { now, tolerance }: { now: number; tolerance: number },
): SignatureLine[] {
  const { text } = parseNote(note);
  const byKey = new Map<VerifierKey, SignatureLine>();
  for (const line of parseSignatureLines(Buffer.from(body).toString('utf8'))) {
    const key = knownKey(keys, line);
    if (key === undefined || byKey.has(key)) continue;
    const seconds = verifyCosignature(text, line, key);
    if (Math.abs(seconds - now) > tolerance) {
      const off = seconds > now ? `${seconds - now} s ahead of` : `${now - seconds} s behind`;
      throw new FormatError('witness.time', `the cosignature by ${quote(key.name)} is ${off} the clock here`);
    }
    byKey.set(key, line);
  }
  if (byKey.size === 0)
    throw new FormatError('witness.unsigned', 'the answer holds no cosignature by a key of the witness');
  return [...byKey.values()];
}

/** An answer as people are shown it: its beginning, without what a terminal would act on. */
export function shownAnswer(body: Uint8Array): string {
  return quote(Buffer.from(body).toString('utf8', 0, MOST_SHOWN).trimEnd());
}

function sizeIn(body: Uint8Array): number | null {
  try {
    return parseWitnessSize(body);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
