/**
 * What custody of one ledger is made of: the looks that compare what ingesters signed with what is sealed, the stream with
 * the log, and checkpoints with each other; each a supervised loop of its own. And the answers to producers' claims.
 */

import path from 'node:path';
import {
  FormatError,
  heartbeatNoteOf,
  parseAnnouncement,
  type Finding,
  type KeySet,
  type KeysOfLog,
} from '@everseal/audit-core';
import { readHead, type LedgerHead, type StreamCursor } from '@everseal/ledger-store';
import {
  FramesReader,
  listen,
  namesIn,
  serve,
  StreamReader,
  type Listening,
  type NatsLink,
  type Serving,
} from '@everseal/messaging';
import {
  ALERTS,
  ANNOUNCEMENTS,
  announceSubject,
  CLAIM_QUEUE,
  claimSubject,
  expectedFrames,
  expectedStreams,
  framesSubject,
  heartbeatSubject,
  type ExpectedStream,
  type Policy,
} from '@everseal/policy';
import type { AlertBook, Loop, ServiceContext } from '@everseal/process';
import type { Pool } from 'pg';
import { ClaimLedger } from './claim-ledger.js';
import type { VerifierSettings } from './config.js';
import { CustodyCheckpoints } from './custody-checkpoints.js';
import { CustodyFile } from './custody-file.js';
import { CustodyLedger } from './custody-ledger.js';
import { CustodyLog } from './custody-log.js';
import { CustodyNotes } from './custody-notes.js';
import { unlessSpoiled } from './custody-read.js';
import type { FollowLedger } from './follow-ledger.js';
import { Pace } from './pace.js';
import { StreamGuard } from './stream-guard.js';
import { StreamMemory } from './stream-guard-memory.js';
import { SharedStreams } from './stream-guard-shared.js';
import { StreamSweep } from './stream-guard-sweep.js';
import { sweepRate } from './sweep-rate.js';
import { runVerifierLoop, verifierFate } from './verifier-loop.js';
import type { WitnessLedger } from './witness-ledger.js';

const LOOK_EVERY_MS = 1_000;
const LOOK_BOUND_MS = 60_000;
/** A pass over a whole ring at its rate; the loop ticks when it ends. */
const SWEEP_BOUND_MS = 24 * 3_600_000;

/** What of the verifier custody works with. */
export interface CustodyParts {
  /** Name of the ledger. */
  readonly name: string;
  /** Folder of the ledger's state. */
  readonly folder: string;
  readonly policy: Policy;
  readonly pool: Pool;
  readonly link: NatsLink;
  readonly alerts: AlertBook;
  readonly follow: FollowLedger;
  /** Newest cosigned checkpoint. */
  readonly witness: Pick<WitnessLedger, 'heartbeat'>;
  /** Raises what a request or a message showed. */
  readonly report: (finding: Finding, evidence: Record<string, string>) => void;
}

export interface Custody {
  start(): void;
  stop(): Promise<void>;
  /** A request showed a checkpoint that the log does not give: a fork, where there is another of that size. */
  shown(finding: Finding, evidence: Record<string, string>): void;
}

type Context = ServiceContext<VerifierSettings>;

interface Made {
  readonly custody: CustodyLedger;
  readonly guard: StreamGuard;
  /** Null where another ledger's custody looks at what all share. */
  readonly shared: SharedStreams | null;
  readonly sweep: StreamSweep;
  readonly checkpoints: CustodyCheckpoints;
  readonly claims: ClaimLedger;
}

export function composeCustody(context: Context, parts: CustodyParts): Custody {
  const made = make(context, parts);
  const running: { stop(): Promise<void> }[] = [];
  return {
    start() {
      running.push(...listening(context, parts, made), ...looking(context, parts, made));
    },
    async stop() {
      await Promise.all(running.map((part) => part.stop()));
    },
    shown: (finding, evidence) => void shown(context, parts, made, finding, evidence),
  };
}

function listening(
  context: Context,
  parts: CustodyParts,
  { custody, checkpoints, claims }: Made,
): (Listening | Serving)[] {
  const { name, link, policy } = parts;
  const onFault = context.stop;
  const failing = (error: unknown): void => failed(context, error);
  return [
    listen(link, heartbeatSubject('ingest', '*'), {
      onMessage: ({ data }) => takeHeartbeat(data, custody, policy.ledgers.length),
      onFault,
    }),
    listen(link, announceSubject(name), {
      onMessage: ({ data }) => void takeAnnouncement(data, checkpoints).catch(failing),
      onFault,
    }),
    answerClaims(context, parts, claims),
  ];
}

function looking(context: Context, { name, link }: CustodyParts, made: Made): Loop[] {
  const announcements = new StreamReader(link, ANNOUNCEMENTS);
  const look = (what: string, body: () => Promise<void>): Loop =>
    run(context, `${what} ${name}`, LOOK_BOUND_MS, body, LOOK_EVERY_MS);
  const { pauseMs } = context.settings.sweep;
  return [
    look('custody', () => made.custody.look()),
    look('stream', async () => {
      await made.guard.look();
      await made.shared?.look();
    }),
    look('checkpoints', async () => {
      await made.checkpoints.look();
      const stored = await announcements.lastBySubject(announceSubject(name));
      if (stored) await takeAnnouncement(stored.data, made.checkpoints);
    }),
    run(context, `messages ${name}`, SWEEP_BOUND_MS, (signal) => made.sweep.pass(signal), pauseMs),
  ];
}

async function shown(
  context: Context,
  { report }: CustodyParts,
  { checkpoints }: Made,
  finding: Finding,
  evidence: Record<string, string>,
): Promise<void> {
  const { checkpoint } = evidence;
  try {
    const isOther = finding.code === 'checkpoint.mismatch' && checkpoint !== undefined;
    if (isOther && (await checkpoints.take(checkpoint, 'a request to witness it'))) return;
  } catch (error) {
    failed(context, error);
  }
  report(finding, evidence);
}

function make({ settings }: Context, parts: CustodyParts): Made {
  const { name, folder, pool, link, alerts, follow, witness, report } = parts;
  const { origin } = follow.trust;
  const keys = (): KeySet | null => follow.memory.keys;
  const clock = (): number => performance.now();
  const head = (): Promise<LedgerHead | null> => unlessSpoiled(() => readHead(pool, follow.ledgerId), null);
  const { overdueMs, headroomMs } = settings.custody;
  const custody = new CustodyLedger(
    origin,
    new CustodyLog(pool, follow),
    new CustodyNotes(),
    new CustodyFile(path.join(folder, 'custody.json')),
    alerts,
    keys,
    async () => (await head())?.size ?? null,
    { overdueMs },
    clock,
  );
  const reader = new FramesReader(link, name);
  const memory = new StreamMemory(path.join(folder, 'stream.json'));
  const cursor = async (): Promise<StreamCursor | null> => (await head())?.cursor ?? null;
  const bounds = { headroomMs, settleMs: overdueMs };
  const { expected, lanes } = streamOf(parts);
  const time = { clock, now: Date.now };
  const guard = new StreamGuard(reader, expected, lanes, custody, memory, cursor, alerts, bounds, time);
  const pace = new Pace(() => sweepRate(settings.sweep.stream, follow.arrivals.perSecond()));
  const sweep = new StreamSweep(reader, custody, alerts, pace);
  const cosigned = (): string | null => witness.heartbeat();
  const everyKey = (): KeysOfLog => follow.memory;
  const checkpoints = new CustodyCheckpoints(origin, pool, follow.ledgerId, follow.tree, everyKey, cosigned, report);
  const claims = new ClaimLedger(custody, cosigned, everyKey, follow.tree.readTiles);
  const shared = settings.ledgers[0]?.name === name ? sharedStreams(parts) : null;
  return { custody, guard, shared, sweep, checkpoints, claims };
}

function streamOf({ policy, name }: CustodyParts): { expected: ExpectedStream; lanes: string[] } {
  const ingesters = policy.ledgers.find((ledger) => ledger.name === name)?.ingesters ?? [];
  return { expected: expectedFrames(policy, name), lanes: ingesters.map((ingester) => framesSubject(name, ingester)) };
}

function sharedStreams({ policy, link, alerts, follow }: CustodyParts): SharedStreams {
  const streams = expectedStreams(policy)
    .filter(({ name }) => name === ANNOUNCEMENTS || name === ALERTS)
    .map((expected) => ({ expected, reader: new StreamReader(link, expected.name) }));
  return new SharedStreams(follow.trust.origin, streams, alerts);
}

function run(
  { logger, health, stop }: Context,
  name: string,
  within: number,
  look: (signal: AbortSignal) => Promise<void>,
  everyMs: number,
): Loop {
  const pulse = health.pulse(name, within);
  const body = (signal: AbortSignal): Promise<number> => look(signal).then(() => everyMs);
  return runVerifierLoop({ name, body, logger, pulse, within, onStop: stop });
}

function answerClaims({ logger, stop }: Context, { name, link }: CustodyParts, claims: ClaimLedger): Serving {
  const subjects = claimSubject(name, '*');
  return serve(link, subjects, {
    queue: CLAIM_QUEUE,
    handler: ({ subject, data }) => {
      const producer = namesIn(subjects, subject)?.[0];
      if (producer === undefined) throw new FormatError('claim.subject', `${subject} names no producer`);
      return claims.claim(producer, data);
    },
    concurrency: 2,
    logger,
    onFault: stop,
  });
}

/**
 * What is no heartbeat says nothing, nor does one that is larger than an ingester's can be. It is read between all else that
 * comes from the broker, so the work is bounded: at most one signature.
 * @param ledgers of the policy
 */
export function takeHeartbeat(data: Uint8Array, custody: CustodyLedger, ledgers: number): void {
  try {
    const note = heartbeatNoteOf(data, custody.origin, ledgers);
    if (note !== null) custody.hear(note, 'heartbeat');
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}

async function takeAnnouncement(data: Uint8Array, checkpoints: CustodyCheckpoints): Promise<void> {
  let checkpoint: string;
  try {
    checkpoint = parseAnnouncement(data).checkpoint;
  } catch (error) {
    if (error instanceof FormatError) return;
    throw error;
  }
  await checkpoints.take(checkpoint, 'an announcement');
}

/** The same comes again with the next look. */
function failed({ logger, stop }: Context, error: unknown): void {
  if (verifierFate(error) === 'stop') stop(error instanceof Error ? error : new Error(String(error)));
  else logger.warn({ err: error }, 'a checkpoint could not be compared now');
}
