import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { EMPTY_ROOT } from './hash.js';
import { NOTE_KEY, VerifierKey } from './key.js';
import {
  judgeAddCheckpoint,
  readWitnessRequest,
  UNKNOWN_LOG,
  type KnownLog,
  type WitnessedHead,
} from './witness-judgement.js';
import { formatAddCheckpoint, formatWitnessSize, parseAddCheckpoint, parseWitnessSize } from './witness-message.js';

type Step = { request: string; answer: number; body?: string; code?: string };
const vectors = readVectorFile<{
  flow: { origin: string; publicKey: string; keyId: string; steps: Step[] };
  invalid: { request?: string; requestBase64?: string; code: string; reason: string }[];
  sizes: { valid: { body: string; size: number }[]; invalid: { body: string; code: string }[] };
}>('witness');

/** What a witness does with a request, for the flow below: it keeps the newest checkpoint of one log. */
class Witness {
  private latest: WitnessedHead | null = null;

  constructor(private readonly log: KnownLog) {}

  answer(request: string): { answer: number; body?: string } {
    const read = readWitnessRequest(Buffer.from(request));
    if ('status' in read) return { answer: read.status };
    if (read.origin !== this.log.origin) return { answer: UNKNOWN_LOG.status };
    const judged = judgeAddCheckpoint(read.request, this.log, this.latest);
    if (judged.status === 200) this.latest = judged.checkpoint;
    return { answer: judged.status, ...(judged.status === 409 && { body: judged.body }) };
  }
}

describe('add-checkpoint', () => {
  it('goes through the flow of litewitness', () => {
    const { origin, publicKey, keyId, steps } = vectors.flow;
    const key = new VerifierKey(origin, NOTE_KEY, Buffer.from(publicKey, 'hex'));
    expect(key.idHex).toBe(keyId);
    const witness = new Witness({ origin, keys: [key] });
    for (const { request, answer, body } of steps) {
      expect(witness.answer(request)).toEqual({ answer, ...(body && { body }) });
    }
  });

  it('is what its parts give', () => {
    for (const { request } of vectors.flow.steps) {
      expect(formatAddCheckpoint(parseAddCheckpoint(Buffer.from(request)))).toBe(request);
    }
  });

  it('is read in its one form or refused, whatever bytes are changed, cut out or put in', () => {
    const genuine = Buffer.from(vectors.flow.steps[1]!.request);
    const edit = fc.record({ at: fc.nat(genuine.length), cut: fc.nat(3), bytes: fc.uint8Array({ maxLength: 3 }) });
    const read = (body: Buffer): void => {
      const code = codeOf(() => expect(formatAddCheckpoint(parseAddCheckpoint(body))).toBe(body.toString()));
      if (code !== 'accepted') expect(code).toMatch(/^witness\./);
    };
    fc.assert(
      fc.property(edit, ({ at, cut, bytes }) =>
        read(Buffer.concat([genuine.subarray(0, at), bytes, genuine.subarray(at + cut)])),
      ),
      { numRuns: 2_000 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => read(Buffer.from(bytes))));
  });

  it.each(vectors.invalid)('refuses $reason', ({ request, requestBase64, code }) => {
    const body = request === undefined ? Buffer.from(requestBase64 as string, 'base64') : Buffer.from(request);
    expect(codeOf(() => parseAddCheckpoint(body))).toBe(code);
  });

  it('has at most 64 KiB and 63 hashes', () => {
    const { request } = vectors.flow.steps[0] as Step;
    expect(codeOf(() => parseAddCheckpoint(Buffer.alloc(65_537)))).toBe('witness.size');
    const proof = Array.from({ length: 63 }, () => EMPTY_ROOT);
    const { checkpoint } = parseAddCheckpoint(Buffer.from(request));
    const most = formatAddCheckpoint({ old: 1, proof, checkpoint });
    expect(parseAddCheckpoint(Buffer.from(most)).proof).toHaveLength(63);
    expect(() => formatAddCheckpoint({ old: 1, proof: [...proof, EMPTY_ROOT], checkpoint })).toThrow(RangeError);
  });
});

describe('answer with a size', () => {
  it.each(vectors.sizes.valid)('$size', ({ body, size }) => {
    expect(parseWitnessSize(Buffer.from(body))).toBe(size);
    expect(formatWitnessSize(size)).toBe(body);
  });

  it.each(vectors.sizes.invalid)('refuses %j', ({ body, code }) => {
    expect(codeOf(() => parseWitnessSize(Buffer.from(body)))).toBe(code);
  });

  it('is measured before it is read', () => {
    expect(codeOf(() => parseWitnessSize(Buffer.alloc(10_000_000, '1')))).toBe('witness.size-answer');
    expect(codeOf(() => parseWitnessSize(Buffer.of(0xff, 0x0a)))).toBe('witness.size-answer');
  });
});
