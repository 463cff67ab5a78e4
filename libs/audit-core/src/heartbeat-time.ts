/**
 * The two members that every heartbeat has (formats.md, "Heartbeats"), and by which clocks are compared:
 *
 *     {"time":"<the sender's clock>","after":"<time that the verifiers it heard of agree has come>" or null,…}
 *
 * They are read by value, beside whatever else the heartbeat says. Unsigned: who may publish a heartbeat is the broker's
 * business, and the worst that a lie does is an alert.
 */
import { MAX_MESSAGE_BYTES } from './limits.js';
import { MessageReader } from './message-json.js';
import { formatTimestamp, parseTimestamp } from './timestamp.js';

/** Milliseconds since 1970, UTC. */
export interface HeartbeatTime {
  readonly time: number;
  readonly after: number | null;
}

/** The members, to be spread into a heartbeat. `afterSeconds`: agreed-time.ts. */
export function heartbeatTime(now: number, afterSeconds: number | null): { time: string; after: string | null } {
  return { time: formatTimestamp(now), after: afterSeconds === null ? null : formatTimestamp(afterSeconds * 1_000) };
}

/**
 * @returns null for a heartbeat without a time: of a release that did not send one
 * @throws FormatError `heartbeat.size`, `heartbeat.json`, `heartbeat.time`, `heartbeat.after`
 */
export function parseHeartbeatTime(bytes: Uint8Array): HeartbeatTime | null {
  const reader = MessageReader.parse('heartbeat', bytes, MAX_MESSAGE_BYTES);
  if (!reader.has('time')) return null;
  return {
    time: reader.check('time', () => parseTimestamp(reader.text('time'))),
    after: reader.check('after', () => {
      const after = reader.has('after') ? reader.textOrNull('after') : null;
      return after === null ? null : parseTimestamp(after);
    }),
  };
}
