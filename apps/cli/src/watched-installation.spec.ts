import { beforeEach, describe, expect, it } from '@jest/globals';
import { WatchLatch } from './watch-latch.js';
import { WatchedInstallation, type InstallationMemory } from './watched-installation.js';
import { alert, ALERT_KEYS, DOMAIN, FOREIGN, heartbeat, START, TRUST, VERIFIERS } from './watched.fixture.js';

const BOUNDS = { periodMs: 10_000, frozenMs: 900_000, skewMs: 60_000 };
const SUBJECT = 'audit.alerts.entry.altered';

let watched: WatchedInstallation;
const begin = (memory: InstallationMemory | null = null): WatchedInstallation =>
  new WatchedInstallation(
    [TRUST],
    ALERT_KEYS.map(({ verifier }) => verifier),
    BOUNDS,
    START,
    memory,
  );
const codes = (now = START): string[] => watched.conditions(now).map(({ code }) => code);

function everybody(now: number): void {
  for (const [name, key] of Object.entries(VERIFIERS)) watched.heartbeat('verifier', name, heartbeat(2, key, now), now);
  watched.heartbeat('sealer', 's1', Buffer.from('{}'), now);
  watched.heartbeat('ingest', 'a', Buffer.from('{}'), now);
}

beforeEach(() => {
  watched = begin();
});

describe('who there must be', () => {
  it('follows from public keys: verifiers of the key set, sealers and ingesters with alert keys', () => {
    expect(watched.parts.map(({ service, name }) => `${service} ${name}`)).toEqual(['ingest a', 'sealer s1']);
    expect(watched.isWhole).toBe(false);
    everybody(START);
    watched.alertsRead(true, START);
    expect(watched.isWhole).toBe(true);
  });

  it('is named when silent', () => {
    everybody(START + 1_000);
    watched.alertsRead(true, START + 1_000);
    const later = START + 31_002;
    watched.heartbeat('sealer', 's1', Buffer.from('{}'), later);
    const details = watched.conditions(later).map(({ part }) => part);
    expect(details.sort()).toEqual(['ingest/a', 'verifier/v1', 'verifier/v2']);
  });

  it('is nobody that no key names, and no ledger that is not watched', () => {
    expect(watched.heartbeat('sealer', 's9', Buffer.from('{}'), START)).toMatchObject({ counts: false });
    expect(watched.heartbeat('verifier', 'v1', Buffer.from('{}'), START)).toMatchObject({ counts: false, ledger: '' });
    expect(watched.heartbeat('verifier', 'v1', heartbeat(2, FOREIGN, START), START)).toMatchObject({ counts: false });
  });
});

describe('alerts', () => {
  const take = (...numbers: number[]): void => {
    for (const number of numbers) watched.alert(SUBJECT, alert('verifier/v1', number), '');
    watched.alertsRead(true, START);
  };

  it('are conditions while they are open', () => {
    take(1);
    expect(watched.conditions(START)).toMatchObject([{ code: 'entry.altered', part: 'verifier/v1' }]);
    watched.alert(SUBJECT, alert('verifier/v1', 2, { state: 'cleared', clears: 1 }), '');
    expect(codes()).toEqual([]);
  });

  it('are missed by their numbers: between two, at the beginning, and not before the stream was read', () => {
    for (const number of [1, 2, 4]) {
      watched.alert(SUBJECT, alert('verifier/v1', number, { state: 'cleared', clears: 99 }), '');
    }
    expect(codes()).toEqual([]);
    watched.alertsRead(true, START);
    expect(watched.conditions(START)).toMatchObject([
      { code: 'alert.missing', detail: `alert 3 of ${DOMAIN}/verifier/v1 cannot be found` },
    ]);
    watched.alert(SUBJECT, alert('verifier/v1', 3, { state: 'cleared', clears: 99 }), '');
    expect(codes()).toEqual([]); // control: it was only late
    watched.alert(SUBJECT, alert('sealer/s1', 2, { state: 'cleared', clears: 99 }), '');
    expect(watched.conditions(START)).toMatchObject([{ code: 'alert.missing', part: 'sealer/s1' }]);
  });

  it('are missed by what an earlier run saw: cut off at the end, or between the runs', () => {
    const numbers = { [`${DOMAIN}/verifier/v1`]: 3 };
    const memory = { ...begin().memory, alerts: numbers };
    watched = begin(memory);
    take(1, 2, 3);
    expect(codes()).not.toContain('alert.missing');
    watched = begin(memory);
    take(1, 2);
    expect(codes()).toContain('alert.missing');
    expect(watched.memory.alerts).toEqual(numbers);
    watched = begin(memory);
    watched.alert(SUBJECT, alert('verifier/v1', 5), '');
    watched.alertsRead(false, START); // the stream was purged
    expect(codes()).toContain('alert.missing');
  });

  it('that nobody known signed are one condition, and that they cannot be read is another', () => {
    watched.alert(SUBJECT, Buffer.from('{"alert":"all well"}'), '');
    watched.alertsRead(true, START);
    expect(codes()).toEqual(['alert.unverified']);
    everybody(START + 120_001);
    expect(codes(START + 120_001)).toContain('alert.unread');
  });
});

describe('from run to run', () => {
  it('raises once and clears once, and says nothing about what it cannot know yet', () => {
    const at = '2026-01-01T00:00:00.000Z';
    const late = START + 31_000;
    watched.alert(SUBJECT, alert('verifier/v1', 1), '');
    watched.alertsRead(true, START);
    const first = new WatchLatch();
    const raised = first.look(watched.conditions(late), () => true, at);
    expect(raised.map(({ state, code }) => `${state} ${code}`)).toEqual([
      'raised entry.altered',
      ...Array.from({ length: 4 }, () => 'raised heartbeat.missing'),
    ]);
    expect(first.look(watched.conditions(late + 1_000), () => true, at)).toEqual([]);

    // The next run, which has heard and read nothing yet.
    watched = begin(watched.memory);
    const next = new WatchLatch(first.standing);
    const look = (now: number): string[] =>
      next
        .look(watched.conditions(now), (one) => watched.isJudged(one), at)
        .map(({ state, code, part }) => `${state} ${code} ${part}`);
    expect(look(START)).toEqual([]);
    watched.heartbeat('sealer', 's1', Buffer.from('{}'), START + 1_000);
    expect(look(START + 1_000)).toEqual(['cleared heartbeat.missing sealer/s1']);
    watched.alert(SUBJECT, alert('verifier/v1', 1), '');
    watched.alert(SUBJECT, alert('verifier/v1', 2, { state: 'cleared', clears: 1 }), '');
    watched.alertsRead(true, START + 1_000);
    expect(look(START + 1_000)).toEqual(['cleared entry.altered verifier/v1']);
    expect(look(late)).toEqual([]);
    expect(next.standing).toHaveLength(3);
  });
});
