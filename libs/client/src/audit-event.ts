/**
 * An audit event in the words of auditing, and the CloudEvent that it becomes. Who did what to which thing, and how it
 * ended, stand at the paths that the event index reads first (docs/formats/formats.md, "Event index"):
 *
 *     {"specversion":"1.0","id":…,"source":…,"type":…,"subject":…,"time":…,<extensions>,
 *      "data":{"actor":{"id":…,…},"action":…,"target":{"id":…,…},"outcome":…,"reason":…,"context":{…}}}
 *
 * It is serialised once; those bytes are what is sent, sent again, sealed and proven. They are checked here by the rules of
 * ingest, so that a bad event fails alone and before anything is sent. What the policy allows, only ingest knows.
 */
import { MAX_EVENT_BYTES, parseSubmission, Refused } from '@everseal/audit-core';
import { EversealError } from './everseal-error.js';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined };

/** Somebody or something, by an id that will still mean the same in years. Further members are sealed with it. */
export interface Party {
  id: string;
  readonly [name: string]: Json | undefined;
}

export interface AuditEvent {
  /** What was done, e.g. `invoice.approve`. */
  action: string;
  /** Who did it. */
  actor?: Party;
  /** What it was done to. */
  target?: Party;
  /** How it ended. `success`, `failure` and `denied` are understood everywhere. */
  outcome?: 'success' | 'failure' | 'denied' | (string & {});
  /** Why: of a denial, an override, an exception. */
  reason?: string;
  /** Whatever helps to understand it: address, session, request id. */
  context?: { readonly [name: string]: Json | undefined };
  /** CloudEvents type; the action unless given. */
  type?: string;
  /** At most 64 characters, unique within the source. A UUID of version 7 unless given. Give one that can be found again
   * where the caller itself may repeat the call: the same id with the same bytes counts once. */
  id?: string;
  /** When it happened; now unless given. An event that is to have the same bytes again needs the same time. */
  time?: Date | string;
  /** CloudEvents subject. */
  subject?: string;
  /** CloudEvents extensions: names of a-z and 0-9; strings, booleans, 32-bit integers. */
  extensions?: { readonly [name: string]: string | number | boolean };
}

/** An event as it will be sent. */
export interface EncodedEvent {
  readonly id: string;
  readonly bytes: Buffer;
}

/** What the caller's clock, randomness and settings add. */
export interface EventDefaults {
  readonly source: string;
  readonly id: () => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const ATTRIBUTES = new Set(['specversion', 'id', 'source', 'type', 'subject', 'time', 'data']);

/**
 * The bytes of an event; of bytes, a copy. The order of members is fixed, so that equal events have equal bytes.
 * @throws EversealError event.invalid, request.malformed, request.too-large: no ingester would accept it
 */
export function encodeEvent(event: AuditEvent | Uint8Array, defaults: EventDefaults): EncodedEvent {
  const bytes = event instanceof Uint8Array ? Buffer.from(event) : serialise(event, defaults);
  return check(bytes);
}

function serialise(event: AuditEvent, { source, id, now }: EventDefaults): Buffer {
  const { action, actor, target, outcome, reason, context, extensions = {} } = event;
  const taken = Object.keys(extensions).find((name) => ATTRIBUTES.has(name));
  if (taken !== undefined) throw invalid(`${taken} is an attribute of CloudEvents, no extension`);
  if (typeof action !== 'string' || action === '') throw invalid('an event needs an action, a text that is not empty');
  for (const [name, party] of Object.entries({ actor, target })) {
    if (party !== undefined && typeof party.id !== 'string') throw invalid(`${name}.id is not a text`);
  }
  try {
    const attributes = {
      specversion: '1.0',
      id: event.id ?? id(),
      source,
      type: event.type ?? action,
      subject: event.subject,
      time: typeof event.time === 'string' ? event.time : (event.time ?? new Date(now())).toISOString(),
      ...extensions,
    };
    return Buffer.from(JSON.stringify({ ...attributes, data: { actor, action, target, outcome, reason, context } }));
  } catch (cause) {
    // A cycle, a BigInt, a Date that is none.
    throw invalid(`the event cannot be written as JSON: ${String(cause)}`, cause);
  }
}

function check(bytes: Buffer): EncodedEvent {
  if (bytes.length > MAX_EVENT_BYTES) {
    const message = `the event has ${bytes.length} bytes, at most ${MAX_EVENT_BYTES} are taken: carry what is large elsewhere and its hash here`;
    throw new EversealError('request.too-large', message);
  }
  try {
    const [event] = parseSubmission('application/cloudevents+json', bytes).events;
    // White space around it is not part of the event, and would not be sealed.
    return { id: event!.id, bytes: bytes.subarray(event!.start, event!.end) };
  } catch (error) {
    if (!(error instanceof Refused) || error.code === 'unavailable') throw error;
    // "event 0: " says nothing here.
    throw new EversealError(error.code, error.message.replace(/^event 0:? /, ''), { cause: error });
  }
}

function invalid(message: string, cause?: unknown): EversealError {
  return new EversealError('event.invalid', message, { cause });
}
