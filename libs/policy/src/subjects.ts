/**
 * Every NATS subject and stream name of an installation, made from the names in the policy.
 *
 * Source: formats.md "Messages between services". Names are `[a-z0-9][a-z0-9-]*`, so each is one subject token as it
 * is. The patterns (`*` in a name's place) are what permissions, exports and stream configs are written with; a service
 * publishes and subscribes to these very subjects. Who may do what with which: broker-rights.ts.
 */

/** Prefix under which services reach the JetStream API; the client option `apiPrefix`. */
export const API_PREFIX = 'JSA';

/** Queue groups: each request is answered by one ingester, by one verifier. */
export const INGEST_QUEUE = 'ingest';
export const CLAIM_QUEUE = 'verifier';

/** The two streams that all ledgers share. */
export const ANNOUNCEMENTS = 'ANNOUNCEMENTS';
export const ALERTS = 'ALERTS';

/** Asks a server for its JetStream state; the answer's `data.config.sync_always` proves fsync before each PubAck. */
export const SERVER_JETSTREAM = '$SYS.REQ.SERVER.PING.JSZ';

/** What nats-server says about itself: who was refused, came and went, and what was asked of the JetStream API. */
export const BROKER_SAYS = {
  refused: '$SYS.SERVER.*.CLIENT.AUTH.ERR',
  connected: '$SYS.ACCOUNT.*.CONNECT',
  disconnected: '$SYS.ACCOUNT.*.DISCONNECT',
  api: '$JS.EVENT.ADVISORY.API',
} as const;

/** Stream of a ledger's frames. Hyphens are allowed in stream names, so the ledger's name stands as it is. */
export const framesStream = (ledger: string): string => `FRAMES_${ledger}`;

export const submitSubject = (ledger: string, producer: string): string => `audit.submit.${ledger}.${producer}`;
export const claimSubject = (ledger: string, producer: string): string => `audit.claim.${ledger}.${producer}`;
export const framesSubject = (ledger: string, ingester: string): string => `audit.frames.${ledger}.${ingester}`;
export const nudgeSubject = (ledger: string): string => `audit.nudge.${ledger}`;
export const resendSubject = (ledger: string, ingester: string): string => `audit.resend.${ledger}.${ingester}`;
export const holdSubject = (ledger: string, verifier: string): string => `audit.hold.${ledger}.${verifier}`;
export const gapsSubject = (ledger: string, sealer: string): string => `audit.gaps.${ledger}.${sealer}`;

/** Key sets of a ledger, of a sealer: the list, or an operator's order for another one. */
export const keysSubject = (ledger: string, sealer: string): string => `audit.keys.${ledger}.${sealer}`;
export const witnessSubject = (verifier: string): string => `audit.witness.${verifier}`;
export const announceSubject = (ledger: string): string => `audit.announce.${ledger}`;
export const heartbeatSubject = (service: string, name: string): string => `audit.heartbeat.${service}.${name}`;

/** Where an alert is stored and published live. Verdict codes have one dot, so this is two tokens: `entry.altered`. */
export const alertSubject = (code: string): string => `audit.alerts.${code}`;

/** How ops sees the live alerts of one service: the broker, not the sender, puts the service into the subject. */
export const liveAlertSubject = (service: string, code: string): string => `audit.alerts.${service}.${code}`;
