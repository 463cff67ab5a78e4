import { beforeEach, describe, expect, it } from '@jest/globals';
import { WatchedLedger } from './watched-ledger.js';
import { announcement, FOREIGN, heartbeat, ORIGIN, START, TRUST, VERIFIERS } from './watched.fixture.js';

const BOUNDS = { periodMs: 10_000, frozenMs: 900_000, skewMs: 60_000 };
const { v1, v2 } = VERIFIERS;

let ledger: WatchedLedger;
const codes = (now: number): string[] => ledger.conditions(now).map(({ code, part }) => `${code} ${part}`.trim());

/** Both verifiers beat every period until then, the log grows by one each time. */
function healthy(until: number): void {
  for (let at = START + 1_000, size = 2; at <= until; at += 10_000, size++) {
    expect(ledger.heartbeat('v1', heartbeat(size, v1, at), at)).toMatchObject({ counts: true, size });
    expect(ledger.heartbeat('v2', heartbeat(size, v2, at), at)).toMatchObject({ counts: true, size });
  }
}

beforeEach(() => {
  ledger = new WatchedLedger(TRUST, BOUNDS, START);
});

describe('verifiers', () => {
  it('are those of the key set, and nothing is wrong while they beat', () => {
    expect(ledger.expected).toEqual(['v1', 'v2']);
    healthy(START + 3_600_000);
    expect(codes(START + 3_605_000)).toEqual([]);
    expect(ledger.seenOf('v1')).toMatchObject({ heardAt: expect.any(Number), coverage: { tail: { behindMs: 0 } } });
  });

  it('are missed after three periods of silence, each by name, and not before', () => {
    expect(codes(START + 30_000)).toEqual([]);
    expect(codes(START + 30_001)).toEqual(['heartbeat.missing verifier/v1', 'heartbeat.missing verifier/v2']);
    ledger.heartbeat('v2', heartbeat(2, v2, START + 25_000), START + 25_000);
    expect(codes(START + 55_000)).toEqual(['heartbeat.missing verifier/v1']);
    expect(codes(START + 55_001)).toHaveLength(2);
    // And it is over with the next one.
    for (const [name, key] of [
      ['v1', v1],
      ['v2', v2],
    ] as const) {
      ledger.heartbeat(name, heartbeat(2, key, START + 56_000), START + 56_000);
    }
    expect(codes(START + 56_000)).toEqual([]);
  });

  it('are not blamed for the time in which this machine slept', () => {
    ledger.forgive(START + 3_000_000 - 890_000);
    expect(codes(START + 3_000_000 - 870_000)).not.toContain('heartbeat.missing verifier/v1');
  });

  it.each([
    ['sent again', heartbeat(2, v1, START + 5_000), 'not newer'],
    ['made before it', heartbeat(2, v1, START + 4_000), 'not newer'],
    ['old, and never heard before', heartbeat(2, v1, START - 3_600_000), '3640 s old'],
    ['of the future', heartbeat(2, v1, START + 3_600_000), 'in the future'],
    ['signed by a foreign key', heartbeat(2, FOREIGN, START + 40_000), 'heartbeat.cosignature'],
    ['signed by another verifier', heartbeat(2, v2, START + 40_000), 'heartbeat.cosignature'],
    ['nonsense', Buffer.from('all well'), 'heartbeat.json'],
  ])('do not live by a heartbeat that is %s', (_, bytes, reason) => {
    const [heard, now] = [START + 5_000, START + 40_000];
    expect(ledger.heartbeat('v1', heartbeat(2, v1, heard), heard)).toMatchObject({ counts: true });
    ledger.heartbeat('v2', heartbeat(2, v2, now), now);
    expect(ledger.heartbeat('v1', bytes, now)).toMatchObject({
      counts: false,
      reason: expect.stringContaining(reason),
    });
    const [missing] = ledger.conditions(now);
    expect(missing).toMatchObject({ code: 'heartbeat.missing', part: 'verifier/v1', ledger: ORIGIN });
    expect(missing?.detail).toContain(reason);
    // Control: its own fresh one at that moment counts.
    expect(ledger.heartbeat('v1', heartbeat(2, v1, now), now)).toMatchObject({ counts: true });
    expect(codes(now)).toEqual([]);
  });

  it('are heard again when it was the clock of this machine that was wrong', () => {
    const wrong = START + 86_400_000;
    expect(ledger.heartbeat('v1', heartbeat(2, v1, wrong), wrong)).toMatchObject({ counts: true });
    expect(ledger.heartbeat('v1', heartbeat(2, v1, START), START)).toMatchObject({ counts: true });
  });
});

describe('the log', () => {
  it('is frozen when no cosigned checkpoint grows within the bound, and not before', () => {
    for (let at = START; at <= START + 900_000; at += 10_000) {
      for (const [name, key] of [
        ['v1', v1],
        ['v2', v2],
      ] as const)
        ledger.heartbeat(name, heartbeat(5, key, at), at);
    }
    expect(codes(START + 900_000)).toEqual([]);
    expect(codes(START + 900_001)).toEqual(['log.frozen']);
    ledger.heartbeat('v1', heartbeat(6, v1, START + 901_000), START + 901_000);
    expect(codes(START + 902_000)).toEqual([]);
  });

  it('has grown when its newest checkpoint was cosigned, not when this watcher first saw it', () => {
    ledger.heartbeat('v1', heartbeat(5, v1, START), START);
    ledger.announcement(announcement(5, [v1], START - 890_000), START);
    expect(codes(START + 9_999)).toEqual([]);
    expect(codes(START + 10_001)).toEqual(['log.frozen']);
  });

  it('is not frozen when one of its verifiers has a clock an hour behind, and is when all times are that old', () => {
    const hour = 3_600_000;
    ledger.announcement(announcement(5, [v1, v2], [START, START - hour]), START);
    ledger.announcement(announcement(6, [v1, v2], [START - hour, START]), START);
    expect(codes(START)).toEqual([]);
    ledger.announcement(announcement(7, [v1, v2], START - hour), START); // the control
    expect(codes(START)).toEqual(['log.frozen']);
  });

  it('does not grow by a checkpoint that no verifier cosigned, or by an old announcement', () => {
    expect(ledger.announcement(announcement(5, [v1, v2], START), START)).toMatchObject({ counts: true, size: 5 });
    expect(ledger.announcement(announcement(6, [], START), START + 900_000)).toMatchObject({ counts: false });
    expect(ledger.announcement(announcement(4, [v1], START), START + 900_000)).toMatchObject({ counts: true });
    expect(ledger.newest.size).toBe(5);
    expect(codes(START + 900_001)).toContain('log.frozen');
  });

  it.each([
    ['two heartbeats', heartbeat(5, v2, START, 'b')],
    ['heartbeats, one of them old', heartbeat(5, v2, START - 3_600_000, 'b')],
  ])('is forked when two roots of a size are signed, in %s', (_, other) => {
    ledger.heartbeat('v1', heartbeat(5, v1, START), START);
    expect(codes(START)).toEqual([]); // control
    ledger.heartbeat('v2', other, START);
    const [forked] = ledger.conditions(START);
    expect(forked).toMatchObject({ code: 'log.forked', ledger: ORIGIN });
    expect(Object.keys(forked!.evidence)).toEqual(['first', 'second']);
    // It stands for good, also for the next run.
    const next = new WatchedLedger(TRUST, BOUNDS, START, ledger.memory);
    expect(next.conditions(START).map(({ code }) => code)).toEqual(['log.forked']);
  });

  it('is forked by an announcement, also one that nobody cosigned, and across runs', () => {
    ledger.heartbeat('v1', heartbeat(5, v1, START), START);
    ledger = new WatchedLedger(TRUST, BOUNDS, START, ledger.memory);
    ledger.announcement(announcement(5, [], START, 'b'), START);
    expect(codes(START)).toEqual(['log.forked']);
  });

  it('has gone back when a verifier vouches for less than before', () => {
    ledger.heartbeat('v1', heartbeat(5, v1, START), START);
    ledger.heartbeat('v1', heartbeat(4, v1, START + 10_000), START + 10_000);
    expect(codes(START + 10_000)).toEqual(['log.rolled-back']);
  });
});
