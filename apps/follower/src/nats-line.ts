/**
 * One line of nats-server's log, as far as it is written down: what a client was not let do, who was not let in, whose handshake failed,
 * and when the server started, stopped and read its config again.
 *
 *     [<pid>] <yyyy/mm/dd hh:mm:ss.uuuuuu> [<level>] <text>
 *     [<pid>] <time> [<level>] <address>:<port> - <kind>:<number> - "<version:language:name>" - "<account>/user:<user>" - <text>
 *
 * The time is UTC (`logtime_utc: true`, which the rendered config says). What stands in quotes may be a client's own words; the server
 * quotes them as Go's `%q` does, so a quote in them ends nothing, and the user that the server vouches for is the last of them.
 *
 * Source: nats-server 2.14 and 2.15, `server/client.go`, `server/auth.go`, `server/server.go`, and lines of 2.15 (measured).
 */
import type { EngineFact } from '@everseal/audit-core';
import { factOf, timeOf, type LineReading } from './line-reading.js';

const LINE = /^\[\d{1,10}\] (\d{4}\/\d\d\/\d\d) (\d\d:\d\d:\d\d)\.(\d{3})\d{3} \[(?:INF|WRN|ERR|FTL|DBG|TRC)\] (.*)$/s;
const QUOTED = String.raw`"(?:[^"\\]|\\.)*"`;
const OF_CLIENT = new RegExp(`^(\\S{1,64}):\\d{1,5} - [a-z]{3}:\\d{1,20}((?: - ${QUOTED})*) - (.*)$`, 's');
const VIOLATION = new RegExp(
  `^(Publish|Subscription) Violation(?: Too Many Tokens)? - (?:User (${QUOTED}), )?(Subject|Reply) (${QUOTED})(?:, Queue:? (${QUOTED}))?(?:, SID |$)`,
);
const NOT_LET_IN =
  /^(authentication error|authentication timeout|maximum (?:account active )?connections exceeded|(?:account|user) authentication expired)/i;
const HANDSHAKE = /^TLS (?:[a-z]+ )?handshake error: (.*)$/s;

const LIFE: readonly { says: RegExp; action: string; outcome: EngineFact['outcome'] }[] = [
  { says: /^Starting nats-server$/, action: 'nats.start', outcome: 'allowed' },
  { says: /^Initiating Shutdown/, action: 'nats.stop', outcome: 'allowed' },
  { says: /^Reloaded server configuration$/, action: 'nats.reload', outcome: 'allowed' },
  // What is wrong with it may quote the config: it stays in the server's log.
  { says: /^Failed to reload server configuration: /, action: 'nats.reload', outcome: 'failed' },
];

/** @param line without its line feed */
export function readNatsLine(line: string): LineReading | null {
  const parts = LINE.exec(line);
  if (parts === null) return null;
  const [, date, clock, milliseconds, text] = parts as unknown as [string, string, string, string, string];
  const time = timeOf(`${date.replaceAll('/', '-')}T${clock}.${milliseconds}Z`);
  return time === null ? null : { time, fact: factIn(text) };
}

function factIn(text: string): EngineFact | null {
  const life = LIFE.find(({ says }) => says.test(text));
  if (life !== undefined) {
    return factOf({ action: life.action, actor: 'nats-server', target: 'nats-server', outcome: life.outcome });
  }
  const client = OF_CLIENT.exec(text);
  if (client === null) return null;
  const [, address, quotes, said] = client as unknown as [string, string, string, string];
  // Of who was not let in no quoted text is the server's: the name is what the client calls itself.
  const stranger = { target: 'nats-server', address: address.replaceAll(/[[\]]/g, '') };
  const handshake = HANDSHAKE.exec(said);
  if (handshake !== null) {
    return factOf({ ...stranger, action: 'nats.handshake', outcome: 'failed', reason: handshake[1]! });
  }
  const refusal = NOT_LET_IN.exec(said);
  if (refusal !== null) {
    // The rest of it may name what was shown as a credential.
    return factOf({ ...stranger, action: 'nats.connect', outcome: 'refused', reason: refusal[1]! });
  }
  return violationIn(said, { ...userIn(quotes), address: stranger.address });
}

function violationIn(said: string, who: Pick<EngineFact, 'actor' | 'address' | 'details'>): EngineFact | null {
  const violation = VIOLATION.exec(said);
  if (violation === null) return null;
  const [, way, named, what, subject, queue] = violation;
  return factOf({
    ...who,
    actor: named === undefined ? who.actor : unquoted(named),
    action: way === 'Publish' ? 'nats.publish' : 'nats.subscribe',
    target: unquoted(subject!),
    outcome: 'refused',
    reason: what === 'Reply' ? 'as the reply subject of a message' : '',
    details: { ...who.details, ...(queue === undefined ? {} : { queue: unquoted(queue) }) },
  });
}

/** The last of the quoted texts, if it is one that the server writes; nothing else that a client may have had quoted. */
function userIn(quotes: string): Pick<EngineFact, 'actor' | 'details'> {
  const last = [...quotes.matchAll(new RegExp(QUOTED, 'gs'))].at(-1)?.[0];
  const user = last === undefined ? null : /^([^/]{1,256})\/user:(.+)$/s.exec(unquoted(last));
  return user === null ? { actor: 'unknown', details: {} } : { actor: user[2]!, details: { account: user[1]! } };
}

/** Other escapes stay as they are: they are printable so. */
function unquoted(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(["\\])/g, '$1');
}
