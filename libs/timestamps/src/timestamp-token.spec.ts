/**
 * Tokens of a real time-stamp authority (`openssl ts`): the good one is taken, read by openssl like the original, and each way in which
 * one can be wrong has its code; each of them is the good one with one thing changed, so the good one is the control.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes, type X509Certificate } from 'node:crypto';
import { FormatError } from '@everseal/audit-core';
import { opensslMissing, TestTsa, TSA_POLICY, type TsaAnswer, type TsaPlan } from '@everseal/testing';
import {
  formatTimestampRequest,
  NONCE_BYTES,
  normalToken,
  openTimestampResponse,
  parsePinnedAuthority,
  verifyTimestamp,
  type TimestampTrust,
} from './index.js';

const missing = opensslMissing();
if (missing !== null) process.stderr.write(`timestamp-token.spec: ${missing}\n`);
const describeTsa = missing === null ? describe : describe.skip;

const MESSAGE = Buffer.from('audit.example.com/main\n7\nAAAA\n\n— audit.example.com/main AAAA\n');
const DAY_MS = 86_400_000;

/** What becomes of an answer: 'taken', or the code. */
function fate(tsa: TestTsa, answer: TsaAnswer, trust: Partial<TimestampTrust> = {}): string {
  try {
    const nonce = randomBytes(NONCE_BYTES);
    const query = formatTimestampRequest({ message: MESSAGE, nonce, policy: null });
    const token = openTimestampResponse(tsa.respond(query, answer));
    normalToken(token, MESSAGE, { pinned: pinnedOf(tsa), policy: null, nonce, ...trust });
    return 'taken';
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.code;
  }
}

const pinnedOf = (tsa: TestTsa): X509Certificate[] => parsePinnedAuthority(Buffer.from(tsa.identity.root));
const kept = (tsa: TestTsa): TimestampTrust => ({ pinned: pinnedOf(tsa), policy: null, nonce: null });

function stamp(tsa: TestTsa): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const query = formatTimestampRequest({ message: MESSAGE, nonce, policy: null });
  return normalToken(openTimestampResponse(tsa.respond(query)), MESSAGE, { ...kept(tsa), nonce });
}

describeTsa('a token of openssl ts', () => {
  const started: TestTsa[] = [];
  const start = async (plan: TsaPlan = {}): Promise<TestTsa> => {
    const tsa = await TestTsa.start(plan);
    started.push(tsa);
    return tsa;
  };
  let tsa: TestTsa;

  beforeAll(async () => {
    tsa = await start();
  });
  afterAll(async () => {
    await Promise.all(started.map((one) => one.stop()));
  });

  it.each<TsaPlan>([
    {},
    { withIntermediate: true },
    { algorithm: 'rsa' },
    { algorithm: 'rsa', withIntermediate: true },
  ])('is taken, kept in one form, and good for openssl in that form: %j', async (plan) => {
    const own = await start(plan);
    const token = stamp(own);
    const { time, accuracyMs, authority, policy, serial } = verifyTimestamp(token, MESSAGE, kept(own));
    expect({ accuracyMs, authority, policy }).toEqual({
      accuracyMs: 1_000,
      authority: 'CN=Spec TSA',
      policy: TSA_POLICY,
    });
    expect(Math.abs(time - Date.now())).toBeLessThan(DAY_MS);
    expect(serial).toMatch(/^[0-9a-f]+$/);
    expect(own.opensslVerifies(MESSAGE, token)).toContain('Verification: OK');
    expect(own.opensslVerifies(Buffer.from('other'), token)).not.toContain('Verification: OK');
  });

  it('is the same whichever certificate of its chain is pinned, and whatever else is', async () => {
    const own = await start({ withIntermediate: true });
    const other = await start();
    const token = stamp(own);
    const { root, intermediate, certificate } = own.identity;
    for (const pem of [root, intermediate, certificate, other.identity.root + root]) {
      const pinned = parsePinnedAuthority(Buffer.from(pem));
      expect(verifyTimestamp(token, MESSAGE, { pinned, policy: null, nonce: null }).authority).toBe('CN=Spec TSA');
    }
  });

  it('has one byte form: a change of any byte is found', async () => {
    for (const plan of [{ withIntermediate: true }, { algorithm: 'rsa' }] as const) {
      const own = await start(plan);
      const token = stamp(own);
      const trust = kept(own);
      const unnoticed: number[] = [];
      for (let at = 0; at < token.length; at++) {
        const changed = Buffer.from(token);
        changed[at]! ^= at % 3 === 0 ? 0x0a : 1 << (at % 8);
        try {
          verifyTimestamp(changed, MESSAGE, trust);
          unnoticed.push(at);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
      }
      expect(unnoticed).toEqual([]);
    }
  });

  it('is refused with one more byte, one less, and as a whole response', () => {
    const token = stamp(tsa);
    const code = (bytes: Buffer): string => {
      try {
        verifyTimestamp(bytes, MESSAGE, kept(tsa));
        return 'taken';
      } catch (error) {
        return (error as FormatError).code;
      }
    };
    expect(code(token)).toBe('taken');
    expect(code(Buffer.concat([token, Buffer.from([0])]))).toBe('timestamp.form');
    expect(code(token.subarray(0, -1))).toBe('timestamp.token');
    expect(code(Buffer.alloc(0))).toBe('timestamp.token');
    expect(code(Buffer.alloc(1_000_000))).toBe('timestamp.token');
  });

  it.each<[TsaAnswer, string]>([
    ['good', 'taken'],
    ['cms', 'taken'],
    ['cms-without-ess', 'timestamp.signing-certificate'],
    ['other-nonce', 'timestamp.nonce'],
    ['other-imprint', 'timestamp.imprint'],
    ['rejection', 'timestamp.refused'],
    ['garbage', 'timestamp.response'],
    ['empty', 'timestamp.response'],
    ['truncated', 'timestamp.response'],
  ])('answered %s is %s', async (answer, code) => {
    // What openssl cms signs is signed with the certificate of the content here: as if the TSA had one key for both.
    expect(fate(tsa, answer)).toBe(code);
  });

  it.each<[TsaPlan, string]>([
    [{ usage: 'critical' }, 'taken'],
    [{ usage: 'not-critical' }, 'timestamp.key-usage'],
    [{ usage: 'missing' }, 'timestamp.key-usage'],
    [{ usage: 'other' }, 'timestamp.key-usage'],
    [{ notAfter: Date.now() - DAY_MS }, 'timestamp.validity'],
  ])('signed with a certificate %j is %s', async (plan, code) => {
    expect(fate(await start(plan), 'cms')).toBe(code);
  });

  it('signed by a TSA that nobody pinned is refused', async () => {
    const other = await start();
    expect(fate(tsa, 'good', { pinned: pinnedOf(other) })).toBe('timestamp.chain');
  });

  it('is taken under the policy that is asked for, and under no other', () => {
    expect(fate(tsa, 'good', { policy: TSA_POLICY })).toBe('taken');
    expect(fate(tsa, 'good', { policy: `${TSA_POLICY}.2` })).toBe('timestamp.policy');
  });

  it('is asked for under a policy', () => {
    const nonce = randomBytes(NONCE_BYTES);
    const policy = `${TSA_POLICY}.2`;
    const response = tsa.respond(formatTimestampRequest({ message: MESSAGE, nonce, policy }));
    const token = normalToken(openTimestampResponse(response), MESSAGE, { ...kept(tsa), policy, nonce });
    expect(verifyTimestamp(token, MESSAGE, kept(tsa)).policy).toBe(policy);
  });

  it('says why the TSA refused', () => {
    const query = formatTimestampRequest({ message: MESSAGE, nonce: randomBytes(NONCE_BYTES), policy: null });
    expect(() => openTimestampResponse(tsa.respond(query, 'rejection'))).toThrow(/status 2 \(rejection\)/);
  });

  it('is not read from a file without certificates', () => {
    expect(() => parsePinnedAuthority(Buffer.from('nothing'))).toThrow(/1 to 100/);
  });
});
