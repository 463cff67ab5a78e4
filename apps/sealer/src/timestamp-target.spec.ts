/**
 * The time-stamp target against a real authority (`openssl ts` behind HTTP) and each way in which one fails. Whatever fails, the
 * next try with a good authority succeeds: that is the control of each.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parsePinnedAuthority, verifyTimestamp } from '@everseal/timestamps';
import { opensslMissing, TestTsa, type TsaAnswer } from '@everseal/testing';
import { toAnchor } from './anchor-lab.fixture.js';
import { TimestampTarget, type TimestampTargetOptions } from './timestamp-target.js';

const missing = opensslMissing();
if (missing !== null) process.stderr.write(`timestamp-target.spec: ${missing}\n`);
const describeTsa = missing === null ? describe : describe.skip;
const NEVER = new AbortController().signal;
const CHECKPOINT = toAnchor(7);

describeTsa('a time-stamp target', () => {
  let tsa: TestTsa;

  beforeAll(async () => {
    tsa = await TestTsa.start();
  });
  afterAll(async () => {
    await tsa.stop();
  });

  const target = (over: Partial<TimestampTargetOptions> = {}): TimestampTarget =>
    new TimestampTarget({
      name: 'tsa',
      url: new URL(tsa.url),
      pinned: parsePinnedAuthority(Buffer.from(tsa.identity.root)),
      policy: null,
      timeoutMs: 20_000,
      clockSkewMs: 300_000,
      now: Date.now,
      ...over,
    });

  async function anchored(over: Partial<TimestampTargetOptions> = {}, signal = NEVER): Promise<string> {
    try {
      const token = await target(over).anchor(CHECKPOINT, signal);
      const trust = { pinned: parsePinnedAuthority(Buffer.from(tsa.identity.root)), policy: null, nonce: null };
      return `stamped by ${verifyTimestamp(token, CHECKPOINT.note, trust).authority}`;
    } catch (error) {
      return (error as { code?: string }).code ?? (error as Error).message;
    }
  }

  it.each<[TsaAnswer, string | RegExp]>([
    ['good', 'stamped by CN=Spec TSA'],
    ['other-nonce', 'timestamp.nonce'],
    ['other-imprint', 'timestamp.imprint'],
    ['rejection', 'timestamp.refused'],
    ['garbage', 'timestamp.response'],
    ['truncated', 'timestamp.response'],
    ['empty', 'timestamp.response'],
    ['http-500', /answered with HTTP status 500$/],
    ['redirect', /answered with HTTP status 302$/],
    ['endless', /answered with more than 262144 bytes$/],
    ['switching-protocols', /cannot be asked: it answered with HTTP status 101$/],
    ['cut-off', /^127\.0\.0\.1:\d+ cannot be asked: /],
  ])('whose authority answers %s ends with %s', async (answer, end) => {
    tsa.answer = answer;
    const said = await anchored();
    if (typeof end === 'string') expect(said).toBe(end);
    else expect(said).toMatch(end);
    tsa.answer = 'good';
    expect(await anchored()).toBe('stamped by CN=Spec TSA');
  });

  it('gives up on an authority that hangs, after its time', async () => {
    tsa.answer = 'hang';
    expect(await anchored({ timeoutMs: 200 })).toMatch(/did not answer within 200 ms$/);
    tsa.answer = 'good';
  });

  it('gives up at once when the sealer stops', async () => {
    tsa.answer = 'hang';
    const stopping = new AbortController();
    const said = anchored({ timeoutMs: 600_000 }, stopping.signal);
    stopping.abort();
    expect(await said).toMatch(/did not answer/);
    tsa.answer = 'good';
  });

  it('says that nobody answers', async () => {
    await tsa.down();
    expect(await anchored()).toMatch(/cannot be asked: .*ECONNREFUSED/);
    await tsa.up();
    expect(await anchored()).toBe('stamped by CN=Spec TSA');
  });

  it('refuses a token of another time than its own clock has', async () => {
    expect(await anchored({ now: () => Date.now() + 400_000 })).toMatch(/more than 300000 ms off this clock/);
    expect(await anchored({ now: () => Date.now() - 400_000 })).toMatch(/more than 300000 ms off this clock/);
    expect(await anchored({ now: () => Date.now() - 200_000 })).toBe('stamped by CN=Spec TSA');
  });

  it('refuses an authority that is not the pinned one', async () => {
    const other = await TestTsa.start();
    try {
      const pinned = parsePinnedAuthority(Buffer.from(other.identity.root));
      expect(await anchored({ pinned })).toBe('timestamp.chain');
    } finally {
      await other.stop();
    }
  });
});
