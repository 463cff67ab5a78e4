/**
 * What an engine (nats-server, Postgres) wrote into its own log, as an event of the system ledger (formats.md, "System events").
 * Equal lines within some seconds are one event with a count.
 *
 *     {"specversion":"1.0","id":"engine-<32 hex digits>","source":"everseal:<domain>/follower/<name>","type":"io.everseal.engine",
 *      "subject":"<action>","time":"<time of the last line>","datacontenttype":"application/json",
 *      "data":{"actor":{"id":"<who>"},"action":"<action>","target":{"id":"<what>"},"outcome":"<outcome>","reason":"<text>",
 *              "address":"<IP address>","details":{"<name>":"<text>"},"count":<n>,"first":"<time>","last":"<time>",
 *              "log":{"name":"<name>","file":"<32 hex digits>","from":<offset>,"to":<offset>}}}
 *
 * on one line without white space. `log` is the place: the file's identity, and the offsets at which the first and the last of these
 * lines begin. The id is a hash of follower and place, and every byte follows from the lines: read again, the same lines are the same event,
 * which a ledger counts once.
 */
import { SYSTEM_SOURCE } from './alert-event.js';
import { sha256 } from './hash.js';
import { printable } from './printable.js';
import { parseSubmission } from './submission.js';
import type { Timestamp } from './timestamp.js';

/** What one line says. */
export interface EngineFact {
  /** `<engine>.<what>`: `nats.publish`, `postgres.login`, `postgres.create.table`, … */
  readonly action: string;
  /** Who it was, as the engine says it; `unknown` before it knows. */
  readonly actor: string;
  readonly target: string;
  /** `asked`: the log says that it was asked for, not what became of it. */
  readonly outcome: 'allowed' | 'refused' | 'failed' | 'asked';
  /** In the engine's words; '' for none. */
  readonly reason: string;
  /** Where it came from, '' when it is not said. */
  readonly address: string;
  /** Whatever else is said, by name. */
  readonly details: Readonly<Record<string, string>>;
}

export interface EngineEvent extends EngineFact {
  /** `<domain>/follower/<name>` */
  readonly follower: string;
  /** Name of the log in the follower's settings. */
  readonly log: string;
  /** Identity of the file. */
  readonly file: string;
  /** Bytes in front of the first and of the last line that are counted. */
  readonly from: number;
  readonly to: number;
  /** How many lines, between `first` and `last`. */
  readonly count: number;
  readonly first: Timestamp;
  readonly last: Timestamp;
}

/** A statement is worth more than a name. */
const MOST_DETAIL = 1_024;
const ID_BYTES = 16;

/** The event's bytes. Throws Refused (a bug of the caller) when a field makes it an event that no ledger takes. */
export function formatEngineEvent(event: EngineEvent): Buffer {
  const { follower, action, actor, target, outcome, reason, address, count, first, last } = event;
  const details = Object.entries(event.details).map(([name, text]) => [name, printable(text, MOST_DETAIL)]);
  const bytes = Buffer.from(
    JSON.stringify({
      specversion: '1.0',
      id: `engine-${idOf(event)}`,
      source: `${SYSTEM_SOURCE}${follower}`,
      type: 'io.everseal.engine',
      subject: printable(action),
      time: last,
      datacontenttype: 'application/json',
      data: {
        actor: { id: printable(actor) },
        action: printable(action),
        target: { id: printable(target) },
        outcome,
        reason: printable(reason),
        address: printable(address),
        details: Object.fromEntries(details),
        count,
        first,
        last,
        log: { name: event.log, file: event.file, from: event.from, to: event.to },
      },
    }),
  );
  // By the rules of ingest: an event that it refused would be recorded nowhere.
  parseSubmission(undefined, bytes);
  return bytes;
}

function idOf({ follower, log, file, from, to }: EngineEvent): string {
  const place = JSON.stringify([follower, log, file, from, to]);
  return sha256(Buffer.from(place)).subarray(0, ID_BYTES).toString('hex');
}
