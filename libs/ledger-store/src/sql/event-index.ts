/**
 * Tables `event_index` and `index_head`: the projection of events into rows that can be searched.
 *
 * index_head says how far it is and moves in the transaction that adds the rows, only ever from where the writer thought
 * it was: two writers cannot write the same rows, and no row is skipped.
 */
import type { Pool, PoolClient } from 'pg';
import { copyIn, COPY_BUFFER_BYTES } from '../copy/copy-in.js';
import { copyOut, integer } from '../copy/copy-out.js';
import {
  decodeIndexRow,
  encodeIndexRow,
  IDENTITY_BYTES,
  INDEX_COLUMNS,
  MAX_INDEX_ROW_BYTES,
  type IndexRow,
} from '../copy/index-row.js';
import { StoreError } from '../store-error.js';
import { autocommit, inTransaction, onConnection } from '../transaction.js';

/** Positions of one partition; `duplicate_of` looks into this partition and the one before (formats: Event index). */
export const PARTITION_POSITIONS = 2 ** 25;

/** Position of the first entry that is not projected yet. */
export async function readIndexHead(pool: Pool, ledgerId: number): Promise<number> {
  return onConnection(pool, `reading the index head of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ position: number }>('SELECT position FROM index_head WHERE ledger_id = $1', [
      ledgerId,
    ]);
    const [head, second] = rows;
    if (!head) throw new StoreError('store.unexpected-value', `ledger ${ledgerId} has no index head`);
    if (second) throw new StoreError('store.unexpected-value', `ledger ${ledgerId} has more than one index head`);
    return head.position;
  });
}

export interface IndexBatch {
  /** The index head before and after: positions [from, to) are projected by these rows. */
  from: number;
  to: number;
  /** Rows of the events among them, ascending; entries that are not events have none. */
  rows: readonly IndexRow[];
}

/** Writes batches of one ledger, one at a time: the buffer is its own. */
export class EventIndexWriter {
  private readonly buffer = Buffer.allocUnsafeSlow(COPY_BUFFER_BYTES);
  private readonly view = new DataView(this.buffer.buffer, this.buffer.byteOffset, COPY_BUFFER_BYTES);
  private writing = false;
  /** Position after the last partition that is known to exist. */
  private partitionsEnd = 0;

  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
  ) {}

  /**
   * @param giveWay awaited between parts of the rows, some 1,400 each; must not reject
   * @throws StoreError store.index-moved when the head is not at `from`; CommitUnknown: read the index head
   */
  async write({ from, to, rows }: IndexBatch, giveWay?: () => Promise<void>): Promise<void> {
    if (this.writing) throw new RangeError('one batch at a time');
    this.writing = true;
    try {
      await this.ensurePartition(to);
      await inTransaction(this.pool, `indexing ${from} to ${to} of ledger ${this.ledgerId}`, async (client) => {
        // The head first: a second writer waits here, and then finds it moved, before it copies anything.
        const { rowCount } = await client.query(
          'UPDATE index_head SET position = $3 WHERE ledger_id = $1 AND position = $2',
          [this.ledgerId, from, to],
        );
        if (rowCount !== 1) {
          throw new StoreError('store.index-moved', `the index head of ledger ${this.ledgerId} is not at ${from}`);
        }
        const encode = (at: number, row: IndexRow): number => encodeIndexRow(this.view, at, this.ledgerId, row);
        const statement = `COPY everseal.event_index (${INDEX_COLUMNS}) FROM STDIN (FORMAT binary)`;
        await copyIn(client, statement, this.buffer, MAX_INDEX_ROW_BYTES, rows, encode, giveWay);
      });
    } finally {
      this.writing = false;
    }
  }

  /** Asks early, while the last partition is half empty, so that a lock that is not granted delays nothing. */
  private async ensurePartition(to: number): Promise<void> {
    if (to + PARTITION_POSITIONS / 2 <= this.partitionsEnd) return;
    // One call makes a few partitions at most; an index that was rebuilt may need more.
    for (let before = -1; before < this.partitionsEnd;) {
      before = this.partitionsEnd;
      const { rows } = await autocommit<{ end: number }>(
        this.pool,
        'extending the event index',
        'SELECT everseal.extend_event_index() AS "end"',
        [],
      );
      this.partitionsEnd = rows[0]!.end;
      if (to <= this.partitionsEnd) return;
    }
  }
}

/** An event with the same producer, source and id, as far as 8 bytes of their hash tell. */
export interface SameIdentity {
  /** Index into the identities that were asked for. */
  asked: number;
  position: number;
  /** Microseconds since 1970-01-01 UTC; with it the entry's bytes can be rebuilt and its leaf hash compared. */
  accepted: bigint;
}

/** No lookup takes more than this from one identity: a flood of versions of one event must not fill our memory. */
export const MOST_SAME_IDENTITY = 64;

/** Where a look-up of identities looks. */
export interface Reach {
  /** Of the events that are being indexed: floor(position / PARTITION_POSITIONS). It and the one before. */
  partition: number;
  /** Only positions greater than this, to read on where an answer was cut; −1 (default) for all. */
  after?: number;
  /** Only positions below this; by default all of the partition. */
  before?: number;
}

/**
 * Where a duplicate's original can be: rows of these identities in a partition and the one before, by `asked` and
 * position, at most MOST_SAME_IDENTITY of each. Rows known to repeat another one in reach are left out.
 */
export async function findSameIdentity(
  pool: Pool,
  ledgerId: number,
  identities: readonly Buffer[],
  { partition, after = -1, before = Infinity }: Reach,
): Promise<SameIdentity[]> {
  if (identities.length === 0) return [];
  const low = Math.max((partition - 1) * PARTITION_POSITIONS, 0);
  // The bounds are numbers in the text so that partitions out of reach are pruned when a statement is planned.
  const candidates = `e.identity IS NOT NULL AND (e.duplicate_of IS NULL OR e.duplicate_of >> 25 <> e.position >> 25)
    AND e.position >= ${integer(Math.max(low, after + 1))}
    AND e.position < ${integer(Math.min((partition + 1) * PARTITION_POSITIONS, before))}`;
  // An infinite time is nobody's: it has no number of microseconds.
  const original = `e.ledger_id = $1 AND isfinite(e.accepted) AND (e.duplicate_of IS NULL OR e.duplicate_of < ${integer(low)})`;
  const asked = identities.map(identityNumber);
  return onConnection(pool, `looking for duplicates in ledger ${ledgerId}`, async (client) => {
    await client.query(`BEGIN READ ONLY; ${ALONG_THE_INDEX}`);
    const known = await knownIdentities(client, ledgerId, asked, candidates, original);
    const rows = known.size === 0 ? [] : await sameIdentities(client, ledgerId, asked, known, candidates, original);
    await client.query('COMMIT');
    return rows;
  });
}

/**
 * A partition without statistics (the newest one, in its first minute) makes the planner expect hundreds of rows for an
 * identity, and walk the primary key instead: seconds instead of milliseconds. With pages as cheap as this the index on
 * identity wins whatever is expected.
 */
const ALONG_THE_INDEX =
  'SET LOCAL random_page_cost = 0.01; SET LOCAL seq_page_cost = 0.01; SET LOCAL enable_seqscan = off';

/**
 * Which of the identities are there at all: for nearly every event none. One walk along the index, ten times faster than
 * a look-up for each (measured). OFFSET 0 keeps the planner from using other conditions than those of that index.
 */
async function knownIdentities(
  client: PoolClient,
  ledgerId: number,
  asked: readonly string[],
  candidates: string,
  original: string,
): Promise<Set<string>> {
  const { rows } = await client.query<{ identity: string }>(
    `SELECT DISTINCT e.identity::text AS identity FROM (
       SELECT * FROM event_index e WHERE e.identity = ANY ((SELECT $2::bigint[])::bigint[]) AND ${candidates} OFFSET 0
     ) AS e WHERE ${original}`,
    // As the text Postgres reads: the driver would quote and escape each of thousands of numbers.
    [ledgerId, `{${asked.join(',')}}`],
  );
  return new Set(rows.map(({ identity }) => identity));
}

async function sameIdentities(
  client: PoolClient,
  ledgerId: number,
  asked: readonly string[],
  known: ReadonlySet<string>,
  candidates: string,
  original: string,
): Promise<SameIdentity[]> {
  const places = asked.flatMap((identity, i) => (known.has(identity) ? [i] : []));
  const { rows } = await client.query<{ asked: number; position: number; accepted: string }>(
    `SELECT a.asked, found.position, (extract(epoch FROM found.accepted) * 1000000)::bigint::text AS accepted
     FROM unnest($2::bigint[], $3::integer[]) AS a (identity, asked) CROSS JOIN LATERAL (
       SELECT e.position, e.accepted FROM (
         SELECT * FROM event_index e WHERE e.identity = a.identity AND ${candidates} OFFSET 0
       ) AS e WHERE ${original} ORDER BY e.position LIMIT ${MOST_SAME_IDENTITY}
     ) AS found ORDER BY a.asked, found.position`,
    [ledgerId, places.map((i) => asked[i]), places],
  );
  return rows.map(({ asked: i, position, accepted }) => ({ asked: i, position, accepted: BigInt(accepted) }));
}

function identityNumber(identity: Buffer): string {
  if (identity.length < IDENTITY_BYTES) throw new RangeError(`an identity of ${identity.length} bytes`);
  return identity.readBigInt64BE(0).toString();
}

/** Index rows of positions [from, to), by position, in the groups they arrive in. */
export async function* readIndexRows(
  pool: Pool,
  ledgerId: number,
  from: number,
  to: number,
): AsyncGenerator<IndexRow[]> {
  const query = `
    SELECT ${INDEX_COLUMNS} FROM everseal.event_index
    WHERE ledger_id = ${integer(ledgerId)} AND position >= ${integer(from)} AND position < ${integer(to)}
    ORDER BY position`;
  const doing = `reading index rows ${from} to ${to} of ledger ${ledgerId}`;
  for await (const rows of copyOut(pool, query, MOST_FIELD_BYTES, doing)) yield rows.map(decodeIndexRow);
}

/** Far above what is ever written: a longer text is given to the caller as it stands, who says that it was altered. */
const MOST_FIELD_BYTES = 1_048_576;
