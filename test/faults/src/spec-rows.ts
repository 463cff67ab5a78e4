/** Rows that specs show at points which nothing outside a process can meet, and rows that are not run, with the reason. */
import type { LeftOutRow, SpecRow } from './row.js';

export const SPEC_ROWS: readonly SpecRow[] = [
  {
    row: '13b',
    fault: 'sealing stands still until a quarter of max_age',
    expected: 'unavailable by the age of the oldest frame',
    specs: [['apps/ingest/src/readiness.spec.ts', /backpressure comes from the age of the oldest frame/]],
  },
  {
    row: '16',
    fault: 'DIRECT.GET answers from below first_seq, or stale',
    expected: 'nothing concluded from it alone',
    specs: [
      ['libs/messaging/src/stream-reader.spec.ts', /hands over a gap at the front as it is/],
      ['apps/sealer/src/frame-source.spec.ts', /./],
    ],
  },
  {
    row: '23',
    fault: 'kill -9 of the sealer: signed, not stored or announced',
    expected: 'the same checkpoint, bytes equal',
    specs: [['apps/sealer/src/checkpoint-ledger.spec.ts', /when the process died between signing and storing/]],
  },
  {
    row: '30',
    fault: 'Postgres restored from an older copy',
    expected: 'the sealer refuses; log.rolled-back',
    specs: [
      ['test/system/restored-database.spec.ts', /T10/],
      ['apps/sealer/src/confirm-head.spec.ts', /stops when a cosigned checkpoint is larger/],
    ],
  },
  {
    row: '32',
    fault: 'failover to a replica that lags',
    expected: 'as 30: to the sealer it is an older copy',
    specs: [['apps/sealer/src/confirm-head.spec.ts', /stops when more was signed than the database holds/]],
  },
  {
    row: '33',
    fault: 'serialization failure, deadlock, statement timeout',
    expected: 'tried again from the head',
    specs: [['libs/ledger-store/src/transaction.spec.ts', /everything before COMMIT/]],
  },
  {
    row: '34',
    fault: 'a flipped byte between commit and read-back',
    expected: 'not signed; halt',
    specs: [['apps/sealer/src/checkpoint-ledger.spec.ts', /a verifier that derives another root/]],
  },
  {
    row: '35',
    fault: 'poison: deep JSON, NUL, lone surrogate, the largest request',
    expected: 'refused or sealed as it is; nothing stops',
    specs: [
      ['apps/ingest/src/bad-input.spec.ts', /./],
      ['libs/audit-core/src/json-tape.spec.ts', /./],
    ],
  },
  {
    row: '39',
    fault: 'verifier slower than the log grows',
    expected: 'verifier.behind, cleared when it has caught up',
    specs: [['apps/verifier/src/verify-ledger.spec.ts', /raises verifier\.behind once/]],
  },
  {
    row: '40',
    fault: 'anchor target down for an hour',
    expected: 'sealing goes on; anchor.overdue; filled in, in order, without a gap',
    specs: [
      ['apps/sealer/src/anchor-ledger.spec.ts', /fills in what a target missed in an hour/],
      ['apps/sealer/src/anchor-ledger.spec.ts', /keeps a time stamp that verifies, and fills in/],
    ],
  },
];

export const LEFT_OUT_ROWS: readonly LeftOutRow[] = [
  {
    row: '43',
    fault: 'rolling upgrade of nats-server',
    expected: 'no redelivery loop',
    notRun:
      'takes two versions of nats-server, one is fetched; there is no consumer and no acknowledgement to redeliver',
  },
];
