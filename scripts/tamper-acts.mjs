/**
 * The acts of the tamper suite: what is done, what must be said about it, and which tests do it. A test belongs to an act
 * when its full name carries the act's number before a colon (`T9: …`, `T3, T4: …`), or when it is listed here; a control is
 * the same act with the check off, and must find nothing: in the same test, or in the ones that are listed.
 */

/** Spec files of the suite, the long ones first. */
export const SPECS = [
  'test/system/watch.spec.ts',
  'apps/verifier/src/mutations.spec.ts',
  'test/system/tamper.spec.ts',
  'test/system/restored-database.spec.ts',
  'test/system/custody.spec.ts',
  'test/system/guards.spec.ts',
  'apps/verifier/src/rewritten-history.spec.ts',
  'apps/verifier/src/catalog-guard.spec.ts',
  'apps/verifier/src/anchor-guard.spec.ts',
  'apps/verifier/src/durability-guard.spec.ts',
  'apps/verifier/src/clock-guard.spec.ts',
  'apps/verifier/src/posture-guard.spec.ts',
  'apps/verifier/src/custody-ledger.spec.ts',
  'apps/verifier/src/custody-checkpoints.spec.ts',
  'apps/verifier/src/stream-guard.spec.ts',
  'apps/verifier/src/sweep-hostile.spec.ts',
  'apps/verifier/src/check-stored-block.spec.ts',
  'apps/verifier/src/checkpoint-census.spec.ts',
  'apps/sealer/src/frame-check.spec.ts',
  'apps/sealer/src/seal-ledger.spec.ts',
  'libs/audit-core/src/hostile-input.spec.ts',
];

/** Looks that are left out find nothing: every random change is seen by the look whose business it is, and by no other. */
const LOOK_LEFT_OUT = [['mutations', 'is found, named']];
const HISTORY = (act) => [['rewritten-history', `\\b${act}\\b`]];

/** `cases` and `controls`: [part of the file name, pattern of the full name]. */
export const ACTS = [
  { act: 'T1', what: 'flip a payload byte', expected: 'entry.altered', controls: LOOK_LEFT_OUT },
  { act: 'T2', what: 'also fix tile and index', expected: 'entry.altered', controls: LOOK_LEFT_OUT },
  { act: 'T3', what: 'rewrite a block, no key', expected: 'block.signature', controls: HISTORY('T3') },
  { act: 'T4', what: 'rewrite up to the head, no key', expected: 'block.signature', controls: HISTORY('T4') },
  { act: 'T5', what: 'T4 with the log key', expected: 'checkpoint.mismatch', controls: HISTORY('T5') },
  { act: 'T6', what: 'rewrite from genesis, new keys', expected: 'key.changed', controls: HISTORY('T6') },
  { act: 'T7', what: "delete an event's bytes", expected: 'entry.missing', controls: LOOK_LEFT_OUT },
  { act: 'T8', what: 'delete a block, alter its row', expected: 'block.missing, block.chain', controls: LOOK_LEFT_OUT },
  { act: 'T9', what: 'delete the newest blocks', expected: 'log.truncated, log.rolled-back', controls: LOOK_LEFT_OUT },
  { act: 'T10', what: 'restore an older database', expected: 'log.rolled-back', controls: HISTORY('T10') },
  { act: 'T11', what: 'swap events, swap blocks', expected: 'entry.reordered, block.chain', controls: LOOK_LEFT_OUT },
  {
    act: 'T12',
    what: 'insert a backdated event',
    expected: 'entry.inserted, custody.forged',
    controls: HISTORY('T12'),
  },
  { act: 'T13', what: 'append with the log key', expected: 'custody.forged, key.changed', controls: HISTORY('T13') },
  { act: 'T14', what: 'change index columns', expected: 'index.altered', controls: LOOK_LEFT_OUT },
  { act: 'T15', what: 'delete or add index rows', expected: 'index.missing, index.extra', controls: LOOK_LEFT_OUT },
  {
    act: 'T16',
    what: 'alter tile, checkpoint, cosignature, anchor',
    expected: 'tile.altered, checkpoint.signature, checkpoint.mismatch, anchor.mismatch, anchor.missing',
    controls: LOOK_LEFT_OUT,
  },
  {
    act: 'T17',
    what: 'triggers, grants, rules, superusers',
    expected: 'store.catalog',
    controls: [['catalog-guard', 'T17: raises store.catalog']],
  },
  {
    act: 'T18',
    what: 'fsync and its like off',
    expected: 'store.durability',
    cases: [['durability-guard', '.']],
    controls: [['durability-guard', 'another database']],
  },
  {
    act: 'T19',
    what: 'purge or delete unsealed messages',
    expected: 'custody.overdue, custody.gap-false',
    cases: [
      ['custody.spec', 'a claim is pending, overdue'],
      ['seal-ledger', 'a frame that the stream has lost'],
    ],
    controls: [['custody-ledger', '^T19.*control']],
  },
  {
    act: 'T20',
    what: 'replace the stream',
    expected: 'stream.replaced',
    controls: [['stream-guard', '^T20.*control']],
  },
  {
    act: 'T21',
    what: 'other limits of the stream',
    expected: 'stream.config',
    controls: [['stream-guard', '^T20.*control']],
  },
  {
    act: 'T22',
    what: 'forged, replayed, conflicting frames',
    expected: 'custody.forged, custody.conflict, custody.altered',
    cases: [['frame-check', 'says (forged|altered)']],
    controls: [
      ['custody-ledger', '^T22.*control'],
      ['frame-check', 'takes a genuine frame'],
    ],
  },
  {
    act: 'T23',
    what: 'two checkpoints for a size',
    expected: 'log.forked',
    cases: [['custody-checkpoints', 'log\\.forked']],
    controls: [['custody-checkpoints', 'is no fork']],
  },
  {
    act: 'T24',
    what: 'stop the verifier, the sealer',
    expected: 'heartbeat.missing, log.frozen',
    cases: [
      ['watch', 'names the one that is silent'],
      ['watch', 'is frozen when its sealer'],
    ],
    controls: [['watch', 'is all well when both are heard']],
  },
  {
    act: 'T25',
    what: 'fake "all well", block alerts',
    expected: 'heartbeat.missing, alert.missing',
    cases: [
      ['watch', 'a heartbeat on the right subject'],
      ['watch', 'the numbers of the alerts'],
    ],
    controls: [['watch', 'is all well when both are heard']],
  },
  {
    act: 'T26',
    what: 'stop anchoring quietly',
    expected: 'anchor.overdue',
    controls: [['anchor-guard', 'control']],
  },
  {
    act: 'T27',
    what: "a service's clock an hour off",
    expected: 'clock.skew',
    cases: [['clock-guard', 'clock\\.skew']],
    controls: [['clock-guard', 'is not off because']],
  },
  {
    act: 'T28',
    what: 'weaker TLS, lapsed certificate',
    expected: 'tls.posture, tls.expiry',
    controls: [['posture-guard', '^T28.*control']],
  },
];
