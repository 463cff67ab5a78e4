/**
 * A log as ingest meets it: its keys, its genesis note, and announcements over entries of any kind, as a sealer and a verifier
 * would sign them.
 */
import {
  cosign,
  COSIGNATURE_KEY,
  formatAnnouncement,
  formatCheckpointText,
  formatNote,
  formatTimestamp,
  ingestKeyName,
  leafHash,
  logKeyName,
  NOTE_KEY,
  operatorKeyName,
  originOf,
  parseNote,
  proveInclusion,
  signKeySet,
  SigningKey,
  signNote,
  treeRoot,
  verifierKeyName,
  ZERO_HASH,
  type KeySet,
} from '@everseal/audit-core';

export const DOMAIN = 'audit.example.com';
export const ORIGIN = originOf(DOMAIN, 'main');

export const seed = (n: number): Buffer => Buffer.alloc(32, n);

export const KEYS = {
  log: SigningKey.fromSeed(logKeyName(ORIGIN), seed(1), NOTE_KEY),
  operator: SigningKey.fromSeed(operatorKeyName(DOMAIN, 'op'), seed(2), NOTE_KEY),
  a: SigningKey.fromSeed(ingestKeyName(DOMAIN, 'a'), seed(3), NOTE_KEY),
  b: SigningKey.fromSeed(ingestKeyName(DOMAIN, 'b'), seed(4), NOTE_KEY),
  verifier: SigningKey.fromSeed(verifierKeyName(DOMAIN, 'v1'), seed(5), COSIGNATURE_KEY),
};

/** @param log the ledger's log key, where it is another one */
export function genesis(change: Partial<KeySet> = {}, log = KEYS.log): string {
  const set: KeySet = {
    origin: ORIGIN,
    previous: ZERO_HASH,
    time: formatTimestamp(Date.UTC(2026, 0, 1)),
    log: log.verifier,
    operators: [KEYS.operator.verifier],
    ingest: [KEYS.a.verifier, KEYS.b.verifier],
    verifiers: [KEYS.verifier.verifier],
    ...change,
  };
  return signKeySet(set, log, KEYS.operator);
}

/** As much of a log as announcements need: entries of any kind, in order, and proofs over them. */
export class FakeLog {
  readonly entries: Buffer[];
  keysIndex = 0;

  constructor(
    private readonly origin = ORIGIN,
    private readonly log = KEYS.log,
    public keysNote = genesis(),
  ) {
    this.entries = [Buffer.from(keysNote)];
  }

  /** @returns its index */
  add(entry: Uint8Array): number {
    return this.entries.push(Buffer.from(entry)) - 1;
  }

  addKeys(note: string): void {
    this.keysIndex = this.add(Buffer.from(note));
    this.keysNote = note;
  }

  /** An announcement whose heads are these entries. */
  announcement(
    heads: readonly { ingester: string; number: number; index: number; note?: string; debts?: [number, number][] }[],
    signers: { log?: SigningKey[]; verifier?: SigningKey | null; seconds?: number } = {},
  ): Buffer {
    const leaves = this.entries.map((entry) => leafHash(entry));
    const text = formatCheckpointText({ origin: this.origin, size: leaves.length, root: treeRoot(leaves) });
    const signed = signNote(text, signers.log ?? [this.log]);
    const verifier = signers.verifier === undefined ? KEYS.verifier : signers.verifier;
    const lines = parseNote(signed).signatures.map(({ line }) => line);
    const seconds = signers.seconds ?? Math.floor(Date.now() / 1_000);
    const note = formatNote(text, verifier === null ? lines : [...lines, cosign(text, verifier, seconds)]);
    return formatAnnouncement({
      checkpoint: note,
      keys: { note: this.keysNote, index: this.keysIndex, proof: proveInclusion(this.keysIndex, leaves) },
      heads: heads.map(({ ingester, number, index, note: frame, debts = [] }) => {
        return { ingester, number, index, proof: proveInclusion(index, leaves), note: frame, debts };
      }),
    });
  }
}
