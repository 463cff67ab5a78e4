import {
  alertKeyName,
  COSIGNATURE_KEY,
  formatTimestamp,
  ingestKeyName,
  NOTE_KEY,
  operatorKeyName,
  originOf,
  sha256,
  SigningKey,
  verifierKeyName,
  type KeyType,
  type VerifierKey,
} from '@everseal/audit-core';

/**
 * Who appears in the vectors: one installation, its ledgers `main` and `test`, two ingesters, two operators, two
 * verifiers. Every seed is SHA-256 of `everseal vector <label>`, so that another language can sign the same notes
 * (Ed25519 is deterministic).
 */
export const DOMAIN = 'audit.example.com';
export const ORIGIN = originOf(DOMAIN, 'main');
export const OTHER_ORIGIN = originOf(DOMAIN, 'test');
export const SUCCESSOR = originOf(DOMAIN, 'main-r1');

export function key(label: string, name: string, type: KeyType = NOTE_KEY): SigningKey {
  return SigningKey.fromSeed(name, seedOf(label), type);
}

function seedOf(label: string): Buffer {
  return sha256(Buffer.from(`everseal vector ${label}`));
}

export const CAST = {
  log: key('log', ORIGIN),
  /** The log key after a rotation. */
  'log-2': key('log-2', ORIGIN),
  'log-3': key('log-3', ORIGIN),
  'test-log': key('test-log', OTHER_ORIGIN),
  'successor-log': key('successor-log', SUCCESSOR),
  op1: key('op1', operatorKeyName(DOMAIN, 'op1')),
  op2: key('op2', operatorKeyName(DOMAIN, 'op2')),
  a: key('a', ingestKeyName(DOMAIN, 'a')),
  /** Ingester a's second key while it rotates. */
  'a-2': key('a-2', ingestKeyName(DOMAIN, 'a')),
  b: key('b', ingestKeyName(DOMAIN, 'b')),
  v1: key('v1', verifierKeyName(DOMAIN, 'v1'), COSIGNATURE_KEY),
  v2: key('v2', verifierKeyName(DOMAIN, 'v2'), COSIGNATURE_KEY),
  alerts: key('alerts', alertKeyName(DOMAIN, 'verifier', 'v1')),
  'sealer-alerts': key('sealer-alerts', alertKeyName(DOMAIN, 'sealer', 's1')),
  /** A key that no key set names. */
  stranger: key('stranger', ingestKeyName(DOMAIN, 'a')),
};

export type Label = keyof typeof CAST;

/** The members of the cast that a vector file needs, as they stand in it. */
export function castOf(...labels: Label[]): Record<string, { name: string; type: string; seed: string; vkey: string }> {
  return Object.fromEntries(
    labels.map((label) => {
      const { name, type, vkey } = CAST[label].verifier;
      return [label, { name, type: `0x0${type}`, seed: seedOf(label).toString('hex'), vkey }];
    }),
  );
}

/** The cast by label, as the files give it. */
export function castKeys(label: string): VerifierKey {
  return CAST[label as Label].verifier;
}

/** Times of the vectors, in whole seconds after 09:00. */
export function at(seconds: number): string {
  return formatTimestamp(Date.UTC(2026, 0, 31, 9, 0, seconds));
}
