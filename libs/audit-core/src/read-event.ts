/**
 * A read of content as an event of the system ledger (formats.md, "System events"): who was let in, to what, and the
 * request as it came. Written before the answer is given.
 *
 *     {"specversion":"1.0","id":"read-<unique>","source":"everseal:<domain>/reader/<name>","type":"io.everseal.read",
 *      "subject":"<origin>","time":"<time>","datacontenttype":"application/json",
 *      "data":{"actor":{"id":"<client>"},"action":"read.<operation>","target":{"id":"<origin>"},"outcome":"allowed",
 *              "request":"<path and query>","address":"<IP address>"}}
 *
 * on one line without white space. `<client>` is `auditor/<name>` or `token/<name>`.
 */
import { SYSTEM_SOURCE } from './alert-event.js';
import { parseSubmission } from './submission.js';
import type { Timestamp } from './timestamp.js';

export interface ReadEvent {
  /** Unique among the events of this reader, for ever. */
  readonly id: string;
  /** `<domain>/reader/<name>` */
  readonly reader: string;
  readonly time: Timestamp;
  readonly client: string;
  /** What was done: `entry`, `search`, … */
  readonly operation: string;
  /** The ledger that was read. */
  readonly origin: string;
  /** Path and query as the client sent them; cut to 2,048 characters, what is not ASCII replaced by `?`. */
  readonly request: string;
  readonly address: string;
}

const MOST_REQUEST = 2_048;

/** The event's bytes. Throws Refused (a bug of the caller) when a field makes it an event that no ledger takes. */
export function formatReadEvent({ id, reader, time, client, operation, origin, request, address }: ReadEvent): Buffer {
  const event = Buffer.from(
    JSON.stringify({
      specversion: '1.0',
      id: `read-${id}`,
      source: `${SYSTEM_SOURCE}${reader}`,
      type: 'io.everseal.read',
      subject: origin,
      time,
      datacontenttype: 'application/json',
      data: {
        actor: { id: client },
        action: `read.${operation}`,
        target: { id: origin },
        outcome: 'allowed',
        request: request.slice(0, MOST_REQUEST).replaceAll(/[^\x20-\x7e]/g, '?'),
        address,
      },
    }),
  );
  // By the rules of ingest: an event that it refused would be a read that is recorded nowhere.
  parseSubmission(undefined, event);
  return event;
}
