/**
 * An operator's order to seal a gap record at once (formats.md, "Gaps"): frames `first` to `last` of an ingester are not
 * waited for any longer.
 *
 *     everseal/gap-order/v1
 *     <origin>
 *     <ingester>
 *     <first>
 *     <last>
 *     <time>
 *
 * One signature line, by an operator key of the key set in force. No entry of the log: the gap record is. The numbers say
 * all that an order can do, and they do it once: after it the lane's head is behind them, so that an order may be kept,
 * sent twice or stolen.
 */
import { formatDecimal, isCount, parseDecimal } from './decimal.js';
import { FormatError } from './format-error.js';
import type { SigningKey, VerifierKey } from './key.js';
import { operatorKeyName, parseName, parseOrigin } from './names.js';
import { MOST_ENTRY_BYTES, openEntryNote, parseNote, signNote } from './note.js';
import { formatRecord, RecordLines, requireCanonical, requireSigner } from './record-lines.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';

const KIND = 'everseal/gap-order/v1';

export type GapOrder = {
  readonly origin: string;
  readonly ingester: string;
  /** First and last frame number that is not waited for, first ≤ last. */
  readonly first: number;
  readonly last: number;
  readonly time: Timestamp;
};

/** The signed text of an order. */
export function formatGapOrderText({ origin, ingester, first, last, time }: GapOrder): string {
  return formatRecord(KIND, [origin, ingester, formatDecimal(first), formatDecimal(last), time]);
}

/**
 * @throws FormatError `gap-order.kind`, `gap-order.lines`, `gap-order.origin`, `gap-order.ingester`, `gap-order.first`,
 * `gap-order.last`, `gap-order.time`: that line is not what must stand there
 */
export function parseGapOrderText(text: string): GapOrder {
  const lines = new RecordLines('gap-order', KIND, text);
  const order: GapOrder = {
    origin: lines.nextText('origin', parseOrigin),
    ingester: lines.nextText('ingester', parseName),
    first: lines.next('first', parseDecimal),
    last: lines.next('last', parseDecimal),
    time: lines.nextText('time', parseTimestamp),
  };
  lines.end();
  if (order.first < 1) throw new FormatError('gap-order.first', 'frames are numbered from 1');
  if (order.last < order.first || !isCount(order.last + 1)) {
    throw new FormatError('gap-order.last', `no gap from ${order.first} ends at ${order.last}`);
  }
  requireCanonical('gap-order', text, formatGapOrderText(order));
  return order;
}

/**
 * The signed order.
 * @throws FormatError `gap-order.*` as `parseGapOrderText` for values no reader would take; RangeError for a key that is
 * no operator's of this domain
 */
export function signGapOrder(order: GapOrder, operator: SigningKey): string {
  const text = formatGapOrderText(order);
  parseGapOrderText(text);
  const name = operator.name.slice(operator.name.lastIndexOf('/') + 1);
  requireSigner(operator, operatorKeyName(parseOrigin(order.origin).domain, name));
  return signNote(text, [operator]);
}

/**
 * Opens an order.
 * @param operators the operator keys in force
 * @throws NoteError `note.*`; FormatError `gap-order.*` as `parseGapOrderText`, `gap-order.ledger`: of another ledger
 */
export function openGapOrder(note: Uint8Array | string, operators: readonly VerifierKey[], origin: string): GapOrder {
  const order = parseGapOrderText(parseNote(note, MOST_ENTRY_BYTES).text);
  openEntryNote(note, [operators]);
  if (order.origin !== origin) throw new FormatError('gap-order.ledger', `the order is for ${order.origin}`);
  return order;
}
