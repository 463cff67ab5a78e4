/**
 * What nats-server said about who came and went, and about changes through the JetStream API, as an event of the system ledger
 * (formats.md, "System events"). Equal sayings within some seconds are one event with a count.
 *
 *     {"specversion":"1.0","id":"broker-<unique>","source":"everseal:<domain>/verifier/<name>","type":"io.everseal.broker",
 *      "subject":"<action>","time":"<time>","datacontenttype":"application/json",
 *      "data":{"actor":{"id":"<NATS user>"},"action":"broker.<action>","target":{"id":"<account or stream>"},"outcome":"<outcome>",
 *              "reason":"<text>","address":"<IP address>","count":<n>,"first":"<time>","last":"<time>"}}
 *
 * on one line without white space; what comes of the verifier's own TLS scan has `"scan":true` behind the address. Nothing in it is signed by the broker: it is what a verifier heard from it.
 */
import { SYSTEM_SOURCE } from './alert-event.js';
import { printable } from './printable.js';
import { parseSubmission } from './submission.js';
import type { Timestamp } from './timestamp.js';

export interface BrokerEvent {
  /** Unique among the events of this verifier, for ever. */
  readonly id: string;
  /** `<domain>/verifier/<name>` */
  readonly verifier: string;
  readonly time: Timestamp;
  /** `connect`, `disconnect`, `refuse`, or the JetStream call: `stream.create`, `stream.delete`, … */
  readonly action: string;
  /** The user that the certificate maps to; `unknown` before it does. */
  readonly actor: string;
  /** Account, or stream of the call. */
  readonly target: string;
  readonly outcome: 'allowed' | 'refused' | 'failed';
  /** In the server's words. */
  readonly reason: string;
  /** Where the client came from, '' when it is not said. */
  readonly address: string;
  /** These were, as far as the verifier can tell, connections of a TLS scan of its own. */
  readonly isScan: boolean;
  /** How often, between `first` and `last`. */
  readonly count: number;
  readonly first: Timestamp;
  readonly last: Timestamp;
}

/** The event's bytes. Throws Refused (a bug of the caller) when a field makes it an event that no ledger takes. */
export function formatBrokerEvent(event: BrokerEvent): Buffer {
  const { id, verifier, time, action, actor, target, outcome, reason, address, isScan, count, first, last } = event;
  const bytes = Buffer.from(
    JSON.stringify({
      specversion: '1.0',
      id: `broker-${id}`,
      source: `${SYSTEM_SOURCE}${verifier}`,
      type: 'io.everseal.broker',
      subject: printable(action),
      time,
      datacontenttype: 'application/json',
      data: {
        actor: { id: printable(actor) },
        action: `broker.${printable(action)}`,
        target: { id: printable(target) },
        outcome,
        reason: printable(reason),
        address: printable(address),
        ...(isScan ? { scan: true } : {}),
        count,
        first,
        last,
      },
    }),
  );
  // By the rules of ingest: an event that it refused would be recorded nowhere.
  parseSubmission(undefined, bytes);
  return bytes;
}
