/**
 * The gap record: the log says that frames `first` to `last` of an ingester are not in their place, and why
 * (formats.md, "Gap record"). Frame last + 1 of that ingester follows at once.
 *
 *     everseal/gap/v1
 *     <origin>
 *     <ingester>
 *     <first: the ingester's head + 1>
 *     <last>
 *     <cause: lost | key-revoked | malformed>
 *     <time>
 *
 * One signature line, by the log key. `lost` is an open debt: a frame inside it may still be sealed later (debt.ts).
 * Checked here is what the record shows by itself; the head and the frame that follows are the log reader's.
 */
import { formatDecimal, isCount, parseDecimal } from './decimal.js';
import { FIRST_LINE } from './entry-kind.js';
import { FormatError } from './format-error.js';
import type { SigningKey, VerifierKey } from './key.js';
import { logKeyName, parseName, parseOrigin } from './names.js';
import { MOST_ENTRY_BYTES, openEntryNote, parseNote, signNote } from './note.js';
import { quote } from './quote.js';
import { formatRecord, RecordLines, requireCanonical, requireSigner } from './record-lines.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';

/** Why frames are missing; only `lost` can be made good. */
export const GAP_CAUSES = ['lost', 'key-revoked', 'malformed'] as const;
export type GapCause = (typeof GAP_CAUSES)[number];

export type Gap = {
  readonly origin: string;
  readonly ingester: string;
  /** First and last missing frame number, first ≤ last. */
  readonly first: number;
  readonly last: number;
  readonly cause: GapCause;
  readonly time: Timestamp;
};

/** The signed text of a gap record. */
export function formatGapText(gap: Gap): string {
  return formatRecord(FIRST_LINE.gap, [
    gap.origin,
    gap.ingester,
    formatDecimal(gap.first),
    formatDecimal(gap.last),
    gap.cause,
    gap.time,
  ]);
}

/**
 * @throws FormatError `gap.kind`, `gap.lines`, `gap.origin`, `gap.ingester`, `gap.first`, `gap.last`, `gap.cause`,
 * `gap.time`: that line is not what must stand there
 */
export function parseGapText(text: string): Gap {
  const lines = new RecordLines('gap', FIRST_LINE.gap, text);
  const gap: Gap = {
    origin: lines.nextText('origin', parseOrigin),
    ingester: lines.nextText('ingester', parseName),
    first: lines.next('first', parseDecimal),
    last: lines.next('last', parseDecimal),
    cause: lines.next('cause', parseCause),
    time: lines.nextText('time', parseTimestamp),
  };
  lines.end();
  if (gap.first < 1) throw new FormatError('gap.first', 'frames are numbered from 1');
  if (gap.last < gap.first) throw new FormatError('gap.last', `the gap ends at ${gap.last}, before ${gap.first}`);
  if (!isCount(gap.last + 1)) throw new FormatError('gap.last', 'no frame number follows the last of the gap');
  requireCanonical('gap', text, formatGapText(gap));
  return gap;
}

function parseCause(text: string): GapCause {
  const cause = GAP_CAUSES.find((known) => known === text);
  if (cause === undefined) throw new FormatError('gap.cause', `${quote(text)} is none of ${GAP_CAUSES.join(', ')}`);
  return cause;
}

/**
 * The signed gap record.
 * @throws FormatError `gap.*` as `parseGapText` for values no reader would take; RangeError for the key of another log
 */
export function signGap(gap: Gap, log: SigningKey): string {
  const text = formatGapText(gap);
  parseGapText(text);
  requireSigner(log, logKeyName(gap.origin));
  return signNote(text, [log]);
}

/**
 * Opens a gap record.
 * @param logKeys the log key in force (keys of other logs have other names and cannot sign it)
 * @throws NoteError `note.*`; FormatError `gap.*` as `parseGapText`
 */
export function openGap(entry: Uint8Array | string, logKeys: readonly VerifierKey[]): Gap {
  const gap = parseGapText(parseNote(entry, MOST_ENTRY_BYTES).text);
  openEntryNote(entry, [logKeys.filter((key) => key.name === logKeyName(gap.origin))]);
  return gap;
}
