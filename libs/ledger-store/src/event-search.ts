/**
 * Searching the event index: newest first, in pages, each at a bounded cost whatever is asked for.
 *
 * One condition leads: the actor, or the target, or none, and with it one index that gives rows in the order of positions.
 * The other conditions are looked at row by row, on at most ROWS_A_PAGE rows along that index. A page may thus be short, or
 * empty, and still have a next one; a client that follows `next` to its end has seen every event that fits, once, whatever
 * is added meanwhile (positions only grow).
 */
import type { DataSource, SelectQueryBuilder } from 'typeorm';
import { EVENT_RECORD, type EventRecord } from './event-record.js';
import { asStoreError } from './store-error.js';

/** Rows of the index that one page looks at: some ten milliseconds. */
export const ROWS_A_PAGE = 5_000;

/** Columns that are compared for equality. */
export const SEARCHED = [
  'actor',
  'target',
  'producer',
  'source',
  'type',
  'subject',
  'action',
  'outcome',
  'eventId',
] as const;
export type SearchedColumn = (typeof SEARCHED)[number];

/** Bounds of a time, as Postgres reads it: from inclusive, to exclusive. */
export interface TimeSpan {
  from?: string | undefined;
  to?: string | undefined;
}

export interface EventSearch {
  ledgerId: number;
  /** Positions [from, before). */
  from: number;
  before: number;
  equal: Partial<Record<SearchedColumn, string>>;
  accepted?: TimeSpan | undefined;
  occurred?: TimeSpan | undefined;
  /** Most events of the page. */
  limit: number;
}

export interface EventPage {
  /** By position, the newest first. */
  events: EventRecord[];
  /** Positions below this one were not looked at: `before` of the next page. Null after the last page. */
  next: number | null;
}

type Query = SelectQueryBuilder<EventRecord>;

/** @throws StoreError, store.unavailable also when a page took too long */
export async function searchEvents(source: DataSource, search: EventSearch): Promise<EventPage> {
  try {
    const reached = await lastLookedAt(source, search);
    const events = await pageQuery(source, search, reached ?? search.from).getMany();
    const full = events.length === search.limit;
    return { events, next: full ? (events.at(-1) as EventRecord).position : reached };
  } catch (error) {
    throw asStoreError(error, `searching events of ledger ${search.ledgerId}`);
  }
}

/** The query of one page; for specs, which look at its plan. */
export function pageQuery(source: DataSource, search: EventSearch, from: number): Query {
  const { leading, others } = conditionsOf(search);
  const query = along(source, { ...search, from }, leading).take(search.limit);
  for (const [i, column] of others.entries()) {
    // An expression, so that no other index than the leading one can be chosen for it.
    query.andWhere(`event.${column} || '' = :other${i}`, { [`other${i}`]: search.equal[column] });
  }
  inSpan(query, 'accepted', search.accepted);
  inSpan(query, 'occurred', search.occurred);
  return query;
}

/** Position of the last row that a page may look at; null when it can look at all that is left. */
async function lastLookedAt(source: DataSource, search: EventSearch): Promise<number | null> {
  const { leading, others } = conditionsOf(search);
  const isWhole = others.length === 0 && search.accepted === undefined && search.occurred === undefined;
  if (isWhole && search.limit <= ROWS_A_PAGE) return null;
  const [row] = await along(source, search, leading)
    .select('event.position', 'position')
    .offset(ROWS_A_PAGE - 1)
    .limit(1)
    .getRawMany<{ position: number }>();
  return row?.position ?? null;
}

function conditionsOf({ equal }: EventSearch): { leading: SearchedColumn | null; others: SearchedColumn[] } {
  const asked = SEARCHED.filter((column) => equal[column] !== undefined);
  const leading = asked.find((column) => column === 'actor' || column === 'target') ?? null;
  return { leading, others: asked.filter((column) => column !== leading) };
}

function along(source: DataSource, search: EventSearch, leading: SearchedColumn | null): Query {
  const query = source
    .getRepository<EventRecord>(EVENT_RECORD)
    .createQueryBuilder('event')
    .where('event.ledgerId = :ledgerId', { ledgerId: search.ledgerId })
    .andWhere('event.position >= :from AND event.position < :before', { from: search.from, before: search.before })
    .orderBy('event.position', 'DESC');
  if (leading !== null) query.andWhere(`event.${leading} = :leading`, { leading: search.equal[leading] });
  return query;
}

function inSpan(query: Query, column: 'accepted' | 'occurred', span: TimeSpan | undefined): void {
  if (span?.from !== undefined) query.andWhere(`event.${column} >= :${column}From`, { [`${column}From`]: span.from });
  if (span?.to !== undefined) query.andWhere(`event.${column} < :${column}To`, { [`${column}To`]: span.to });
}

/** The rows at these positions, by position; a position without an event has none. @throws StoreError */
export async function recordsAt(
  source: DataSource,
  ledgerId: number,
  positions: readonly number[],
): Promise<EventRecord[]> {
  if (positions.length === 0) return [];
  try {
    return await source
      .getRepository<EventRecord>(EVENT_RECORD)
      .createQueryBuilder('event')
      .where('event.ledgerId = :ledgerId', { ledgerId })
      .andWhere('event.position IN (:...positions)', { positions })
      .orderBy('event.position', 'ASC')
      .getMany();
  } catch (error) {
    throw asStoreError(error, `reading events of ledger ${ledgerId}`);
  }
}
