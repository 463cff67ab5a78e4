/**
 * Everything that a verifier reads and did not write itself, fed with what nobody should send: random bytes, random JSON,
 * and genuine messages with a stretch of bytes replaced, cut out or put in. A reader answers with FormatError or with a
 * value, never with another error, and a changed message is never taken for another value.
 *
 * The formats with a spec of their own that does this (note, checkpoint, block, frame, key set, …) are here as well, where
 * what a verifier reads is named once.
 */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { ORIGIN as VECTOR_ORIGIN } from '../vectors/cast.js';
import { LOG_LEAVES } from '../vectors/make/block.js';
import { custodyOf } from '../vectors/make/custody-file.js';
import { ENTRIES, FRAME_NOTE, TREE } from '../vectors/make/frame.js';
import { BOTH } from '../vectors/make/tlog-policy.js';
import { openAlertEvent, formatAlertEvent } from './alert-event.js';
import { openAlert, signAlert } from './alert-note.js';
import { formatAnnouncement, parseAnnouncement } from './announcement.js';
import { openBlock, parseBlockText } from './block.js';
import { blockEvents, blockFrames } from './block-events.js';
import { openCatalog, parseCatalogText, signCatalog } from './catalog-note.js';
import { formatCheckpointText, openCheckpoint, signCheckpoint } from './checkpoint.js';
import { formatClaimAnswer, parseClaim, parseClaimAnswer } from './claim-message.js';
import { treeRoot } from './compact-range.js';
import { proveConsistency, verifyConsistency } from './consistency.js';
import { appendSignatures, cosign, cosignaturesOf } from './cosignature.js';
import { formatCustodyFile, parseCustodyFile, verifyCustodyFile, type CustodyFile } from './custody-file.js';
import { encodeBundle, splitBundle } from './entry-bundle.js';
import { parseEventEntry } from './event-entry.js';
import { FormatError } from './format-error.js';
import { checkFrameMessage, encodeFrameMessage, parseFrameMessage } from './frame-message.js';
import { openFrame } from './frame.js';
import { openGap, signGap } from './gap.js';
import { sha256, type Hash } from './hash.js';
import { parseHeartbeatTime } from './heartbeat-time.js';
import { formatHoldAnswer, formatHoldRequest, parseHoldAnswer, parseHoldRequest } from './hold-message.js';
import { proveInclusion, verifyInclusion } from './inclusion.js';
import { parseIngestHeartbeat } from './ingest-heartbeat.js';
import { JsonTape } from './json-tape.js';
import { openGenesis, parseKeySetText } from './key-set.js';
import { parseVkey } from './key.js';
import { formatLogMemory, parseLogMemory } from './log-memory.js';
import { LogState } from './log-state.js';
import { KEYS, LogWriter, ORIGIN, testKey } from './log.fixture.js';
import { mth, numberedLeaves } from './merkle-oracle.fixture.js';
import { alertKeyName, deployKeyName, parseDomain, parseLedgerName, parseName, parseOrigin } from './names.js';
import { parseNote, parseSignatureLines } from './note.js';
import { FrameTree, rangeRoot } from './range-proof.js';
import { formatReceipt, parseReceipt } from './receipt.js';
import { rootFromTiles } from './tile-proof.js';
import { parseTlogPolicy } from './tlog-policy.js';
import { formatTlogProof, parseTlogProof } from './tlog-proof.js';
import { formatVerifierHeartbeat, heartbeatOrigin, openVerifierHeartbeat } from './verifier-heartbeat.js';
import { formatAddCheckpoint, formatWitnessSize, parseAddCheckpoint, parseWitnessSize } from './witness-message.js';

/** A reader with one genuine message. */
interface Case {
  readonly read: (bytes: Buffer) => unknown;
  readonly genuine: Buffer;
  /**
   * What a changed message may come to when it is taken all the same: nothing else than the genuine value (`same`: every
   * byte that matters is signed or hashed), or a value whose one form it is (`form`). Null for JSON that is read by value
   * and signs nothing: another value is then another message.
   */
  readonly taken: 'same' | null | ((value: never) => Uint8Array | string);
}

const utf8 = (bytes: Buffer): string => bytes.toString();
const writer = new LogWriter();
const bodies = [
  writer.block(writer.frame('a', ['{"id":"1"}', '{"id":"2"}'])),
  writer.block(writer.frame('b', ['{"id":"3"}']), writer.frame('a', ['{"id":"4"}'])),
];
const state = LogState.empty(writer.trust);
for (const body of bodies) expect(state.readBlock(body).ok).toBe(true);
const body = bodies[1]!;
const offsets = splitBundle(body);
const entry = (i: number): Buffer => Buffer.from(body.subarray(offsets.start(i), offsets.end(i)));
const size = state.size;
const unsigned = { origin: ORIGIN, size, root: state.root };
const CHECKPOINT = signCheckpoint(unsigned, KEYS.log);
const line = cosign(formatCheckpointText(unsigned), KEYS.verifier, 1_767_225_600);
const COSIGNED = appendSignatures(CHECKPOINT, [line]);
const TRUST = { origin: ORIGIN, logKeys: [KEYS.log.verifier], verifier: [KEYS.verifier.verifier] };
const NO_SWEEP = {
  passes: 0,
  endedAt: null,
  entries: 0,
  milliseconds: 0,
  perSecond: 0,
  oldestReadAt: null,
  notCovered: [],
};
const COVERAGE = { tail: { size, head: size, behindMs: 0 }, bodies: NO_SWEEP, index: NO_SWEEP, stored: NO_SWEEP };
const deploy = testKey(deployKeyName('audit.example.com'));
const agreement = {
  domain: 'audit.example.com',
  database: 'everseal',
  time: '2026-01-31T09:30:00.250Z',
  lines: ['a: b'],
};
const alertKey = testKey(alertKeyName('audit.example.com', 'verifier', 'v1'));
const alert = signAlert(
  Buffer.from('{"code":"entry.altered","state":"raised"}'),
  'audit.example.com/verifier/v1',
  7,
  '2026-01-31T09:30:00.250Z',
  alertKey,
);
const gap = {
  origin: ORIGIN,
  ingester: 'a',
  first: 4,
  last: 5,
  cause: 'lost',
  time: '2026-01-31T09:30:00.250Z',
} as const;
const receipt = { ledger: ORIGIN, frame: FRAME_NOTE, first: 1, count: 2, proof: TREE.proveRange(1, 2) };
const leaves = numberedLeaves(40);
const tlogProof = { index: 3, proof: proveInclusion(3, leaves), checkpoint: CHECKPOINT };
const message = encodeFrameMessage(writer.frame('a', ['{"id":"9"}']).note, [ENTRIES[0]!]);

const CASES: Record<string, Case> = {
  note: { read: (b) => parseNote(b), genuine: Buffer.from(COSIGNED), taken: null },
  'signature lines': { read: (b) => parseSignatureLines(utf8(b)), genuine: Buffer.from(`${line}\n`), taken: null },
  checkpoint: {
    read: (b) => signedText(openCheckpoint(b.toString(), [KEYS.log.verifier], ORIGIN)),
    genuine: Buffer.from(CHECKPOINT),
    taken: 'same',
  },
  cosignature: {
    read: (b) => cosignaturesOf(parseNote(b), [KEYS.verifier.verifier]).map(({ seconds }) => seconds),
    genuine: Buffer.from(COSIGNED),
    taken: null,
  },
  block: { read: (b) => openBlock(b, [KEYS.log.verifier]), genuine: entry(offsets.count - 1), taken: 'same' },
  'block text': {
    read: (b) => parseBlockText(utf8(b)),
    genuine: Buffer.from(parseNote(entry(offsets.count - 1)).text),
    taken: null,
  },
  frame: { read: (b) => openFrame(b, [KEYS.b.verifier], ORIGIN), genuine: entry(0), taken: 'same' },
  'frame message': { read: (b) => parseFrameMessage(b), genuine: message, taken: null },
  'gap record': {
    read: (b) => openGap(b, [KEYS.log.verifier]),
    genuine: Buffer.from(signGap(gap, KEYS.log)),
    taken: 'same',
  },
  'event entry': { read: (b) => parseEventEntry(b), genuine: entry(1), taken: null },
  bundle: { read: (b) => entriesOf(b), genuine: body, taken: (entries: Buffer[]) => encodeBundle(entries) },
  'key set': { read: (b) => openGenesis(b, ORIGIN), genuine: writer.genesis, taken: 'same' },
  'key set text': {
    read: (b) => parseKeySetText(utf8(b)),
    genuine: Buffer.from(parseNote(writer.genesis).text),
    taken: null,
  },
  vkey: {
    read: (b) => parseVkey(utf8(b)),
    genuine: Buffer.from(KEYS.a.verifier.vkey),
    taken: ({ vkey }: { vkey: string }) => vkey,
  },
  catalog: {
    read: (b) => openCatalog(b, deploy.verifier),
    genuine: Buffer.from(signCatalog(agreement, deploy)),
    taken: 'same',
  },
  'catalog text': {
    read: (b) => parseCatalogText(utf8(b)),
    genuine: Buffer.from(parseNote(signCatalog(agreement, deploy)).text),
    taken: null,
  },
  alert: { read: (b) => openAlert(b, [alertKey.verifier]), genuine: alert, taken: 'same' },
  'alert event': { read: (b) => openAlertEvent(b, [alertKey.verifier]), genuine: formatAlertEvent(alert), taken: null },
  'add-checkpoint': {
    read: (b) => parseAddCheckpoint(b),
    genuine: Buffer.from(formatAddCheckpoint({ old: 1, proof: leaves.slice(0, 3), checkpoint: CHECKPOINT })),
    taken: (value: Parameters<typeof formatAddCheckpoint>[0]) => formatAddCheckpoint(value),
  },
  'size of a witness': {
    read: (b) => parseWitnessSize(b),
    genuine: Buffer.from(formatWitnessSize(812)),
    taken: (value: number) => formatWitnessSize(value),
  },
  'hold request': { read: (b) => parseHoldRequest(b), genuine: formatHoldRequest(812), taken: null },
  'hold answer': {
    read: (b) => parseHoldAnswer(b),
    genuine: formatHoldAnswer({ size, root: state.root, checkpoint: COSIGNED }),
    taken: null,
  },
  announcement: {
    read: (b) => parseAnnouncement(b),
    genuine: formatAnnouncement({
      checkpoint: COSIGNED,
      keys: { note: writer.genesis.toString(), index: 0, proof: leaves.slice(0, 2) },
      heads: [{ ingester: 'a', number: 9, index: 5, proof: leaves.slice(0, 3), debts: [[4, 5]] }],
    }),
    taken: null,
  },
  'custody file': {
    read: (b) => parseCustodyFile(b),
    genuine: Buffer.from(formatCustodyFile(custodyOf(1))),
    taken: (value: CustodyFile) => formatCustodyFile(value),
  },
  'custody of an event': {
    read: (b) => {
      const place = {
        origin: VECTOR_ORIGIN,
        entry: ENTRIES[1]!,
        index: 4,
        size: LOG_LEAVES.length,
        root: treeRoot(LOG_LEAVES),
      };
      return verifyCustodyFile(parseCustodyFile(b), place).frame;
    },
    genuine: Buffer.from(formatCustodyFile(custodyOf(1))),
    taken: 'same',
  },
  policy: { read: (b) => parseTlogPolicy(b), genuine: Buffer.from(BOTH), taken: null },
  receipt: { read: (b) => parseReceipt(b), genuine: formatReceipt(receipt), taken: null },
  claim: { read: (b) => parseClaim(b, ORIGIN), genuine: formatReceipt(receipt), taken: null },
  'answer to a claim': {
    read: (b) => parseClaimAnswer(b),
    genuine: formatClaimAnswer({ state: 'sealed', index: 3, proof: leaves.slice(0, 3), checkpoint: COSIGNED }),
    taken: null,
  },
  'ingest heartbeat': {
    read: (b) => parseIngestHeartbeat(b),
    genuine: Buffer.from(JSON.stringify({ frames: [entry(0).toString()] })),
    taken: null,
  },
  'time of a heartbeat': {
    read: (b) => parseHeartbeatTime(b),
    genuine: Buffer.from('{"time":"2026-01-31T09:30:00.250Z","after":null}'),
    taken: null,
  },
  'verifier heartbeat': {
    read: (b) => openVerifierHeartbeat(b, TRUST),
    genuine: Buffer.from(formatVerifierHeartbeat(0, COSIGNED, COVERAGE)),
    taken: null,
  },
  'origin of a heartbeat': {
    read: (b) => heartbeatOrigin(b),
    genuine: Buffer.from(formatVerifierHeartbeat(0, COSIGNED, COVERAGE)),
    taken: null,
  },
  'tlog proof': { read: (b) => parseTlogProof(b), genuine: Buffer.from(formatTlogProof(tlogProof)), taken: null },
  memory: { read: (b) => parseLogMemory(utf8(b)), genuine: Buffer.from(formatLogMemory(state.memory())), taken: null },
  name: { read: (b) => parseName(utf8(b)), genuine: Buffer.from('main'), taken: (name: string) => name },
  domain: {
    read: (b) => parseDomain(utf8(b)),
    genuine: Buffer.from('audit.example.com'),
    taken: (name: string) => name,
  },
  'ledger name': { read: (b) => parseLedgerName(utf8(b)), genuine: Buffer.from('main'), taken: null },
  origin: { read: (b) => parseOrigin(utf8(b)), genuine: Buffer.from(ORIGIN), taken: null },
};
const each = Object.entries(CASES);

/** What of an opened checkpoint is signed. */
function signedText({ text }: { text: string }): string {
  return text;
}

function entriesOf(bytes: Buffer): Buffer[] {
  const split = splitBundle(bytes);
  return Array.from({ length: split.count }, (_, i) => Buffer.from(bytes.subarray(split.start(i), split.end(i))));
}

/** What a reader gives; null for FormatError. Anything else it throws is the failure. */
function reading(read: Case['read'], bytes: Buffer): { value: unknown } | null {
  try {
    return { value: read(bytes) };
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

/** A stretch of a genuine message replaced by other bytes, or by a stretch of itself. */
function changedMessage(genuine: Buffer): fc.Arbitrary<Buffer> {
  const place = fc.nat(genuine.length);
  const put = fc.oneof(
    fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
    fc.tuple(place, fc.nat(40)).map(([from, length]) => genuine.subarray(from, from + length)),
    fc
      .constantFrom('\n', '\r\n', ' ', '0', '-1', '+', '=', '"', '\\u0000', 'null', '1e9', '—', '{}')
      .map((t) => Buffer.from(t)),
  );
  return fc
    .tuple(place, fc.nat(8), put)
    .map(([from, cut, bytes]) => Buffer.concat([genuine.subarray(0, from), bytes, genuine.subarray(from + cut)]));
}

describe('what a verifier reads', () => {
  it.each(each)('%s: random bytes are refused with FormatError, or read', (_, { read }) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void reading(read, Buffer.from(bytes))),
      { numRuns: 300 },
    );
  });

  it.each(each)('%s: so is random JSON', (_, { read, genuine }) => {
    const keys = Object.keys(genuine[0] === 0x7b ? (JSON.parse(genuine.toString()) as object) : { size: 0 });
    const value = fc.jsonValue({ maxDepth: 2 });
    const known = fc.dictionary(fc.constantFrom(...keys), value).map((object) => JSON.stringify(object));
    fc.assert(
      fc.property(fc.oneof(known, fc.json({ maxDepth: 3 })), (text) => void reading(read, Buffer.from(text))),
      { numRuns: 300 },
    );
  });

  it.each(each)('%s: a changed message is refused, or is no other value', (_, { read, genuine, taken }) => {
    const value = reading(read, genuine)?.value;
    fc.assert(
      fc.property(changedMessage(genuine), (bytes) => {
        if (bytes.equals(genuine)) return;
        const got = reading(read, bytes);
        if (got === null || taken === null) return;
        if (taken === 'same') expect(got.value).toEqual(value);
        else expect(Buffer.from(taken(got.value as never)).equals(bytes)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes its genuine messages (control)', () => {
    const refused = each.filter(([, { read, genuine }]) => reading(read, genuine) === null).map(([name]) => name);
    expect(refused).toEqual([]);
  });

  it('a body that splits is read as events and frames, or refused', () => {
    const tape = new JsonTape();
    fc.assert(
      fc.property(changedMessage(body), (bytes) => {
        reading((b) => [...blockEvents(b, 4, tape), ...blockFrames(b, 4)], bytes);
      }),
      { numRuns: 1_000 },
    );
  });

  it('a changed block is refused by a state that then stands where it stood, and takes the genuine one', () => {
    const before = LogState.empty(writer.trust);
    before.readBlock(bodies[0]!);
    fc.assert(
      fc.property(changedMessage(body), (bytes) => {
        if (bytes.equals(body)) return;
        const next = before.clone();
        const result = next.readBlock(bytes);
        expect(result.ok).toBe(false);
        expect(next.size).toBe(before.size);
        expect(next.readBlock(body).ok).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('a memory that was changed is refused by what recalls it, or recalled', () => {
    fc.assert(
      fc.property(changedMessage(CASES['memory']!.genuine), (bytes) => {
        reading((b) => LogState.recall(writer.trust, parseLogMemory(b.toString())).root, bytes);
      }),
      { numRuns: 1_000 },
    );
  });

  it('a frame message over other events than its note counts is refused', () => {
    const parsed = parseFrameMessage(message);
    const frame = openFrame(message.subarray(4, 4 + message.readUInt32BE(0)), [KEYS.a.verifier], ORIGIN);
    expect(() => checkFrameMessage(frame, parsed)).toThrow(FormatError);
  });
});

describe('a proof', () => {
  const MOST = 300;
  const many = numberedLeaves(MOST);
  const roots = new Map<number, Hash>();
  const rootOf = (of: number): Hash => {
    const root = roots.get(of) ?? mth(many.slice(0, of));
    roots.set(of, root);
    return root;
  };
  /** Another list of hashes than this: one flipped, taken out, put in, put twice, swapped, or all of them cut off. */
  const other = (proof: readonly Hash[]): fc.Arbitrary<Hash[]> =>
    fc
      .tuple(fc.nat(Math.max(proof.length - 1, 0)), fc.nat(255), fc.nat(5), fc.nat(MOST - 1))
      .map(([at, bit, how, leaf]) => {
        const list = [...proof];
        if (how === 0 && list[at])
          list[at] = list[at].map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)) as Buffer;
        else if (how === 1 && list.length > 0) list.splice(at, 1);
        else if (how === 2) list.splice(at, 0, many[leaf]!);
        else if (how === 3 && list[at]) list.splice(at, 0, list[at]);
        else if (how === 4 && list.length > 1) [list[0], list[list.length - 1]] = [list.at(-1)!, list[0]!];
        else list.push(many[leaf]!);
        return list;
      })
      .filter((list) => list.length !== proof.length || list.some((hash, i) => !hash.equals(proof[i]!)));
  const sizes = fc.tuple(fc.integer({ min: 1, max: MOST }), fc.nat(MOST - 1)).map(([of, at]) => ({ of, at: at % of }));

  it('of inclusion with a hash flipped, too many, too few or elsewhere never verifies', () => {
    const made = sizes.chain(({ of, at }) => {
      const proof = proveInclusion(at, many.slice(0, of));
      return fc.record({ of: fc.constant(of), at: fc.constant(at), proof: fc.constant(proof), spoiled: other(proof) });
    });
    fc.assert(
      fc.property(made, ({ of, at, proof, spoiled }) => {
        expect(verifyInclusion(at, of, many[at]!, proof, rootOf(of))).toBe(true);
        expect(verifyInclusion(at, of, many[at]!, spoiled, rootOf(of))).toBe(false);
      }),
    );
  });

  it('of consistency neither, also when the older root is only promised', () => {
    const made = sizes.chain(({ of, at }) => {
      const old = at + 1;
      const proof = proveConsistency(old, many.slice(0, of));
      return fc.record({
        of: fc.constant(of),
        old: fc.constant(old),
        proof: fc.constant(proof),
        spoiled: other(proof),
      });
    });
    fc.assert(
      fc.property(made, ({ of, old, proof, spoiled }) => {
        expect(verifyConsistency(old, of, proof, rootOf(old), rootOf(of))).toBe(true);
        expect(verifyConsistency(old, of, spoiled, rootOf(old), rootOf(of))).toBe(false);
        const wrong = sha256(rootOf(old));
        expect(verifyConsistency(old, of, proof, wrong, rootOf(of))).toBe(false);
      }),
    );
  });

  it('of a range gives another root when it is spoiled', () => {
    const made = sizes.chain(({ of, at }) =>
      fc.nat(of - at - 1).chain((more) => {
        const proof = new FrameTree(many.slice(0, of)).proveRange(at, more + 1);
        return fc.record({
          of: fc.constant(of),
          at: fc.constant(at),
          count: fc.constant(more + 1),
          proof: fc.constant(proof),
          spoiled: other(proof),
        });
      }),
    );
    fc.assert(
      fc.property(made, ({ of, at, count, proof, spoiled }) => {
        const range = many.slice(at, at + count);
        const root = (hashes: readonly Hash[]): string | null =>
          reading(() => rangeRoot(at, count, of, range, hashes), Buffer.alloc(0))?.value?.toString() ?? null;
        const whole = treeRoot(many.slice(0, of)).toString();
        expect(root(proof)).toBe(whole);
        expect(root(spoiled)).not.toBe(whole);
      }),
    );
  });

  it('from tiles that are too short, too long or spoiled is not made', async () => {
    const level = Buffer.concat(many);
    const top = mth(many.slice(0, 256));
    const cut = fc.tuple(fc.integer({ min: 257, max: MOST }), fc.integer({ min: -32, max: 31 }), fc.nat());
    await fc.assert(
      fc.asyncProperty(cut, async ([of, by, at]) => {
        const tile = (level_: number, number: number, width: number): Buffer =>
          level_ === 1 ? top : level.subarray(number * 8_192, number * 8_192 + width * 32);
        const root = await rootFromTiles(of, (refs) =>
          Promise.resolve(
            refs.map((ref) => {
              const bytes = Buffer.from(tile(ref.level, ref.number, ref.width));
              if (by === 0) bytes[at % bytes.length]! ^= 1;
              return by < 0 ? bytes.subarray(0, by) : Buffer.concat([bytes, Buffer.alloc(by)]);
            }),
          ),
        ).catch((error: unknown) => {
          if (error instanceof FormatError) return null;
          throw error;
        });
        if (root !== null) expect(root.equals(rootOf(of))).toBe(false);
      }),
    );
  });
});
