import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { formatRefusal, type Refusal } from '@everseal/audit-core';
import { noCounts } from './client-counts.js';
import { PendingEvent } from './pending-event.js';
import { sendRequest } from './request-sender.js';
import { MOST_HINT_MS, RetryPause } from './retry-pause.js';
import type { TrustedKeys } from './trusted-keys.js';

describe('the pause before the next attempt', () => {
  it('doubles up to 5 s without a hint, and is never shorter than a hint within reason', () => {
    const pause = new RetryPause();
    for (const whole of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]) {
      const ms = pause.next(null);
      expect(ms).toBeGreaterThanOrEqual(whole / 2);
      expect(ms).toBeLessThanOrEqual(whole);
    }
    expect(new RetryPause().next(2_000)).toBeGreaterThanOrEqual(2_000);
  });

  it.each([MOST_HINT_MS + 1, 2_147_000_000, 2 ** 31, Number.MAX_SAFE_INTEGER])(
    'is a minute at most, whatever the hint: %d',
    (hint) => {
      const ms = new RetryPause().next(hint);
      expect(ms).toBeGreaterThanOrEqual(60_000);
      expect(ms).toBeLessThanOrEqual(60_100);
    },
  );

  it('is kept when the hint is more than a timer can take. Control: Node ends such a pause at once', async () => {
    const hint = 2 ** 31;
    const busy: Refusal = { code: 'unavailable', message: 'full', position: null, retryAfterMs: hint };
    const event = new PendingEvent({ id: 'x', bytes: Buffer.from('{}') }, 60_000);
    event.outcome.catch(() => undefined);
    const [counts, stop] = [noCounts(), new AbortController()];
    const sent = sendRequest([event], {
      producer: 'billing',
      keys: { origin: 'audit.example.com/main', ingest: [] } as unknown as TrustedKeys,
      send: (body) => Promise.resolve({ kind: 'answer', data: formatRefusal(busy, body) }),
      connected: () => Promise.resolve(),
      onReceipted: () => Promise.resolve(),
      onRefused: () => undefined,
      onUnverified: () => undefined,
      counts,
      signal: stop.signal,
      answerWithinMs: 1_000,
    });
    const control = sleep(hint).then(() => 'over');
    expect(await Promise.race([control, sleep(500, 'waits')])).toBe('over');
    await sleep(200);
    expect(counts.attempts).toBe(1);
    stop.abort();
    await sent;
    event.abandon();
  });
});
