/**
 * What an operator's order to go over to another key set does to a sealer, as far as it can be said without writing
 * anything. An order that was carried out already is no error: whoever sends one has to send it again when no answer came.
 */
import {
  FormatError,
  formatKeySetText,
  keySetOfNote,
  leafHash,
  openKeyOrder,
  sealKeyOrder,
  type KeySet,
  type SigningKey,
  type VerifierKey,
} from '@everseal/audit-core';
import type { Sealing } from './sealing.js';

/** The keys of the set that is to be sealed. */
export interface NextKeys {
  readonly keys: KeySet;
  readonly keysNote: string;
  readonly note: string;
  /** Signs the block that covers it, and everything after. */
  readonly logKey: SigningKey;
  readonly logKeys: readonly VerifierKey[];
}

/**
 * @param logKeyOf the private log key whose public half this is; null when this sealer does not have it
 * @returns null when the set of the order is in force already
 * @throws FormatError `key-order.*`, `keys.*`, `note.*`; `key-order.log-key`: this sealer could not sign under that set
 */
export function followOrder(
  order: string,
  { keys: set, keysNote, logKey, logKeys }: Pick<Sealing, 'keys' | 'keysNote' | 'logKey' | 'logKeys'>,
  logKeyOf: (key: VerifierKey) => SigningKey | null,
): NextKeys | null {
  const current = { set, hash: leafHash(Buffer.from(keysNote)) };
  // Signed by whom does not matter: the text is what is in force.
  if (formatKeySetText(keySetOfNote(order)) === formatKeySetText(set)) return null;
  const wanted = openKeyOrder(order, current);
  const next = logKeyOf(wanted.log);
  if (!next) {
    throw new FormatError(
      'key-order.log-key',
      `this sealer does not have ${wanted.log.vkey}, the log key of that set: put it into the key file of every sealer first`,
    );
  }
  const { note, set: keys } = sealKeyOrder(order, current, logKey);
  const others = logKeys.filter(({ vkey }) => vkey !== keys.log.vkey);
  return { keys, note, keysNote: note, logKey: next, logKeys: [keys.log, ...others] };
}
