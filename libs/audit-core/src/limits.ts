/**
 * The limits of formats.md, section "Limits", in one place: every parser bounds its input by one of these before it
 * does any work, and every writer refuses to make what a parser would refuse. All sizes are bytes. (The limit of one log
 * entry, 65,535 bytes, stands in note.ts as MOST_ENTRY_BYTES: it is C2SP's, from the u16 length in an entry bundle.)
 */

/** One event as its producer sent it. */
export const MAX_EVENT_BYTES = 61_440;

/** One submit request; it is never split over two frames. */
export const MAX_REQUEST_EVENTS = 512;
export const MAX_REQUEST_BYTES = 524_288;

/** One frame and the message that carries it. */
export const MAX_FRAME_EVENTS = 512;
export const MAX_FRAME_MESSAGE_BYTES = 786_432;

/** A block is cut after the item that reaches one of these … */
export const BLOCK_CUT_ENTRIES = 8_192;
export const BLOCK_CUT_BYTES = 4_194_304;

/** … and a reader accepts no larger block than this. The entries are those it covers, its own note not counted. */
export const MAX_BLOCK_ENTRIES = 16_384;
export const MAX_BLOCK_BYTES = 8_388_608;

/** The broker's max_payload: no message of ours is larger. */
export const MAX_MESSAGE_BYTES = 1_048_576;
