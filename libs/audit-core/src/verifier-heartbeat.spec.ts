import { describe, expect, it } from '@jest/globals';
import { codeOf } from '../vectors/read.js';
import { signCheckpoint } from './checkpoint.js';
import { appendSignatures, cosign } from './cosignature.js';
import { sha256 } from './hash.js';
import { COSIGNATURE_KEY, SigningKey } from './key.js';
import { KEYS, ORIGIN, testKey } from './log.fixture.js';
import { parseNote } from './note.js';
import {
  formatVerifierHeartbeat,
  heartbeatOrigin,
  openVerifierHeartbeat,
  type Coverage,
  type SweepCoverage,
} from './verifier-heartbeat.js';

const SWEEP: SweepCoverage = {
  passes: 2,
  endedAt: 1_767_225_600_000,
  entries: 812,
  milliseconds: 40,
  perSecond: 20_300,
  oldestReadAt: 1_767_225_500_000,
  notCovered: [{ first: 7, height: 1, why: 'its body is gone' }],
};
const COVERAGE: Coverage = {
  tail: { size: 812, head: null, behindMs: 0 },
  bodies: SWEEP,
  index: { ...SWEEP, endedAt: null, oldestReadAt: null, notCovered: [] },
  stored: SWEEP,
};
const FOREIGN = SigningKey.fromSeed(KEYS.verifier.name, sha256(Buffer.from('foreign')), COSIGNATURE_KEY);
const SECONDS = 1_767_225_600;
const CHECKPOINT = signCheckpoint({ origin: ORIGIN, size: 812, root: sha256(Buffer.from('root')) }, KEYS.log);
const TRUST = { origin: ORIGIN, logKeys: [KEYS.log.verifier], verifier: [KEYS.verifier.verifier] };

function cosigned(key = KEYS.verifier, checkpoint = CHECKPOINT): string {
  return appendSignatures(checkpoint, [cosign(parseNote(checkpoint).text, key, SECONDS)]);
}

describe("a verifier's heartbeat", () => {
  it('comes back as it was written, with the time of its cosignature', () => {
    const bytes = formatVerifierHeartbeat(0, cosigned(), COVERAGE);
    const read = openVerifierHeartbeat(bytes, TRUST);
    expect(read).toMatchObject({ checkpoint: { size: 812 }, note: cosigned(), seconds: SECONDS, coverage: COVERAGE });
    expect(heartbeatOrigin(bytes)).toBe(ORIGIN);
  });

  it.each([
    ['is not JSON', Buffer.from('{'), 'heartbeat.json'],
    ['is larger than any', Buffer.alloc(70_000, 0x20), 'heartbeat.size'],
    ['has no checkpoint', Buffer.from('{}'), 'heartbeat.checkpoint'],
    ['is not cosigned', formatVerifierHeartbeat(0, CHECKPOINT, COVERAGE), 'heartbeat.cosignature'],
    [
      'is cosigned by another verifier',
      formatVerifierHeartbeat(0, cosigned(testKey('audit.example.com/verifier/v2', COSIGNATURE_KEY)), COVERAGE),
      'heartbeat.cosignature',
    ],
    [
      "is cosigned under the verifier's name with a key of somebody else",
      formatVerifierHeartbeat(0, cosigned(FOREIGN), COVERAGE),
      'heartbeat.cosignature',
    ],
    [
      'carries a checkpoint that the log key did not sign',
      formatVerifierHeartbeat(
        0,
        cosigned(
          KEYS.verifier,
          signCheckpoint({ origin: ORIGIN, size: 812, root: sha256(Buffer.from('x')) }, testKey(ORIGIN + '/other')),
        ),
        COVERAGE,
      ),
      'note.unverified',
    ],
  ])('is none when it %s', (_, bytes, code) => {
    expect(codeOf(() => openVerifierHeartbeat(bytes, TRUST))).toBe(code);
  });

  it('is none when its time was changed: the cosignature covers it', () => {
    const later = appendSignatures(CHECKPOINT, [cosign(parseNote(CHECKPOINT).text, KEYS.verifier, SECONDS + 60)]);
    const payload = (note: string): string => note.trimEnd().split('\n').at(-1)!.split(' ').at(-1)!;
    const [old, fresh] = [cosigned(), later].map((note) => Buffer.from(payload(note), 'base64'));
    const forged = Buffer.concat([fresh!.subarray(0, 12), old!.subarray(12)]).toString('base64');
    const bytes = formatVerifierHeartbeat(0, cosigned().replace(payload(cosigned()), forged), COVERAGE);
    expect(codeOf(() => openVerifierHeartbeat(bytes, TRUST))).toBe('cosignature.signature');
  });

  it.each(['"coverage":{}', '"coverage":null', '"nothing":0'])(
    'lives without a coverage that can be read: %s',
    (member) => {
      const bytes = Buffer.from(`{${member},"checkpoint":${JSON.stringify(cosigned())}}`);
      expect(openVerifierHeartbeat(bytes, TRUST)).toMatchObject({ seconds: SECONDS, coverage: null });
    },
  );
});
