/**
 * Which frames of a closed ledger survive: written beside the successor's note by whoever closes the ledger, read by ingesters
 * that frame the rest anew in the successor (formats.md, "Successor").
 *
 *     {"heads":[{"ingester":"a","number":9,"index":n,"proof":[…],"note":"<frame note>","debts":[[first,last],…]},…]}
 *
 * The newest frame of every ingester in what survives, as in an announcement, but proven in the tree that the successor's note
 * names (size and root of what survives), which an operator signed. `note` must be there: the head then proves itself to
 * anybody. Frames are sealed in order, so those up to `number` survive, but for `debts`.
 *
 * The file itself is not signed. A head that is left out, or older than the newest, makes an ingester frame events a second
 * time and loses nothing; one that is too new cannot be proven. `debts` are the word of whoever wrote the file.
 */
import { formatAnnouncedHead, readAnnouncedHead, type AnnouncedHead } from './announcement.js';
import { FormatError } from './format-error.js';
import { parseFrameText } from './frame.js';
import { leafHash, type Hash } from './hash.js';
import { verifyInclusion } from './inclusion.js';
import { MAX_MESSAGE_BYTES } from './limits.js';
import { MessageReader } from './message-json.js';
import { MOST_ENTRY_BYTES, parseNote } from './note.js';
import type { Restore } from './restore.js';

/** The newest surviving frame of one ingester. */
export type SurvivingHead = {
  readonly number: number;
  readonly hash: Hash;
  /** Numbers below it that do not survive: gap records left them open. First and last, ascending. */
  readonly debts: readonly (readonly [number, number])[];
};

/** @throws FormatError `surviving-heads.*` as `parseSurvivingHeads` when no reader would take it */
export function formatSurvivingHeads(heads: readonly AnnouncedHead[]): Buffer {
  const bytes = Buffer.from(`{"heads":[${heads.map(formatAnnouncedHead).join(',')}]}\n`);
  parseSurvivingHeads(bytes);
  return bytes;
}

/**
 * Reads the file by value; nothing is proven yet.
 * @throws FormatError `surviving-heads.size`, `…json`, `…heads` (also: an ingester twice), `…heads-ingester`, `…heads-number`,
 * `…heads-index`, `…heads-proof`, `…heads-debts`
 */
export function parseSurvivingHeads(bytes: Uint8Array): AnnouncedHead[] {
  const members = MessageReader.parse('surviving-heads', bytes, MAX_MESSAGE_BYTES);
  const heads = members.objects('heads').map(readAnnouncedHead);
  if (new Set(heads.map(({ ingester }) => ingester)).size < heads.length) {
    members.fail('heads', 'names an ingester twice');
  }
  return heads;
}

/**
 * The newest frame of an ingester that survives; null where the file names none: then nothing of it is known to survive.
 * @param restore the successor's record, opened
 * @throws FormatError `surviving-heads.note` (no frame note of that ingester, number and ledger), `surviving-heads.inclusion`
 * (it is not proven to be in what survives)
 */
export function survivingHead(
  restore: Restore,
  heads: readonly AnnouncedHead[],
  ingester: string,
): SurvivingHead | null {
  const head = heads.find((one) => one.ingester === ingester);
  if (head === undefined) return null;
  const { number, index, proof, debts } = head;
  const note = Buffer.from(head.note ?? '');
  requireNote(note, restore.closed, head);
  const hash = leafHash(note);
  const { size, root } = restore.surviving;
  if (verifyInclusion(index, size, hash, proof, root)) return { number, hash, debts };
  throw new FormatError(
    'surviving-heads.inclusion',
    `frame ${number} of ${ingester} is not proven to be entry ${index} of the ${size} entries of ${restore.closed} that survive`,
  );
}

function requireNote(note: Buffer, closed: string, { ingester, number }: AnnouncedHead): void {
  let why = 'it is another one';
  try {
    const frame = parseFrameText(parseNote(note, MOST_ENTRY_BYTES).text);
    if (frame.origin === closed && frame.ingester === ingester && frame.number === number) return;
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    why = cause.message;
  }
  throw new FormatError(
    'surviving-heads.note',
    `the head of ${ingester} has no note of its frame ${number} for ${closed}: ${why}`,
  );
}
