import { FormatError } from './format-error.js';

/**
 * The kinds of log entries that are notes, and their first lines (formats.md, "The log").
 *
 * Place decides what an entry is, not its first bytes: the `count` entries after a frame are events, whatever they
 * begin with, and nothing here is ever asked about those. Every other entry is a note whose first line names its kind,
 * and the reader of the log uses `entryKind` to pick the parser, which then checks the line again.
 *
 * `everseal/prune/v1` is reserved and not defined yet: refused like any unknown line.
 */
export const FIRST_LINE = {
  keys: 'everseal/keys/v1',
  restore: 'everseal/restore/v1',
  frame: 'everseal/frame/v1',
  gap: 'everseal/gap/v1',
  block: 'everseal/block/v1',
} as const;

export type EntryKind = keyof typeof FIRST_LINE;

const KINDS = new Map<string, EntryKind>(Object.entries(FIRST_LINE).map(([kind, line]) => [line, kind as EntryKind]));

const LONGEST = Math.max(...Object.values(FIRST_LINE).map((line) => line.length));

/**
 * The kind that the first line of a note entry claims; nothing else about the entry is checked.
 * @throws FormatError `entry.kind` when the first line is none of the five
 */
export function entryKind(entry: Uint8Array): EntryKind {
  const head = Buffer.from(entry.buffer, entry.byteOffset, Math.min(entry.length, LONGEST + 1)).toString('latin1');
  const lineFeed = head.indexOf('\n');
  const kind = lineFeed < 0 ? undefined : KINDS.get(head.slice(0, lineFeed));
  if (kind === undefined) {
    throw new FormatError(
      'entry.kind',
      `the entry's first line is none of ${Object.values(FIRST_LINE).join(', ')}; where a note must stand nothing else is read`,
    );
  }
  return kind;
}
