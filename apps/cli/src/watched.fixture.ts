/** An installation made in memory for the specs of `watch`: keys, a log that grows, heartbeats, announcements, alerts. */
import {
  alertKeyName,
  appendSignatures,
  COSIGNATURE_KEY,
  cosign,
  formatAnnouncement,
  formatTimestamp,
  formatVerifierHeartbeat,
  ingestKeyName,
  leafHash,
  logKeyName,
  NOTE_KEY,
  openGenesis,
  operatorKeyName,
  originOf,
  parseNote,
  sha256,
  signAlert,
  signCheckpoint,
  signKeySet,
  SigningKey,
  splitPoint,
  treeRoot,
  verifierKeyName,
  ZERO_HASH,
  type Coverage,
  type Hash,
} from '@everseal/audit-core';
import type { LedgerTrust } from './ledger-trust.js';

export const DOMAIN = 'audit.example.com';
export const ORIGIN = originOf(DOMAIN, 'main');
export const START = Date.UTC(2026, 0, 1);

function key(name: string, type: typeof NOTE_KEY | typeof COSIGNATURE_KEY = NOTE_KEY): SigningKey {
  return SigningKey.fromSeed(name, sha256(Buffer.from(name)), type);
}

export const LOG = key(logKeyName(ORIGIN));
export const VERIFIERS = {
  v1: key(verifierKeyName(DOMAIN, 'v1'), COSIGNATURE_KEY),
  v2: key(verifierKeyName(DOMAIN, 'v2'), COSIGNATURE_KEY),
};
/** Under v1's name, by somebody who does not have its key. */
export const FOREIGN = SigningKey.fromSeed(VERIFIERS.v1.name, sha256(Buffer.from('foreign')), COSIGNATURE_KEY);
const PARTS = ['ingest/a', 'sealer/s1', 'verifier/v1', 'verifier/v2'] as const;
export const ALERT_KEYS = PARTS.map((part) => {
  const [service = '', name = ''] = part.split('/');
  return key(alertKeyName(DOMAIN, service, name));
});

const operator = key(operatorKeyName(DOMAIN, 'local'));
/** The key set that the ledger begins with. */
export const GENESIS = signKeySet(
  {
    origin: ORIGIN,
    previous: ZERO_HASH,
    time: formatTimestamp(START),
    log: LOG.verifier,
    operators: [operator.verifier],
    ingest: [key(ingestKeyName(DOMAIN, 'a')).verifier],
    verifiers: [VERIFIERS.v1.verifier, VERIFIERS.v2.verifier],
  },
  LOG,
  operator,
);

export const TRUST: LedgerTrust = {
  ledger: 'main',
  witnesses: null,
  origin: ORIGIN,
  genesis: leafHash(Buffer.from(GENESIS)),
  keys: openGenesis(Buffer.from(GENESIS), ORIGIN),
};

/** Leaves of a log of that size; `history` tells one log from another that begins the same way. */
function leavesOf(size: number, history: string): Hash[] {
  return Array.from({ length: size }, (_, i) => leafHash(Buffer.from(i === 0 ? GENESIS : `${history} ${i}`)));
}

export function checkpoint(size: number, history = 'a', log = LOG): string {
  return signCheckpoint({ origin: ORIGIN, size, root: treeRoot(leavesOf(size, history)) }, log);
}

/** @param at milliseconds since 1970 */
export function cosigned(note: string, by: SigningKey, at: number): string {
  return appendSignatures(note, [cosign(parseNote(note).text, by, Math.floor(at / 1_000))]);
}

const SWEEP = {
  passes: 1,
  endedAt: START,
  entries: 1,
  milliseconds: 1,
  perSecond: 1_000,
  oldestReadAt: START,
  notCovered: [],
};
export const COVERAGE: Coverage = {
  tail: { size: 1, head: 1, behindMs: 0 },
  bodies: SWEEP,
  index: SWEEP,
  stored: SWEEP,
};

export function heartbeat(size: number, by: SigningKey, at: number, history = 'a'): Buffer {
  return formatVerifierHeartbeat(at, cosigned(checkpoint(size, history), by, at), COVERAGE);
}

/** @param by verifiers that cosigned; @param at when, all of them or each */
export function announcement(
  size: number,
  by: readonly SigningKey[],
  at: number | readonly number[],
  history = 'a',
): Buffer {
  const timeOf = (i: number): number => (typeof at === 'number' ? at : at[i]!);
  const note = by.reduce((text, verifier, i) => cosigned(text, verifier, timeOf(i)), checkpoint(size, history));
  const keys = { note: GENESIS, index: 0, proof: pathOfFirst(leavesOf(size, history)) };
  return formatAnnouncement({ checkpoint: note, keys, heads: [] });
}

/** RFC 6962 inclusion proof of the first leaf. */
function pathOfFirst(leaves: readonly Hash[]): Hash[] {
  if (leaves.length <= 1) return [];
  const split = splitPoint(leaves.length);
  return [...pathOfFirst(leaves.slice(0, split)), treeRoot(leaves.slice(split))];
}

/** @param over members put over those of a raised `entry.altered` */
export function alert(part: (typeof PARTS)[number], number: number, over: object = {}): Buffer {
  const signer = ALERT_KEYS[PARTS.indexOf(part)]!;
  const source = `${DOMAIN}/${part}`;
  const time = formatTimestamp(START + number);
  const body = { source, number, time, code: 'entry.altered', state: 'raised', severity: 'tampering', ledger: ORIGIN };
  return signAlert(Buffer.from(JSON.stringify({ ...body, ...over })), source, number, time, signer);
}
