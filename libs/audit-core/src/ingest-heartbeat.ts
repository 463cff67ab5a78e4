/**
 * The heartbeat of an ingester (formats.md, "Heartbeats"): the newest frame note of each of its ledgers. JSON, read by
 * value; nothing around the notes is signed, and nothing has to be: each note is opened like any other frame note.
 *
 *     {"frames":["<frame note>",…],"signs":{"<origin>":"<vkey>",…}}
 *
 * `signs` says with which key the next frame of a ledger will be signed. A ledger is left out of it while a frame is under way
 * that may not be in `frames` yet. So once it names a new key, and the newest frame of `frames` is sealed, nothing unsealed is
 * signed by the old one.
 */
import { FormatError } from './format-error.js';
import { parseFrameText } from './frame.js';
import { MAX_MESSAGE_BYTES } from './limits.js';
import { MessageReader } from './message-json.js';
import { parseNote } from './note.js';

/** One note a ledger; nobody serves more than this. */
const MOST_FRAMES = 1_024;
/** A ledger's note, its key under `signs`, and the names in both. */
const BYTES_A_LEDGER = 1_024;
const LEAST_BOUND = 65_536;

/** What an ingester says of one ledger. */
export type IngestSays = {
  /** Public half (vkey) of the key that signs the next frame; null when it does not say. */
  readonly signs: string | null;
  /** Number of its newest frame; 0 when it has none. */
  readonly newest: number;
};

/**
 * It is the ingester's word: whose subject the message came on has said it.
 * @throws FormatError `heartbeat.*`; a frame note that cannot be read is left out
 */
export function ingestSays(bytes: Uint8Array, origin: string): IngestSays {
  const members = MessageReader.parse('heartbeat', bytes, MAX_MESSAGE_BYTES);
  const numbers = members.texts('frames', MOST_FRAMES).map((note) => numberIn(note, origin));
  const signs = members.has('signs') ? members.object('signs') : null;
  return { signs: signs?.has(origin) ? signs.text(origin) : null, newest: Math.max(0, ...numbers) };
}

function numberIn(note: string, origin: string): number {
  try {
    const frame = parseFrameText(parseNote(note).text);
    return frame.origin === origin ? frame.number : 0;
  } catch (error) {
    if (error instanceof FormatError) return 0;
    throw error;
  }
}

/**
 * The notes of a heartbeat, as they came: the ones of other ledgers too, none of them opened.
 * @param ledgers how many an ingester can serve; what is larger than such a one can say is not read
 * @throws FormatError `heartbeat.size`, `heartbeat.json`, `heartbeat.frames`
 */
export function parseIngestHeartbeat(bytes: Uint8Array, ledgers: number = MOST_FRAMES): string[] {
  const most = Math.min(MAX_MESSAGE_BYTES, Math.max(LEAST_BOUND, ledgers * BYTES_A_LEDGER));
  return MessageReader.parse('heartbeat', bytes, most).texts('frames', MOST_FRAMES);
}

/**
 * The note of a heartbeat that is about one ledger; null where there is none. An ingester sends one a ledger, so of several the
 * first is taken, and opening it costs one signature whatever the heartbeat holds.
 * @param ledgers as for `parseIngestHeartbeat`
 * @throws FormatError as `parseIngestHeartbeat`
 */
export function heartbeatNoteOf(bytes: Uint8Array, origin: string, ledgers: number): string | null {
  return parseIngestHeartbeat(bytes, ledgers).find((note) => numberIn(note, origin) > 0) ?? null;
}
