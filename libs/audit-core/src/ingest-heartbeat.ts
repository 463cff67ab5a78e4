/**
 * The heartbeat of an ingester (formats.md, "Heartbeats"): the newest frame note of each of its ledgers. JSON, read by
 * value; nothing around the notes is signed, and nothing has to be: each note is opened like any other frame note.
 *
 *     {"frames":["<frame note>",…]}
 */
import { MAX_MESSAGE_BYTES } from './limits.js';
import { MessageReader } from './message-json.js';

/** One note a ledger; nobody serves more than this. */
const MOST_FRAMES = 1_024;

/**
 * The notes of a heartbeat, as they came: the ones of other ledgers too, none of them opened.
 * @throws FormatError `heartbeat.size`, `heartbeat.json`, `heartbeat.frames`
 */
export function parseIngestHeartbeat(bytes: Uint8Array): string[] {
  return MessageReader.parse('heartbeat', bytes, MAX_MESSAGE_BYTES).texts('frames', MOST_FRAMES);
}
