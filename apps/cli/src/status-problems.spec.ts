import { describe, expect, it } from '@jest/globals';
import type { StatusFacts, StoredFacts } from './status-facts.js';
import { problemsOf } from './status-problems.js';

const NOW = Date.UTC(2026, 0, 1);
const STORED: StoredFacts = {
  size: 100,
  height: 9,
  sealed: NOW - 5_000,
  state: 'open',
  holder: 's1',
  leaseLeftMs: 2_000,
  indexed: 100,
  anchors: [],
};

function facts(over: Partial<StatusFacts> = {}, stored: Partial<StoredFacts> = {}, signed = 100): StatusFacts {
  const announced = { size: signed, stored: NOW - 4_000, cosigners: [{ name: 'v1', at: NOW }], heads: [] };
  return {
    services: [{ service: 'ingest', name: 'a', url: 'https://localhost:1', live: true, ready: true, reasons: [] }],
    ledgers: [
      {
        ledger: 'main',
        origin: 'audit.example.com/main',
        stored: { ok: true, value: { ...STORED, ...stored } },
        announced: { ok: true, value: announced },
      },
    ],
    streams: {
      ok: true,
      value: [{ name: 'ALERTS', messages: 0, bytes: 0, firstSequence: 0, lastSequence: 0, lost: 0 }],
    },
    verifiers: [
      {
        name: 'v1',
        origin: 'audit.example.com/main',
        verified: 100,
        cosigned: 100,
        behind: { entries: 0, seconds: 0 },
        sweeps: [],
      },
    ],
    witnesses: [{ ledger: 'main', witness: 'north', size: 100, at: NOW, overdue: false, failures: 0 }],
    witnessed: [{ verifier: 'v1', log: 'audit.example.net/main', size: 90 }],
    alerts: { ok: true, value: { open: 0, openCodes: [], unverified: 0, gaps: 0 } },
    ...over,
  };
}

describe('what is not as it should be', () => {
  it('is nothing when all is well, and while a checkpoint is on its way', () => {
    expect(problemsOf(facts(), NOW)).toEqual([]);
    expect(problemsOf(facts({}, {}, 90), NOW)).toEqual([]);
  });

  it.each<[string, StatusFacts, RegExp]>([
    [
      'a service that is not ready',
      facts({
        services: [{ service: 'ingest', name: 'a', url: '', live: true, ready: false, reasons: ['spool: full'] }],
      }),
      /^ingest a is not ready: spool: full$/,
    ],
    [
      'a service that does not answer',
      facts({
        services: [{ service: 'ingest', name: 'a', url: '', live: false, ready: false, reasons: ['nobody there'] }],
      }),
      /^ingest a is not live: nobody there$/,
    ],
    ['a ledger without a sealer', facts({}, { holder: null, leaseLeftMs: null }), /no sealer holds it/],
    ['a lease that ran out', facts({}, { leaseLeftMs: -10_000 }), /sealer s1 has let its lease run out 10 s ago/],
    ['a closed ledger', facts({}, { state: 'closed' }), /it is closed/],
    ['a ledger that stands still', facts({}, { sealed: NOW - 3_600_000 }), /the newest block is 60 min old/],
    [
      'blocks without a checkpoint',
      facts({}, { sealed: NOW - 120_000 }, 90),
      /10 entries beyond the newest checkpoint/,
    ],
    ['blocks that are gone', facts({}, { size: 80 }), /ends at 80 entries, a checkpoint of 100 was cosigned/],
    [
      'messages that are lost',
      facts({
        streams: {
          ok: true,
          value: [{ name: 'X', messages: 1, bytes: 1, firstSequence: 1, lastSequence: 2, lost: 1 }],
        },
      }),
      /stream X: the server lost 1 message/,
    ],
    [
      'streams that cannot be asked',
      facts({ streams: { ok: false, problem: 'no connection' } }),
      /streams cannot be asked: no connection/,
    ],
    [
      'open alerts',
      facts({ alerts: { ok: true, value: { open: 2, openCodes: ['entry.altered'], unverified: 0, gaps: 0 } } }),
      /^2 alerts open: entry\.altered/,
    ],
    [
      'alerts that nobody signed',
      facts({ alerts: { ok: true, value: { open: 0, openCodes: [], unverified: 1, gaps: 0 } } }),
      /not signed by a known key/,
    ],
    [
      'dropped alerts',
      facts({ alerts: { ok: true, value: { open: 0, openCodes: [], unverified: 0, gaps: 1 } } }),
      /some were dropped/,
    ],
    [
      'a witness that does not cosign',
      facts({ witnesses: [{ ledger: 'main', witness: 'north', size: 90, at: NOW, overdue: true, failures: 4 }] }),
      /witness north of ledger main does not cosign in time: it cosigned up to size 90/,
    ],
    ['alerts that cannot be read', facts({ alerts: { ok: false, problem: 'no connection' } }), /alerts cannot be read/],
  ])('is %s', (_, given, problem) => {
    expect(problemsOf(given, NOW)).toEqual([expect.stringMatching(problem)]);
  });

  it('is a verifier that stays behind, once it had its time', () => {
    const behind = facts({
      verifiers: [
        {
          name: 'v2',
          origin: 'audit.example.com/main',
          verified: 40,
          cosigned: 0,
          behind: { entries: 60, seconds: 1 },
          sweeps: [],
        },
      ],
    });
    expect(problemsOf(behind, NOW)).toEqual([]);
    expect(problemsOf(behind, NOW + 600_000)).toContain(
      'verifier v2 has derived 40 of 100 entries of audit.example.com/main',
    );
  });
});
