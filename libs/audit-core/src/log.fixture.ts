/**
 * A small log made in memory for tests: deterministic keys, key set, frames and blocks, built with the same format
 * functions as the services use but by none of their code.
 */

import { encodeBundle } from './entry-bundle.js';
import { encodeEventEntry, eventPrefix } from './event-entry.js';
import { signBlock } from './block.js';
import { formatCheckpointText, signCheckpoint } from './checkpoint.js';
import { appendSignatures, cosign } from './cosignature.js';
import { CompactRange, treeRoot } from './compact-range.js';
import { signFrame, type Frame } from './frame.js';
import { signGap } from './gap.js';
import { leafHash, sha256, ZERO_HASH, type Hash } from './hash.js';
import { COSIGNATURE_KEY, NOTE_KEY, SigningKey } from './key.js';
import { signKeySet, type KeySet } from './key-set.js';
import { ingestKeyName, logKeyName, operatorKeyName, originOf, verifierKeyName } from './names.js';
import { formatTimestamp } from './timestamp.js';

export const DOMAIN = 'audit.example.com';
export const ORIGIN = originOf(DOMAIN, 'main');
const START = Date.UTC(2026, 0, 1);

export function testKey(name: string, type: typeof NOTE_KEY | typeof COSIGNATURE_KEY = NOTE_KEY): SigningKey {
  return SigningKey.fromSeed(name, sha256(Buffer.from(`test key ${name}`)), type);
}

export const KEYS = {
  log: testKey(logKeyName(ORIGIN)),
  operator: testKey(operatorKeyName(DOMAIN, 'root')),
  a: testKey(ingestKeyName(DOMAIN, 'a')),
  b: testKey(ingestKeyName(DOMAIN, 'b')),
  verifier: testKey(verifierKeyName(DOMAIN, 'v1'), COSIGNATURE_KEY),
};

/** Other keys under the same names: what a forger has who stole none. */
export function forgedKeys(): typeof KEYS {
  const forged = (key: SigningKey): SigningKey =>
    SigningKey.fromSeed(key.name, sha256(Buffer.from(`forged ${key.name}`)), key.verifier.type);
  const { log, operator, a, b, verifier } = KEYS;
  return { log: forged(log), operator: forged(operator), a: forged(a), b: forged(b), verifier: forged(verifier) };
}

export function genesisKeys(keys = KEYS): KeySet {
  return {
    origin: ORIGIN,
    previous: ZERO_HASH,
    time: formatTimestamp(START),
    log: keys.log.verifier,
    operators: [keys.operator.verifier],
    ingest: [keys.a.verifier, keys.b.verifier],
    verifiers: [keys.verifier.verifier],
  };
}

export interface MadeFrame {
  readonly frame: Frame;
  readonly note: Buffer;
  readonly hash: Hash;
  readonly entries: Buffer[];
}

/** Builds blocks one after another; every part of a block can be swapped before it is cut. */
export class LogWriter {
  readonly bodies: Buffer[] = [];
  readonly range = CompactRange.empty();
  readonly heads = new Map<string, { number: number; hash: Hash }>();
  clock = START;
  previous: Hash = ZERO_HASH;
  logKey: SigningKey;
  readonly genesis: Buffer;

  /** @param keys with which everything is signed; `genesis` names those of `trusted` */
  constructor(
    public keys = KEYS,
    trusted = KEYS,
  ) {
    this.logKey = keys.log;
    this.genesis = Buffer.from(signKeySet(genesisKeys(trusted), trusted.log, trusted.operator));
  }

  get trust(): { origin: string; genesis: Hash } {
    return { origin: ORIGIN, genesis: leafHash(this.genesis) };
  }

  time(): string {
    this.clock += 1000;
    return formatTimestamp(this.clock);
  }

  /** Makes the next frame of an ingester without sealing it. `over` replaces fields of the note. */
  frame(ingester: 'a' | 'b', events: readonly string[], over: Partial<Frame> = {}): MadeFrame {
    const accepted = over.accepted ?? this.time();
    const entries = events.map((e) => encodeEventEntry(eventPrefix(ORIGIN, 'billing', accepted), Buffer.from(e)));
    return this.rawFrame(ingester, entries, { ...over, accepted });
  }

  /** The same over entries that need not be events: what an ingester that checks nothing would sign. */
  rawFrame(ingester: 'a' | 'b', entries: Buffer[], over: Partial<Frame> = {}): MadeFrame {
    const head = this.heads.get(ingester) ?? { number: 0, hash: ZERO_HASH };
    const accepted = over.accepted ?? this.time();
    const root = treeRoot(entries.map((entry) => leafHash(entry)));
    const { number, hash: previous } = { number: head.number + 1, hash: head.hash };
    const fields = { origin: ORIGIN, ingester, number, previous, count: entries.length, root, accepted };
    const frame: Frame = { ...fields, ...over };
    const note = Buffer.from(signFrame(frame, this.keys[ingester]));
    const hash = leafHash(note);
    this.heads.set(ingester, { number: frame.number, hash });
    return { frame, note, hash, entries };
  }

  gap(ingester: 'a' | 'b', first: number, last: number): Buffer {
    const time = this.time();
    return Buffer.from(signGap({ origin: ORIGIN, ingester, first, last, cause: 'lost', time }, this.logKey));
  }

  /** Seals these entries as the next block and returns its body. */
  block(...parts: (MadeFrame | Buffer)[]): Buffer {
    const entries = parts.flatMap((part) => (Buffer.isBuffer(part) ? [part] : [part.note, ...part.entries]));
    if (this.bodies.length === 0) entries.unshift(this.genesis);
    return this.seal(entries);
  }

  /** Seals raw entries: what a sealer that checks nothing would do. */
  seal(entries: readonly Buffer[]): Buffer {
    const first = this.range.size;
    for (const entry of entries) this.range.append(leafHash(entry));
    const [height, previous, root] = [this.bodies.length, this.previous, this.range.root()];
    const block = { origin: ORIGIN, height, previous, first, entries: entries.length, root, sealed: this.time() };
    const note = Buffer.from(signBlock(block, this.logKey));
    this.previous = leafHash(note);
    this.range.append(this.previous);
    const body = encodeBundle([...entries, note]);
    this.bodies.push(body);
    return body;
  }

  /** The checkpoint over all that is sealed, cosigned by the verifier. */
  checkpoint(): string {
    const checkpoint = { origin: ORIGIN, size: this.range.size, root: this.range.root() };
    const note = signCheckpoint(checkpoint, KEYS.log);
    return appendSignatures(note, [cosign(formatCheckpointText(checkpoint), KEYS.verifier, 1_767_225_600)]);
  }
}
