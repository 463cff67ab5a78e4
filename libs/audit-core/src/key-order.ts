/**
 * An operator's order to go over to another key set (formats.md, "Key order"): the text of the key set that is to follow,
 * with one signature line, by an operator key of the set in force. The sealer puts its own line in front and so makes the
 * entry; neither can make a key set without the other, and the operator's key and the log key never meet.
 *
 * The text names the set that it follows by its hash. So an order fits one place of one log, and may be kept, sent twice or
 * stolen: once another set is in force it is worth nothing.
 */
import { FormatError } from './format-error.js';
import { equalHash, leafHash, type Hash } from './hash.js';
import { formatKeySetText, openKeySet, parseKeySetText, type KeySet } from './key-set.js';
import type { SigningKey } from './key.js';
import { operatorKeyName, parseOrigin } from './names.js';
import { formatNote, MOST_ENTRY_BYTES, openEntryNote, parseNote, signatureLine, signNote } from './note.js';
import { requireSigner } from './record-lines.js';

/** A key set, and the leaf hash of its entry. */
export type KeySetEntry = { readonly set: KeySet; readonly hash: Hash };

/**
 * The signed order.
 * @throws FormatError `keys.*` for a set that no reader would take; RangeError for a key that is no operator's of this domain
 */
export function signKeyOrder(set: KeySet, operator: SigningKey): string {
  const text = formatKeySetText(set);
  parseKeySetText(text);
  const name = operator.name.slice(operator.name.lastIndexOf('/') + 1);
  requireSigner(operator, operatorKeyName(parseOrigin(set.origin).domain, name));
  return signNote(text, [operator]);
}

/** The key set that a note names, an order or a key set: nothing is verified. @throws NoteError `note.*`; FormatError `keys.*` */
export function keySetOfNote(note: Uint8Array | string): KeySet {
  return parseKeySetText(parseNote(note, MOST_ENTRY_BYTES).text);
}

/**
 * Opens an order that is to be carried out now.
 * @param current the set in force
 * @throws NoteError `note.*` (not signed by an operator of `current`); FormatError `keys.*`, `key-order.ledger` (of another
 * ledger), `key-order.place` (does not follow the set in force)
 */
export function openKeyOrder(order: Uint8Array | string, current: KeySetEntry): KeySet {
  const set = parseKeySetText(openEntryNote(order, [current.set.operators]));
  if (set.origin !== current.set.origin) {
    throw new FormatError(
      'key-order.ledger',
      `the order is for ${set.origin}, wanted is one for ${current.set.origin}`,
    );
  }
  if (!equalHash(set.previous, current.hash)) {
    throw new FormatError(
      'key-order.place',
      'the order does not follow the key set in force: make it anew from that one',
    );
  }
  return set;
}

/**
 * The entry that an order becomes: the log key of the set in force puts its line in front.
 * @throws as `openKeyOrder`; RangeError for a key that is not the log key in force
 */
export function sealKeyOrder(order: string, current: KeySetEntry, log: SigningKey): { note: string; set: KeySet } {
  openKeyOrder(order, current);
  if (log.verifier.vkey !== current.set.log.vkey) {
    throw new RangeError(`${log.verifier.vkey} is not the log key in force`);
  }
  const { text, textBytes, signatures } = parseNote(order, MOST_ENTRY_BYTES);
  const note = formatNote(text, [
    signatureLine(log.verifier, log.sign(textBytes)),
    ...signatures.map(({ line }) => line),
  ]);
  return { note, set: openKeySet(note, current.set, current.hash) };
}

/**
 * Goes from a key set that is trusted to the newest of those that follow it, as far as each is signed by the log key and an
 * operator of the one before.
 * @param notes key sets as they stand in the log, oldest first; those before `from` are passed over
 * @returns the sets that follow it, the newest last; none when no note continues it
 * @throws NoteError `note.*`, FormatError `keys.*`: one that stands behind it does not follow
 */
export function followKeySets(from: KeySetEntry, notes: readonly (string | Uint8Array)[]): KeySetEntry[] {
  const start = notes.findIndex((note) => equalHash(keySetOfNote(note).previous, from.hash));
  const followed: KeySetEntry[] = [];
  for (const note of start < 0 ? [] : notes.slice(start)) {
    const before = followed.at(-1) ?? from;
    const bytes = Buffer.from(note);
    followed.push({ set: openKeySet(bytes, before.set, before.hash), hash: leafHash(bytes) });
  }
  return followed;
}
