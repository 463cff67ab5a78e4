/**
 * Keys that a log went by and goes by no longer, each with the entry up to which it was in force. A reader keeps them, so
 * that what was signed long ago is judged by the keys of its time: a checkpoint by the log key in force at its last entry.
 */
import type { KeySet } from './key-set.js';
import type { VerifierKey } from './key.js';

export type RetiredRole = 'log' | 'ingest' | 'verifier';

export type RetiredKey = {
  readonly role: RetiredRole;
  readonly key: VerifierKey;
  /** Index of the key set that does not name it any more: it signs entries up to and including this one. */
  readonly until: number;
};

/** The keys in force, and those before them. */
export type KeysOfLog = { readonly keys: KeySet | null; readonly retired: readonly RetiredKey[] };

/** The keys that `next`, which stands at index `until`, names no longer. */
export function retiredBy(before: KeySet, next: KeySet, until: number): RetiredKey[] {
  const gone = (role: RetiredRole, from: readonly VerifierKey[], to: readonly VerifierKey[]): RetiredKey[] =>
    from.filter(({ vkey }) => !to.some((key) => key.vkey === vkey)).map((key) => ({ role, key, until }));
  return [
    ...gone('log', [before.log], [next.log]),
    ...gone('ingest', before.ingest, next.ingest),
    ...gone('verifier', before.verifiers, next.verifiers),
  ];
}

/** The log key with which a checkpoint of this size is signed: the one in force at its last entry. Null before entry 0. */
export function logKeyAt({ keys, retired }: KeysOfLog, size: number): VerifierKey | null {
  const then = retired.find(({ role, until }) => role === 'log' && size - 1 <= until);
  return then?.key ?? keys?.log ?? null;
}

/** Every log key that the log ever went by, the one in force first. */
export function logKeysOf({ keys, retired }: KeysOfLog): VerifierKey[] {
  return everyKey(keys ? [keys.log] : [], retired, 'log');
}

/** Every verifier's key, those in force first. */
export function verifierKeysOf({ keys, retired }: KeysOfLog): VerifierKey[] {
  return everyKey(keys?.verifiers ?? [], retired, 'verifier');
}

function everyKey(inForce: readonly VerifierKey[], retired: readonly RetiredKey[], role: RetiredRole): VerifierKey[] {
  const all = [...inForce, ...retired.filter((one) => one.role === role).map(({ key }) => key)];
  return [...new Map(all.map((key) => [key.vkey, key])).values()];
}
