/**
 * What one message of nats-server about itself says, as far as it is written down: who came, went or was refused, and which call of the
 * JetStream API changed something. The broker is one of the things that are watched, so its messages are read as hostile ones: bounded,
 * every field looked at, and what cannot be read is no fact.
 *
 * Source: nats-server 2.14, `server/events.go` and `server/jetstream_events.go`: JSON with `client` (`user`, `acc`, `host`), `reason`; of a call
 * `subject` (`$JS.API.…`) and `response`, the JSON that was answered.
 */
import { BROKER_SAYS } from '@everseal/policy';

export interface BrokerFact {
  action: string;
  actor: string;
  target: string;
  outcome: 'allowed' | 'refused' | 'failed';
  reason: string;
  address: string;
  /** As far as the verifier can tell this was a TLS scan of its own (own-scans.ts). */
  isScan: boolean;
}

const MOST_BYTES = 262_144;
/** The actor before the broker knows who it is. */
export const UNKNOWN = 'unknown';
/** Second words of a call that a third belongs to: `STREAM.MSG.DELETE`. */
const HALVES = new Set(['MSG', 'DURABLE', 'LEADER', 'PEER']);
/** What a call that only looks ends with. */
const LOOKS = new Set(['INFO', 'LIST', 'NAMES', 'GET', 'NEXT']);

type Fields = Record<string, unknown>;

/** @returns null for what tells nothing, or cannot be read */
export function brokerFact(subject: string, data: Uint8Array): BrokerFact | null {
  if (data.length > MOST_BYTES) return null;
  const message = fieldsOf(parsed(Buffer.from(data).toString('utf8')));
  if (message === null) return null;
  const client = fieldsOf(message['client']) ?? {};
  const who = { actor: textOf(client, 'user') || UNKNOWN, address: textOf(client, 'host'), isScan: false };
  const account = textOf(client, 'acc') || UNKNOWN;
  if (subject === BROKER_SAYS.api) return callFact(message, who);
  if (subject.endsWith('.CLIENT.AUTH.ERR')) {
    return { ...who, action: 'refuse', target: account, outcome: 'refused', reason: textOf(message, 'reason') };
  }
  if (subject.endsWith('.DISCONNECT')) {
    return { ...who, action: 'disconnect', target: account, outcome: 'allowed', reason: textOf(message, 'reason') };
  }
  if (!subject.endsWith('.CONNECT')) return null;
  return { ...who, action: 'connect', target: account, outcome: 'allowed', reason: '' };
}

function callFact(message: Fields, who: Pick<BrokerFact, 'actor' | 'address' | 'isScan'>): BrokerFact | null {
  const call = /^\$JS\.API\.(.+)$/.exec(textOf(message, 'subject'))?.[1];
  if (call === undefined) return null;
  const tokens = call.split('.');
  const words = tokens.slice(0, HALVES.has(tokens[1] ?? '') ? 3 : 2);
  // By its place, not anywhere: a stream may be called INFO.
  if (LOOKS.has(words.at(-1)!)) return null;
  const target = tokens.slice(words.length).join('.') || UNKNOWN;
  const answer = fieldsOf(parsed(textOf(message, 'response')));
  const error = fieldsOf(answer?.['error']);
  const action = words.join('.').toLowerCase();
  if (error === null) return { ...who, action, target, outcome: 'allowed', reason: '' };
  return { ...who, action, target, outcome: 'failed', reason: textOf(error, 'description') };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  return typeof value === 'string' ? value : '';
}
