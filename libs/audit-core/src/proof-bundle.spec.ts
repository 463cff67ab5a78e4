/**
 * The proof of one entry as a whole: made from a small log as `everseal prove` makes it, checked as an auditor does, and refused
 * with any byte of any of its files changed, cut off or put to another log.
 */
import { describe, expect, it } from '@jest/globals';
import { codeOf } from '../vectors/read.js';
import { formatCustodyFile } from './custody-file.js';
import { KEYS, LogWriter, ORIGIN } from './log.fixture.js';
import { NOTE_KEY, VerifierKey } from './key.js';
import { leafHash, type Hash } from './hash.js';
import { proveInclusion } from './inclusion.js';
import { entryWords, receiptWords } from './proof-words.js';
import { verifyProofBundle, type ProofBundle } from './proof-bundle.js';
import { proveRange } from './range-proof.js';
import { splitBundle } from './entry-bundle.js';
import { parseTlogPolicy, type TlogPolicy } from './tlog-policy.js';
import { formatTlogProof } from './tlog-proof.js';

const writer = new LogWriter();
const frame = writer.frame('a', ['{"id":"1"}', '{"id":"2"}', '{"id":"3"}']);
const bodies = [writer.block(), writer.block(frame)];
const entries = bodies.flatMap((body) => {
  const offsets = splitBundle(body);
  return Array.from({ length: offsets.count }, (_, i) => Buffer.from(body.subarray(offsets.start(i), offsets.end(i))));
});
const leaves: Hash[] = entries.map((entry) => leafHash(entry));
const POLICY = policy(`log ${KEYS.log.verifier.vkey}`, `witness v1 ${KEYS.verifier.verifier.vkey}`, 'quorum v1');
/** Entries: 0 key set, 1 block note, 2 frame note, 3 to 5 events, 6 block note. */
const INDEX = 4;

function policy(...lines: string[]): TlogPolicy {
  return parseTlogPolicy(Buffer.from(`${lines.join('\n')}\n`));
}

function bundleOf(index: number, checkpoint = writer.checkpoint()): ProofBundle & { custody: Buffer } {
  const proven = (note: Buffer, at: number) => ({
    note: note.toString(),
    index: at,
    proof: proveInclusion(at, leaves),
  });
  const position = index - 3;
  const custody = {
    ledger: ORIGIN,
    frame: proven(frame.note, 2),
    position,
    proof: proveRange(
      position,
      1,
      frame.entries.map((entry) => leafHash(entry)),
    ),
    keys: [proven(writer.genesis, 0)],
  };
  const proof = formatTlogProof({ index, proof: proveInclusion(index, leaves), checkpoint });
  return { entry: entries[index]!, proof: Buffer.from(proof), custody: Buffer.from(formatCustodyFile(custody)) };
}

const genuine = bundleOf(INDEX);

describe('the proof of an entry', () => {
  it('says where it stands, since when, and who accepted it', () => {
    const proven = verifyProofBundle(genuine, POLICY);
    expect(proven).toMatchObject({
      index: INDEX,
      event: { producer: 'billing' },
      custody: { frame: { ingester: 'a', number: 1 } },
    });
    const { proven: said, notProven } = entryWords(proven);
    expect(said.join('\n')).toContain('this event is entry 4 of ledger audit.example.com/main');
    expect(said.join('\n')).toContain('cosigned by v1 at 2026-01-01T00:00:00Z');
    expect(said.join('\n')).toContain('accepted by ingest a at');
    expect(notProven.join('\n')).toContain('that what the event says is true');
  });

  it('says less without custody, and without cosignatures', () => {
    const bare = entryWords(verifyProofBundle({ ...genuine, custody: null }, POLICY));
    expect(bare.proven.join('\n')).not.toContain('accepted by ingest');
    expect(bare.notProven.join('\n')).toContain('who accepted it');
    const alone = entryWords(verifyProofBundle(genuine, policy(`log ${KEYS.log.verifier.vkey}`, 'quorum none')));
    expect(alone.proven.join('\n')).not.toContain('at the latest');
    expect(alone.notProven.join('\n')).toContain('no witness');
    const record = entryWords(verifyProofBundle({ ...bundleOf(3), ...recordOf(2), custody: null }, POLICY));
    expect(record.proven[0]).toContain('this record is entry 2');
    expect(receiptWords(frame.frame, null, 'genesis.note').notProven[0]).toContain('--events');
  });

  it('holds for every event, and for none with the files of another', () => {
    for (const index of [3, 4, 5]) {
      const bundle = bundleOf(index);
      expect(verifyProofBundle(bundle, POLICY).index).toBe(index);
      if (index === INDEX) continue;
      for (const part of ['entry', 'proof', 'custody'] as const) {
        expect(codeOf(() => verifyProofBundle({ ...genuine, [part]: bundle[part] }, POLICY))).not.toBe('accepted');
      }
    }
  });

  it.each(['entry', 'proof', 'custody'] as const)(
    'is refused with any bit of its %s file changed, or cut short',
    (part) => {
      const bytes = Buffer.from(genuine[part]);
      for (let at = 0; at < bytes.length; at++) {
        const changed = Buffer.from(bytes);
        changed[at]! ^= 1 << (at % 8);
        expect([at, codeOf(() => verifyProofBundle({ ...genuine, [part]: changed }, POLICY))]).not.toEqual([
          at,
          'accepted',
        ]);
        const cut = bytes.subarray(0, at);
        expect([at, codeOf(() => verifyProofBundle({ ...genuine, [part]: cut }, POLICY))]).not.toEqual([
          at,
          'accepted',
        ]);
      }
      expect(codeOf(() => verifyProofBundle({ ...genuine, [part]: Buffer.alloc(9_000_000, 0x20) }, POLICY))).not.toBe(
        'accepted',
      );
      expect(codeOf(() => verifyProofBundle(genuine, POLICY))).toBe('accepted'); // control
    },
  );

  it('is refused under another policy', () => {
    const [other, stranger] = [KEYS.b, KEYS.operator];
    const renamed = `log ${new VerifierKey(ORIGIN, NOTE_KEY, other.verifier.publicKey).vkey}`;
    expect(codeOf(() => verifyProofBundle(genuine, policy(renamed, 'quorum none')))).toBe('note.unverified');
    expect(codeOf(() => verifyProofBundle(genuine, policy(`log ${stranger.verifier.vkey}`, 'quorum none')))).toBe(
      'policy.log',
    );
    const unsigned = writer.checkpoint().split('\n').slice(0, -2).join('\n') + '\n';
    expect(codeOf(() => verifyProofBundle(bundleOf(INDEX, unsigned), POLICY))).toBe('policy.unmet');
    const lenient = policy(`log ${KEYS.log.verifier.vkey}`, 'quorum none');
    expect(codeOf(() => verifyProofBundle(bundleOf(INDEX, unsigned), lenient))).toBe('accepted'); // control
  });
});

function recordOf(index: number): Pick<ProofBundle, 'entry' | 'proof'> {
  const proof = formatTlogProof({ index, proof: proveInclusion(index, leaves), checkpoint: writer.checkpoint() });
  return { entry: entries[index]!, proof: Buffer.from(proof) };
}
