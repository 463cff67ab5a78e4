/**
 * What the TLS endpoints of an installation looked like, as an event of the system ledger (formats.md, "System events"). It
 * says how far each ledger had come when it was looked at, so that the TLS configuration at the time of a block is what
 * the posture events before and after it say, by entries and not by clocks.
 *
 *     {"specversion":"1.0","id":"posture-<unique>","source":"everseal:<domain>/verifier/<name>",
 *      "type":"io.everseal.posture","subject":"<domain>","time":"<time>","datacontenttype":"application/json",
 *      "data":{"actor":{"id":"verifier/<name>"},"action":"tls.scan","target":{"id":"<domain>"},"outcome":"<worst grade>",
 *              "ledgers":[{"origin":"<origin>","entries":<size>,"block":<height>}],"endpoints":[{…}]}}
 *
 * on one line without white space. An endpoint is written as it comes in; what is in it says EndpointPosture.
 */
import { SYSTEM_SOURCE } from './alert-event.js';
import { MAX_EVENT_BYTES } from './limits.js';
import { parseSubmission } from './submission.js';
import type { Timestamp } from './timestamp.js';

/** One endpoint, as far as it is written down. */
export interface EndpointPosture {
  readonly url: string;
  readonly grade: string;
  /** Rules that kept it from the best grade. */
  readonly findings: readonly string[];
  readonly protocols: readonly string[];
  readonly suites: readonly string[];
  readonly groups: readonly string[];
  /** Null when none was seen. */
  readonly certificate: {
    readonly subject: string;
    readonly issuer: string;
    readonly names: string;
    readonly serial: string;
    readonly notBefore: Timestamp;
    readonly notAfter: Timestamp;
    readonly key: string;
    /** SHA-256 of the certificate, and of the public key (SPKI) of it and of each issuer above it, hex. */
    readonly fingerprint: string;
    readonly keys: readonly string[];
  } | null;
  /** What became of a client without a certificate, one of a foreign issuer, one without TLS. */
  readonly clients: { readonly nobody: string; readonly stranger: string; readonly plaintext: string };
}

export interface PostureEvent {
  /** Unique among the events of this verifier, for ever. */
  readonly id: string;
  readonly domain: string;
  /** Name of the verifier that looked. */
  readonly verifier: string;
  readonly time: Timestamp;
  /** The worst of the endpoints. */
  readonly grade: string;
  /** How far this verifier had derived each ledger. */
  readonly ledgers: readonly { readonly origin: string; readonly entries: number; readonly block: number }[];
  readonly endpoints: readonly EndpointPosture[];
}

/**
 * The bytes of the events, as many as it takes: no event is larger than a ledger takes. The second and later ones have
 * `-2`, `-3`, … behind their id.
 * @throws Refused (a bug of the caller) when a field makes it an event that no ledger takes
 */
export function formatPostureEvents(posture: PostureEvent): Buffer[] {
  const events: Buffer[] = [];
  for (let rest = posture.endpoints; rest.length > 0 || events.length === 0;) {
    let take = Math.max(1, rest.length);
    const part = (): Buffer => eventOf(posture, rest.slice(0, take), events.length + 1);
    while (take > 1 && part().length > MAX_EVENT_BYTES) take = Math.ceil(take / 2);
    const event = part();
    // By the rules of ingest: an event that it refused would be a posture that is written down nowhere.
    parseSubmission(undefined, event);
    events.push(event);
    rest = rest.slice(take);
  }
  return events;
}

function eventOf(
  { id, domain, verifier, time, grade, ledgers }: PostureEvent,
  endpoints: readonly EndpointPosture[],
  number: number,
): Buffer {
  return Buffer.from(
    JSON.stringify({
      specversion: '1.0',
      id: `posture-${id}${number === 1 ? '' : `-${number}`}`,
      source: `${SYSTEM_SOURCE}${domain}/verifier/${verifier}`,
      type: 'io.everseal.posture',
      subject: domain,
      time,
      datacontenttype: 'application/json',
      data: {
        actor: { id: `verifier/${verifier}` },
        action: 'tls.scan',
        target: { id: domain },
        outcome: grade,
        ledgers,
        endpoints,
      },
    }),
  );
}
