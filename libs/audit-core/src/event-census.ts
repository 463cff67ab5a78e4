/**
 * Counting what a stretch of a ledger holds: events by source and day, the first and the last, gap records. Whoever exports counts
 * with this, and whoever checks the export counts again and has to come to the same.
 *
 * Days are those of acceptance (UTC), sources as the event index has them. The rows are bounded: pairs of source and day beyond the
 * first 10,000 are counted together, in the order of the log, so that everybody leaves out the same.
 *
 * Which entries are events is told here by their first bytes: an envelope begins with a brace, a note with its kind. In a log that
 * follows the grammar no entry is taken for the wrong one; whether a log does is for LogState.
 */
import { parseEventEntry } from './event-entry.js';
import { entryKind } from './entry-kind.js';
import { indexEvent, type EventIndexRow } from './event-index.js';
import { parseGapText, type Gap } from './gap.js';
import { JsonTape } from './json-tape.js';
import { MOST_ENTRY_BYTES, parseNote } from './note.js';

export type CountedEvent = { readonly index: number; readonly accepted: string };
export type CensusRow = { readonly source: string | null; readonly day: string; readonly events: number };
export type CountedGap = Omit<Gap, 'origin'> & { readonly index: number };

export type Census = {
  readonly events: number;
  /** Events of which only a digest was sealed. */
  readonly withoutContent: number;
  readonly first: CountedEvent | null;
  readonly last: CountedEvent | null;
  /** By source, then day. */
  readonly perSourceAndDay: readonly CensusRow[];
  /** Events of further pairs of source and day. */
  readonly inFurtherRows: number;
  readonly gaps: readonly CountedGap[];
  /** Gap records beyond those that are listed. */
  readonly furtherGaps: number;
};

/** What is read of an event on the way. */
export type CensusEvent = { readonly producer: string; readonly accepted: string; readonly said: EventIndexRow | null };

const MOST_ROWS = 10_000;
const MOST_GAPS = 10_000;
const BRACE = 0x7b;
const DAY_CHARACTERS = 10;

export class EventCensus {
  private readonly tape = new JsonTape();
  private readonly rows = new Map<string, { source: string | null; day: string; events: number }>();
  private readonly gaps: CountedGap[] = [];
  private events = 0;
  private withoutContent = 0;
  private first: CountedEvent | null = null;
  private last: CountedEvent | null = null;
  private inFurtherRows = 0;
  private furtherGaps = 0;

  /**
   * Counts the next entry; indexes rise.
   * @returns what it says, when it is an event
   * @throws FormatError `event-entry.*`, `entry.kind`, `gap.*` for an entry that stands in no log
   */
  add(index: number, entry: Uint8Array): CensusEvent | null {
    if (entry[0] === BRACE) return this.addEvent(index, entry);
    if (entryKind(entry) === 'gap') this.addGap(index, entry);
    return null;
  }

  private addEvent(index: number, entry: Uint8Array): CensusEvent {
    const { producer, accepted, ...parsed } = parseEventEntry(entry);
    const said =
      'event' in parsed ? indexEvent(this.tape, producer, entry, parsed.event.start, parsed.event.end) : null;
    this.events += 1;
    if (said === null) this.withoutContent += 1;
    this.first ??= { index, accepted };
    this.last = { index, accepted };
    this.countRow(said?.source ?? null, accepted.slice(0, DAY_CHARACTERS));
    return { producer, accepted, said };
  }

  private countRow(source: string | null, day: string): void {
    const key = `${day} ${source === null ? '' : `=${source}`}`;
    const row = this.rows.get(key);
    if (row) row.events += 1;
    else if (this.rows.size < MOST_ROWS) this.rows.set(key, { source, day, events: 1 });
    else this.inFurtherRows += 1;
  }

  private addGap(index: number, entry: Uint8Array): void {
    const { ingester, first, last, cause, time } = parseGapText(parseNote(entry, MOST_ENTRY_BYTES).text);
    if (this.gaps.length < MOST_GAPS) this.gaps.push({ index, ingester, first, last, cause, time });
    else this.furtherGaps += 1;
  }

  result(): Census {
    const { events, withoutContent, first, last, inFurtherRows, furtherGaps } = this;
    const perSourceAndDay = [...this.rows.values()].sort(byRow);
    return { events, withoutContent, first, last, perSourceAndDay, inFurtherRows, gaps: [...this.gaps], furtherGaps };
  }
}

function byRow(a: CensusRow, b: CensusRow): number {
  return (
    compareTexts(a.source ?? '', b.source ?? '') ||
    Number(a.source !== null) - Number(b.source !== null) ||
    compareTexts(a.day, b.day)
  );
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
