/**
 * The JetStream streams of an installation, as data (architecture.md §5 and §8).
 *
 * - FRAMES_<ledger>: unsealed and recently sealed frames, one lane (subject) an ingester. A ring: limits retention,
 *   discard old, and so large that what the sealer has not read never reaches its edge (policy-checks.ts asserts it).
 *   `discard new` with `deny_purge` would fill with frames sealed long ago and stop intake for ever.
 * - ANNOUNCEMENTS: the newest announcement of each ledger.
 * - ALERTS: every alert, oldest dropped last of all limits: only by `alertBytes`.
 *
 * All are file storage, direct-readable, without delete, purge, rollup, per-message TTL, schedules, counters, batches,
 * transforms, mirrors, sources, republishing or async persistence: each of those lets a message vanish, change or be
 * acknowledged before it is written. No Nats-Msg-Id is used; its window stays at the server's default.
 *
 * `metadata.epoch` is set once, when provisioning creates the stream: a stream deleted and made again under the same
 * name has another one, and the sealer's cursor notices (faults.md "a stream sequence is not an identity").
 */
import type { StreamConfig } from '@nats-io/jetstream';
import type { LedgerPolicy, Policy } from './policy.js';
import { ALERTS, alertSubject, ANNOUNCEMENTS, announceSubject, framesStream, framesSubject } from './subjects.js';

const NANOS_PER_MS = 1_000_000;
const MIB = 1024 * 1024;

/** The broker's bound on a message, headers included; ingest is ready only where the server says exactly this. */
export const MAX_PAYLOAD_BYTES = MIB;

/** Frame message of formats.md, and room for the two headers it is published with. */
const MOST_FRAME_MESSAGE_BYTES = 786_432 + 1_024;

/** The server's default, and at most `max_age`, which it insists on. */
const DUPLICATE_WINDOW_MS = 120_000;

/** Key of a stream's epoch in its metadata. */
export const EPOCH_KEY = 'epoch';

/** What a stream's config must be, fields the server adds by itself and the epoch aside. */
export type ExpectedStream = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects' | 'max_bytes'>;

function stream(policy: Policy, own: Pick<ExpectedStream, 'name' | 'subjects' | 'max_bytes'> & Partial<StreamConfig>) {
  const maxAge = own.max_age ?? 0;
  const window = DUPLICATE_WINDOW_MS * NANOS_PER_MS;
  return {
    retention: 'limits',
    storage: 'file',
    discard: 'old',
    max_consumers: -1,
    max_msgs: -1,
    max_msgs_per_subject: -1,
    max_msg_size: MAX_PAYLOAD_BYTES,
    max_age: maxAge,
    duplicate_window: maxAge > 0 ? Math.min(window, maxAge) : window,
    num_replicas: policy.replicas,
    compression: 'none',
    allow_direct: true,
    deny_delete: true,
    deny_purge: true,
    mirror_direct: false,
    sealed: false,
    allow_rollup_hdrs: false,
    allow_msg_ttl: false,
    ...own,
  } satisfies ExpectedStream;
}

function frames(policy: Policy, ledger: LedgerPolicy): ExpectedStream {
  return stream(policy, {
    name: framesStream(ledger.name),
    subjects: [framesSubject(ledger.name, '*')],
    max_bytes: ledger.frames.maxBytes,
    max_age: ledger.frames.maxAgeMs * NANOS_PER_MS,
    max_msg_size: MOST_FRAME_MESSAGE_BYTES,
  });
}

/** Every stream the policy calls for: one a ledger in the policy's order, then ANNOUNCEMENTS and ALERTS. */
export function expectedStreams(policy: Policy): ExpectedStream[] {
  const announcements = stream(policy, {
    name: ANNOUNCEMENTS,
    subjects: [announceSubject('*')],
    max_msgs_per_subject: 1,
    // One message a ledger is kept and a new one may stand beside it for a moment; the limit must never push out
    // another ledger's.
    max_bytes: 2 * MAX_PAYLOAD_BYTES * (policy.ledgers.length + 1),
  });
  const alerts = stream(policy, {
    name: ALERTS,
    subjects: [alertSubject('*.*')],
    max_bytes: policy.broker.alertBytes,
  });
  return [...policy.ledgers.map((ledger) => frames(policy, ledger)), announcements, alerts];
}

/** The stream of one ledger's frames; throws if the policy does not have that ledger. */
export function expectedFrames(policy: Policy, ledger: string): ExpectedStream {
  const found = policy.ledgers.find(({ name }) => name === ledger);
  if (found === undefined) throw new Error(`the policy has no ledger "${ledger}"`);
  return frames(policy, found);
}
