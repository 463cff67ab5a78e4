import { describe, expect, it } from '@jest/globals';
import { parsePolicy } from './parse-policy.js';
import { compareStream, epochOf, type ActualStream } from './stream-difference.js';
import { expectedFrames, expectedStreams } from './streams.js';

const text = (spoolBytes: number, replicas: number): string => `
domain: audit.example.com
ledgers: [{ name: main, ingesters: [a, b], spoolBytes: ${spoolBytes}, frames: { maxAgeMs: 60000 } }]
producers: []
ingest: [{ name: a }, { name: b }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
replicas: ${replicas}
`;
const POLICY = parsePolicy(text(2_097_152, 3), 'everseal.yaml');
const EXPECTED = expectedFrames(POLICY, 'main');

/** As a server describes the stream: its own metadata and fields at rest added. */
const ACTUAL: ActualStream = {
  ...EXPECTED,
  consumer_limits: {},
  allow_atomic: false,
  metadata: { epoch: '0123456789abcdef', '_nats.ver': '2.15.1', '_nats.level': '5' },
};

describe('expectedStreams', () => {
  it('are a ring for each ledger, the newest announcement of each, and the alerts', () => {
    expect(expectedStreams(POLICY).map(({ name, subjects }) => [name, subjects])).toEqual([
      ['FRAMES_main', ['audit.frames.main.*']],
      ['ANNOUNCEMENTS', ['audit.announce.*']],
      ['ALERTS', ['audit.alerts.*.*']],
    ]);
    expect(EXPECTED).toMatchObject({
      storage: 'file',
      retention: 'limits',
      discard: 'old',
      max_bytes: 2 * 2 * 2_097_152,
      max_age: 60_000_000_000,
      deny_delete: true,
      deny_purge: true,
      allow_direct: true,
      allow_rollup_hdrs: false,
      allow_msg_ttl: false,
      num_replicas: 3,
    });
  });

  it('are none for a ledger the policy does not have', () => {
    expect(() => expectedFrames(POLICY, 'other')).toThrow('other');
  });
});

describe('compareStream', () => {
  it('finds nothing in a stream as provisioned, whatever the server adds', () => {
    expect(compareStream(EXPECTED, ACTUAL)).toEqual([]);
  });

  it.each(Object.entries(EXPECTED))('finds %s changed or gone', (field, value) => {
    const other = { boolean: !value, number: Number(value) + 1, string: 'other', object: ['other'] }[
      typeof value as 'string'
    ];
    expect(compareStream(EXPECTED, { ...ACTUAL, [field]: other })).toMatchObject([
      { field, actual: JSON.stringify(other) },
    ]);
    expect(compareStream(EXPECTED, { ...ACTUAL, [field]: undefined })).toMatchObject([{ field, actual: undefined }]);
  });

  it.each([
    ['mirror', { name: 'OTHER' }],
    ['sources', [{ name: 'OTHER' }]],
    ['republish', { src: '>', dest: 'copy.>' }],
    ['subject_transform', { src: '>', dest: 'copy.>' }],
    ['consumer_limits', { max_ack_pending: 1 }],
    ['persist_mode', 'async'],
    ['allow_msg_schedules', true],
    ['allow_msg_counter', true],
    ['an_option_of_some_later_server', 1],
  ])('finds %s turned on', (field, value) => {
    expect(compareStream(EXPECTED, { ...ACTUAL, [field]: value })).toEqual([
      { field, expected: undefined, actual: JSON.stringify(value) },
    ]);
  });

  it.each([
    ['none', undefined, ['metadata.epoch']],
    ['no epoch', { '_nats.ver': '2.15.1' }, ['metadata.epoch']],
    ['a short epoch', { epoch: '1' }, ['metadata.epoch']],
    ['an epoch that is no text', { epoch: 1_234_567_890_123_456 }, ['metadata.epoch']],
    ['a foreign key', { epoch: '0123456789abcdef', owner: 'x' }, ['metadata.owner']],
  ])('finds metadata with %s', (_what, metadata, fields) => {
    expect(compareStream(EXPECTED, { ...ACTUAL, metadata }).map(({ field }) => field)).toEqual(fields);
  });
});

describe('epochOf', () => {
  it('gives the epoch, or null', () => {
    expect(epochOf(ACTUAL)).toBe('0123456789abcdef');
    expect(epochOf({})).toBeNull();
  });
});
