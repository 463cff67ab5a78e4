/**
 * What each identity may do at the broker, as data: the one place it is decided. The server's config (render-nats.ts)
 * and the table in docs/operations/access.md are both made from it.
 *
 * Five ways to use a subject; everything not listed is refused by the server:
 * - publish: a message nobody answers.
 * - store: a message that a stream keeps; the answer is the stream's PubAck.
 * - request: a question with one answer, or with several (`DIRECT.GET` batches).
 * - subscribe: hears it.
 * - serve: hears it and answers, once a request and within REPLY_WITHIN_MS.
 *
 * Subjects are as that client writes them, that is after its account's imports: the JetStream API is `JSA.…` to a
 * service and `$JS.API.…` to the provisioner.
 */
import type { Identity } from './identities.js';
import type { Policy } from './policy.js';
import {
  ALERTS,
  alertSubject,
  ANNOUNCEMENTS,
  announceSubject,
  API_PREFIX,
  BROKER_SAYS,
  CLAIM_QUEUE,
  claimSubject,
  framesStream,
  framesSubject,
  gapsSubject,
  keysSubject,
  heartbeatSubject,
  holdSubject,
  INGEST_QUEUE,
  liveAlertSubject,
  nudgeSubject,
  resendSubject,
  SERVER_JETSTREAM,
  submitSubject,
  witnessSubject,
} from './subjects.js';
import { systemProducers, type SystemService } from './system-producers.js';

/**
 * How long the server keeps a responder's right to answer one request. It must be longer than any request waits: an
 * answer after it is dropped without a word, and a receipt is the last thing to lose.
 */
export const REPLY_WITHIN_MS = 120_000;

export interface BrokerRight {
  way: 'publish' | 'store' | 'request' | 'subscribe' | 'serve';
  subject: string;
  /** Queue group; the subscription is refused without it. */
  queue?: string;
  /** What it is for, in a few words. */
  what: string;
}

const ANY_ALERT = alertSubject('*.*');

const info = (stream: string): string => `${API_PREFIX}.STREAM.INFO.${stream}`;
const read = (stream: string): string => `${API_PREFIX}.DIRECT.GET.${stream}`;
const last = (stream: string, subject: string): string => `${API_PREFIX}.DIRECT.GET.${stream}.${subject}`;

function ledgersOf(policy: Policy, ingester: string): string[] {
  return policy.ledgers.filter(({ ingesters }) => ingesters.includes(ingester)).map(({ name }) => name);
}

/** How a service hands what it has to say to the system ledger, as a producer of that one ledger. */
function systemRights(policy: Policy, service: SystemService, name: string, what = 'own alerts'): BrokerRight[] {
  const { systemLedger } = policy;
  const own = systemProducers(policy).find((one) => one.service === service && one.name === name);
  if (own === undefined || systemLedger === undefined) return [];
  const submit = submitSubject(systemLedger, own.producer);
  return [{ way: 'request', subject: submit, what: `${what}, into the system ledger` }];
}

/** An ingester that does not serve the system ledger still has to learn which keys sign its receipts. */
function systemKeysRights(policy: Policy, ingester: string): BrokerRight[] {
  const { systemLedger } = policy;
  return systemLedger !== undefined && ledgersOf(policy, ingester).includes(systemLedger)
    ? []
    : receiptKeysRights(policy);
}

function producerRights(policy: Policy, producer: string): BrokerRight[] {
  const ledgers = policy.producers.find(({ name }) => name === producer)?.ledgers ?? [];
  return ledgers.flatMap((ledger): BrokerRight[] => [
    { way: 'request', subject: submitSubject(ledger, producer), what: 'events in, receipt or refusal out' },
    { way: 'request', subject: claimSubject(ledger, producer), what: 'a receipt in, its place in the log out' },
  ]);
}

function ingestRights(policy: Policy, ingester: string): BrokerRight[] {
  const ofLedger = (ledger: string): BrokerRight[] => {
    const stream = framesStream(ledger);
    const lane = framesSubject(ledger, ingester);
    return [
      { way: 'serve', subject: submitSubject(ledger, '*'), queue: INGEST_QUEUE, what: 'requests of producers' },
      { way: 'store', subject: lane, what: 'frames, on its own lane' },
      { way: 'publish', subject: nudgeSubject(ledger), what: 'tells the sealer of a new frame' },
      { way: 'serve', subject: resendSubject(ledger, ingester), what: 'a spooled frame, for the sealer' },
      { way: 'subscribe', subject: announceSubject(ledger), what: 'what is sealed, live' },
      { way: 'request', subject: last(ANNOUNCEMENTS, announceSubject(ledger)), what: 'newest announcement' },
      { way: 'request', subject: last(stream, lane), what: 'newest message of its lane' },
      { way: 'request', subject: read(stream), what: 'frames by sequence' },
      { way: 'request', subject: info(stream), what: "the stream's config and state" },
    ];
  };
  return [
    ...ledgersOf(policy, ingester).flatMap(ofLedger),
    { way: 'request', subject: SERVER_JETSTREAM, what: 'proof of sync_always' },
    { way: 'publish', subject: heartbeatSubject('ingest', ingester), what: 'own heartbeat' },
    { way: 'store', subject: ANY_ALERT, what: 'alerts, stored and live by one publish' },
    ...systemRights(policy, 'ingest', ingester),
    ...systemKeysRights(policy, ingester),
  ];
}

function sealerRights(policy: Policy, sealer: string): BrokerRight[] {
  const ofLedger = ({ name: ledger }: { name: string }): BrokerRight[] => {
    const stream = framesStream(ledger);
    return [
      { way: 'request', subject: read(stream), what: 'frames by sequence, in batches' },
      { way: 'request', subject: info(stream), what: "the stream's config and state" },
      { way: 'subscribe', subject: nudgeSubject(ledger), what: 'there is a new frame' },
      { way: 'request', subject: resendSubject(ledger, '*'), what: 'a missing frame, from its ingester' },
      {
        way: 'serve',
        subject: gapsSubject(ledger, sealer),
        what: "what waits, what is owed; operators' signed orders",
      },
      { way: 'serve', subject: keysSubject(ledger, sealer), what: "key sets; operators' signed orders for others" },
      { way: 'request', subject: holdSubject(ledger, '*'), what: 'a verifier stores what is new' },
      { way: 'store', subject: announceSubject(ledger), what: 'announcements, stored and live by one publish' },
      { way: 'request', subject: last(ANNOUNCEMENTS, announceSubject(ledger)), what: 'newest announcement' },
    ];
  };
  return [
    ...policy.ledgers.flatMap(ofLedger),
    { way: 'request', subject: witnessSubject('*'), what: 'a cosignature' },
    { way: 'subscribe', subject: heartbeatSubject('ingest', '*'), what: 'newest frame of every ingester' },
    { way: 'subscribe', subject: heartbeatSubject('verifier', '*'), what: 'newest cosigned checkpoint' },
    { way: 'publish', subject: heartbeatSubject('sealer', sealer), what: 'own heartbeat' },
    { way: 'store', subject: ANY_ALERT, what: 'alerts, stored and live by one publish' },
    ...systemRights(policy, 'sealer', sealer),
  ];
}

function verifierRights(policy: Policy, verifier: string): BrokerRight[] {
  const ofLedger = ({ name: ledger }: { name: string }): BrokerRight[] => {
    const stream = framesStream(ledger);
    return [
      { way: 'serve', subject: holdSubject(ledger, verifier), what: 'stores what is new' },
      { way: 'serve', subject: claimSubject(ledger, '*'), queue: CLAIM_QUEUE, what: 'claims of producers' },
      { way: 'subscribe', subject: announceSubject(ledger), what: 'announcements, live' },
      { way: 'request', subject: last(ANNOUNCEMENTS, announceSubject(ledger)), what: 'newest announcement' },
      { way: 'request', subject: read(stream), what: 'frames by sequence, in batches' },
      { way: 'request', subject: last(stream, framesSubject(ledger, '*')), what: 'newest message of a lane' },
      { way: 'request', subject: info(stream), what: "the stream's config and state" },
    ];
  };
  return [
    ...policy.ledgers.flatMap(ofLedger),
    { way: 'serve', subject: witnessSubject(verifier), what: 'cosigns a checkpoint' },
    { way: 'subscribe', subject: heartbeatSubject('*', '*'), what: 'heartbeats of all services' },
    { way: 'publish', subject: heartbeatSubject('verifier', verifier), what: 'own heartbeat' },
    ...sharedStreamReading(),
    { way: 'store', subject: ANY_ALERT, what: 'alerts, stored and live by one publish' },
    ...systemRights(policy, 'verifier', verifier),
    ...brokerSayings(policy),
  ];
}

/** What the broker says about itself, for the system ledger; each to one of the verifiers. */
function brokerSayings({ systemLedger }: Policy): BrokerRight[] {
  if (systemLedger === undefined) return [];
  const whats = {
    refused: 'who was refused',
    connected: 'who came',
    disconnected: 'who went, and failed handshakes',
    api: 'what was asked of JetStream',
  };
  return Object.entries(BROKER_SAYS).map(([kind, subject]): BrokerRight => {
    const what = whats[kind as keyof typeof whats];
    return { way: 'subscribe', subject, queue: CLAIM_QUEUE, what };
  });
}

function sharedStreamReading(): BrokerRight[] {
  return [
    { way: 'request', subject: read(ANNOUNCEMENTS), what: 'announcements by sequence' },
    { way: 'request', subject: info(ANNOUNCEMENTS), what: "the stream's config and state" },
    { way: 'request', subject: read(ALERTS), what: 'alerts by sequence, in batches' },
    { way: 'request', subject: last(ALERTS, ANY_ALERT), what: 'newest alert of a code' },
    { way: 'request', subject: info(ALERTS), what: "the stream's config and state" },
  ];
}

function opsRights(policy: Policy): BrokerRight[] {
  const ofLedger = ({ name: ledger }: { name: string }): BrokerRight[] => [
    { way: 'subscribe', subject: announceSubject(ledger), what: 'announcements, live' },
    { way: 'request', subject: last(ANNOUNCEMENTS, announceSubject(ledger)), what: 'newest announcement' },
    { way: 'request', subject: info(framesStream(ledger)), what: "the stream's config and state" },
    { way: 'request', subject: gapsSubject(ledger, '*'), what: 'what waits; a signed order goes in' },
    { way: 'request', subject: keysSubject(ledger, '*'), what: 'key sets; a signed order goes in' },
  ];
  return [
    ...policy.ledgers.flatMap(ofLedger),
    { way: 'subscribe', subject: liveAlertSubject('*', '*.*'), what: 'alerts, live, by service and code' },
    { way: 'subscribe', subject: heartbeatSubject('*', '*'), what: 'heartbeats of all services' },
    ...sharedStreamReading(),
  ];
}

/** A reader reads the database; at the broker it only says who read what. Without a system ledger it has nothing to do there. */
function readerRights(policy: Policy, reader: string): BrokerRight[] {
  return [...systemRights(policy, 'reader', reader, 'who read what'), ...receiptKeysRights(policy)];
}

/** A follower reads files; at the broker it only says what stands in them. */
function followerRights(policy: Policy, follower: string): BrokerRight[] {
  return [...systemRights(policy, 'follower', follower, 'what the engines logged'), ...receiptKeysRights(policy)];
}

function receiptKeysRights({ systemLedger }: Policy): BrokerRight[] {
  if (systemLedger === undefined) return [];
  const announcement = last(ANNOUNCEMENTS, announceSubject(systemLedger));
  return [{ way: 'request', subject: announcement, what: 'the keys that receipts are checked with' }];
}

function provisionerRights(policy: Policy): BrokerRight[] {
  const streams = [...policy.ledgers.map(({ name }) => framesStream(name)), ANNOUNCEMENTS, ALERTS];
  return streams.flatMap((stream) =>
    ['INFO', 'CREATE', 'UPDATE'].map((verb): BrokerRight => ({
      way: 'request',
      subject: `$JS.API.STREAM.${verb}.${stream}`,
      what: 'deploy time',
    })),
  );
}

/** All rights of one identity, beside hearing its own inbox; empty for one that does not connect to the broker. */
export function brokerRightsOf(policy: Policy, { service, name }: Pick<Identity, 'service' | 'name'>): BrokerRight[] {
  switch (service) {
    case 'producer':
      return producerRights(policy, name);
    case 'ingest':
      return ingestRights(policy, name);
    case 'sealer':
      return sealerRights(policy, name);
    case 'verifier':
      return verifierRights(policy, name);
    case 'ops':
      return opsRights(policy);
    case 'reader':
      return readerRights(policy, name);
    case 'follower':
      return followerRights(policy, name);
    case 'provisioner':
      return provisionerRights(policy);
    case 'migrator':
    case 'admin':
    case 'auditor':
      return [];
  }
}
