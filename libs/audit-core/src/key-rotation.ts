/**
 * Rotating a key, step by step (formats.md, "Key set"): what has to be done next follows from the key set in force and from
 * the key file alone, so that a rotation which was left off anywhere is gone on with from there.
 *
 *     make   the key file gets a new key in its first line
 *     add    a key set that names it; a log key takes the place of the one before
 *     drop   once the new key is used: a key set that does not name the old one any more
 *     clean  the old key leaves the key file
 */
import { FormatError } from './format-error.js';
import type { KeySetEntry } from './key-order.js';
import { formatKeySetText, parseKeySetText, type KeySet } from './key-set.js';
import { COSIGNATURE_KEY, NOTE_KEY, type KeyType, type VerifierKey } from './key.js';
import { ingestKeyName, operatorKeyName, parseOrigin, verifierKeyName } from './names.js';
import type { Timestamp } from './timestamp.js';

export const KEY_ROLES = ['log', 'operator', 'ingest', 'verifier'] as const;
export type KeyRole = (typeof KEY_ROLES)[number];
export type RotationStep = 'make' | 'add' | 'drop' | 'clean';

/** Of whom a key is: its role, and its name where there may be several; of the log it is not looked at. */
export type KeyHolder = { readonly role: KeyRole; readonly name: string };

/** The key name of a holder in a ledger. */
export function keyNameOf({ role, name }: KeyHolder, origin: string): string {
  const { domain } = parseOrigin(origin);
  switch (role) {
    case 'log':
      return origin;
    case 'operator':
      return operatorKeyName(domain, name);
    case 'ingest':
      return ingestKeyName(domain, name);
    case 'verifier':
      return verifierKeyName(domain, name);
  }
}

export function keyTypeOf(role: KeyRole): KeyType {
  return role === 'verifier' ? COSIGNATURE_KEY : NOTE_KEY;
}

/** The keys that a set names for a holder. */
export function keysOfHolder(set: KeySet, holder: KeyHolder): VerifierKey[] {
  const name = keyNameOf(holder, set.origin);
  return keysOfRole(set, holder.role).filter((key) => key.name === name);
}

/** What is to be done next. @param file the keys of the key file, the newest first */
export function rotationStep(set: KeySet, holder: KeyHolder, file: readonly VerifierKey[]): RotationStep {
  const [newest, ...others] = file;
  if (newest === undefined) return 'make';
  const named = keysOfHolder(set, holder);
  if (!has(named, newest)) return 'add';
  if (named.length > 1) return 'drop';
  return others.length > 0 ? 'clean' : 'make';
}

/**
 * The set that names this key, too; of the log, and with `instead`, in the place of the holder's others.
 * @throws FormatError `keys.*` when there can be no such set (three keys of an ingester, a key that another line has)
 */
export function addKey(
  current: KeySetEntry,
  holder: KeyHolder,
  key: VerifierKey,
  { instead, time }: { instead: boolean; time: Timestamp },
): KeySet {
  const { set } = current;
  const isReplaced = instead || holder.role === 'log';
  const kept = keysOfRole(set, holder.role).filter((one) => !isReplaced || one.name !== key.name);
  return checked(withRole({ ...set, previous: current.hash, time }, holder.role, [...kept, key]));
}

/** The set that names of a holder's keys this one only. @throws FormatError `keys.*` */
export function keepKey(current: KeySetEntry, holder: KeyHolder, key: VerifierKey, time: Timestamp): KeySet {
  if (!has(keysOfHolder(current.set, holder), key)) {
    throw new FormatError('keys.not-named', `the key set in force does not name ${key.vkey}`);
  }
  return addKey(current, holder, key, { instead: true, time });
}

/** True when both name the same keys for the same log and follow the same set, whatever their time. */
export function isSameChange(one: KeySet, other: KeySet): boolean {
  return formatKeySetText({ ...one, time: other.time }) === formatKeySetText(other);
}

function keysOfRole(set: KeySet, role: KeyRole): readonly VerifierKey[] {
  switch (role) {
    case 'log':
      return [set.log];
    case 'operator':
      return set.operators;
    case 'ingest':
      return set.ingest;
    case 'verifier':
      return set.verifiers;
  }
}

function withRole(set: KeySet, role: KeyRole, keys: readonly VerifierKey[]): KeySet {
  switch (role) {
    case 'log':
      return { ...set, log: keys[0]! };
    case 'operator':
      return { ...set, operators: keys };
    case 'ingest':
      return { ...set, ingest: keys };
    case 'verifier':
      return { ...set, verifiers: keys };
  }
}

/** In the one order that a set is written in. */
function checked(set: KeySet): KeySet {
  return parseKeySetText(formatKeySetText(set));
}

function has(keys: readonly VerifierKey[], key: VerifierKey): boolean {
  return keys.some(({ vkey }) => vkey === key.vkey);
}
