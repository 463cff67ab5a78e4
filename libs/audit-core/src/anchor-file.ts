/**
 * A file of anchored copies (formats.md "Anchor file"): one JSON object a line, ended by a line feed, of one ledger. Only ever appended
 * to; the sizes of its checkpoints grow.
 *
 *     {"format":"everseal/anchor-file/v1","ledger":"audit.example.com/main","keys":"<key-set note>"}
 *     {"format":"everseal/anchor-file/v1","ledger":"audit.example.com/main","checkpoint":"<signed note>"}
 *
 * A write that a crash tore leaves part of a line. It cannot be cut off where only appending is allowed, so whoever goes on ends it
 * with a line feed: a line that is not whole is skipped and counted by readers, for it says nothing.
 */
import { parseCheckpointText } from './checkpoint.js';
import { FormatError } from './format-error.js';
import { MessageReader } from './message-json.js';
import { parseNote } from './note.js';

const FORMAT = 'everseal/anchor-file/v1';
/** Two notes of the largest size would not fit a row of the store, either. */
export const MOST_ANCHOR_LINE_BYTES = 262_144;

export type AnchorLine = {
  readonly ledger: string;
  readonly kind: 'checkpoint' | 'keys';
  /** The note, byte for byte. */
  readonly note: string;
};

/** With its line feed. */
export function formatAnchorLine({ ledger, kind, note }: AnchorLine): Buffer {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, ledger, [kind]: note })}\n`);
}

/**
 * @param line without its line feed
 * @throws FormatError `anchor-file.*`: members, `anchor-file.format`, `anchor-file.canonical`; `note.*`, `checkpoint.*`
 */
export function parseAnchorLine(line: Uint8Array): AnchorLine {
  const members = MessageReader.parse('anchor-file', line, MOST_ANCHOR_LINE_BYTES);
  if (members.text('format') !== FORMAT) throw new FormatError('anchor-file.format', `the line is no ${FORMAT}`);
  const kind = members.has('keys') ? 'keys' : 'checkpoint';
  const parsed: AnchorLine = { ledger: members.text('ledger'), kind, note: members.text(kind) };
  if (kind === 'checkpoint') parseCheckpointText(parseNote(parsed.note).text);
  else parseNote(parsed.note);
  if (!formatAnchorLine(parsed).equals(Buffer.concat([line, Buffer.from('\n')]))) {
    throw new FormatError('anchor-file.canonical', 'the line is not in the form that its own content is written in');
  }
  return parsed;
}
