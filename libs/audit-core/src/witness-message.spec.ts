import { describe, expect, it } from '@jest/globals';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { openCheckpoint } from './checkpoint.js';
import { verifyGrowth } from './consistency.js';
import { FormatError } from './format-error.js';
import { EMPTY_ROOT, type Hash } from './hash.js';
import { NOTE_KEY, VerifierKey } from './key.js';
import { formatAddCheckpoint, formatWitnessSize, parseAddCheckpoint, parseWitnessSize } from './witness-message.js';

type Step = { request: string; answer: number; body?: string; code?: string };
const vectors = readVectorFile<{
  flow: { origin: string; publicKey: string; keyId: string; steps: Step[] };
  invalid: { request?: string; requestBase64?: string; code: string; reason: string }[];
  sizes: { valid: { body: string; size: number }[]; invalid: { body: string; code: string }[] };
}>('witness');

/** What a witness does with a request, for the flow below: it keeps the newest checkpoint of one log. */
class Witness {
  private size = 0;
  private root: Hash = EMPTY_ROOT;

  constructor(
    private readonly origin: string,
    private readonly key: VerifierKey,
  ) {}

  answer(request: string): { answer: number; body?: string; code?: string } {
    try {
      const { old, proof, checkpoint } = parseAddCheckpoint(Buffer.from(request));
      const { size, root } = openCheckpoint(checkpoint, [this.key], this.origin);
      if (old > size) return { answer: 400 };
      if (old !== this.size) return { answer: 409, body: formatWitnessSize(this.size) };
      if (!verifyGrowth(old, size, proof, this.root, root)) return { answer: 422 };
      [this.size, this.root] = [size, root];
      return { answer: 200 };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const { code } = error;
      if (code === 'checkpoint.origin') return { answer: 404, code };
      return { answer: code === 'note.signature' || code === 'note.unverified' ? 403 : 400, code };
    }
  }
}

describe('add-checkpoint', () => {
  it('goes through the flow of litewitness', () => {
    const { origin, publicKey, keyId, steps } = vectors.flow;
    const key = new VerifierKey(origin, NOTE_KEY, Buffer.from(publicKey, 'hex'));
    expect(key.idHex).toBe(keyId);
    const witness = new Witness(origin, key);
    for (const { request, answer, body, code } of steps) {
      expect(witness.answer(request)).toEqual({ answer, ...(body && { body }), ...(code && { code }) });
    }
  });

  it('is what its parts give', () => {
    for (const { request } of vectors.flow.steps) {
      expect(formatAddCheckpoint(parseAddCheckpoint(Buffer.from(request)))).toBe(request);
    }
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
