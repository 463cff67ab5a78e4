/**
 * The superuser's hand of a drill: does to the database what somebody with those rights would, after saving what it changes,
 * and puts it back.
 *
 * Rows. One transaction takes the rows, hands them out to be kept, switches the triggers of their tables off, changes, and
 * switches them on again; nobody else ever sees a trigger off. Putting back is the same with the saved rows: whatever stands
 * in their places goes, what stood there comes. It may be done twice, and after a change that never happened.
 *
 * A connection that breaks is replaced: an act whose COMMIT is not known is put back like one that is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { asStoreError, CommitUnknown, findLedger, StoreError } from '@everseal/ledger-store';
import type { ClientBase, Pool, PoolClient } from 'pg';
import {
  DRILL_SETTINGS,
  DRILL_TABLES,
  type Change,
  type DrillSetting,
  type DrillTable,
  type RowPlace,
  type RowsChange,
  type Saved,
  type SavedRow,
} from './drill-change.js';
import { countEvents, foreignProducer, readFacts, type DrillFacts } from './drill-facts.js';

/** A lock that is not granted within a second is asked for again; sealing holds it for milliseconds. */
const TRIES = 10;
/** A database that restarts is waited for, a minute and more. */
const TRIES_TO_RESTORE = 120;
const AGAIN_MS = 500;
const COLUMNS = `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_catalog.pg_attribute
  WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`;
/** One drill at a time on a database; the number says nothing but "drill". */
const LOCK = 'SELECT pg_try_advisory_lock(7304130417) AS taken';

interface Column {
  readonly name: string;
  readonly type: string;
}

export class DrillDatabase {
  private holder: PoolClient | null = null;

  /** @param pool as superuser, of two connections at least */
  constructor(
    private readonly pool: Pool,
    private readonly origin: string,
  ) {}

  /** @throws StoreError */
  async facts(): Promise<DrillFacts | null> {
    const id = await this.ledgerId();
    return this.run('reading the drill ledger', (client) => readFacts(client, id));
  }

  /** Events that the index of the ledger holds. @throws StoreError */
  async events(): Promise<number> {
    const id = await this.ledgerId();
    return this.run('counting events', (client) => countEvents(client, id));
  }

  /** Who sent something else than drill events; null when the ledger holds nothing that counts. @throws StoreError */
  async foreign(): Promise<string | null> {
    const id = await this.ledgerId();
    return this.run('reading who wrote', (client) => foreignProducer(client, id));
  }

  /**
   * True once this is the only drill on the database; waits a moment for one that was just killed. The connection that holds
   * the lock is kept until `close`.
   * @throws StoreError
   */
  async takeLock(): Promise<boolean> {
    const holder = (this.holder = await this.connect('taking the lock of drills'));
    for (let i = 0; i < TRIES; i++) {
      const { rows } = await holder.query<{ taken: boolean }>(LOCK).catch((error: unknown) => {
        throw asStoreError(error, 'taking the lock of drills');
      });
      if (rows[0]?.taken) return true;
      await sleep(AGAIN_MS);
    }
    return false;
  }

  async close(): Promise<void> {
    this.holder?.release(true);
    await this.pool.end();
  }

  /**
   * Makes a change.
   * @param keep gets what has to stand again, before anything is changed; it must be on the disk when this returns. Called
   * once more, with the same, when a lock was not granted and it is tried again
   * @returns the statements, as they were executed
   * @throws StoreError; `store.commit-unknown` when it may have been changed, with any other it was not
   */
  async change(change: Change, keep: (saved: Saved) => void): Promise<string[]> {
    if ('setting' in change) return this.changeSetting(change.setting, keep);
    return this.again(() => this.changeRows(change.rows, keep));
  }

  /** Puts back what was saved, and compares: true when it stands as it was, byte for byte. @throws StoreError */
  async restore(saved: Saved): Promise<boolean> {
    if ('setting' in saved) return this.restoreSetting(saved.setting, saved.before);
    return this.again(() => this.restoreRows(saved.rows), TRIES_TO_RESTORE, true);
  }

  private async changeRows({ places, statements }: RowsChange, keep: (saved: Saved) => void): Promise<string[]> {
    const ledgerId = await this.ledgerId();
    return this.inTransaction('tampering', async (client) => {
      const rows: SavedRow[] = [];
      for (const place of places) rows.push({ ...place, row: await readRow(client, ledgerId, place, true) });
      keep({ rows });
      // Crash before COMMIT: nothing was changed, and putting the kept rows back changes nothing.
      const off = await switchTriggers(client, places, 'DISABLE');
      for (const { sql, values } of statements) {
        const { rowCount } = await client.query(sql, [ledgerId, ...values]);
        if (rowCount !== 1) throw new StoreError('store.unexpected-value', `${rowCount} rows were changed by: ${sql}`);
      }
      const on = await switchTriggers(client, places, 'ENABLE ALWAYS');
      return [...off, ...statements.map(({ sql, values }) => shown(sql, [String(ledgerId), ...values])), ...on];
      // Crash after COMMIT: what was kept is to be put back, by --restore.
    });
  }

  private async restoreRows(rows: readonly SavedRow[]): Promise<boolean> {
    const ledgerId = await this.ledgerId();
    await this.inTransaction('putting rows back', async (client) => {
      await switchTriggers(client, rows, 'DISABLE');
      for (const saved of rows) {
        await client.query(`DELETE FROM everseal.${saved.table} WHERE ${where(saved)}`, [ledgerId, ...keyOf(saved)]);
      }
      for (const saved of rows.toReversed()) await insertRow(client, saved);
      await switchTriggers(client, rows, 'ENABLE ALWAYS');
    });
    return this.run('comparing what was put back', async (client) => {
      for (const saved of rows) {
        const row = await readRow(client, ledgerId, saved, false);
        if (JSON.stringify(row) !== JSON.stringify(saved.row)) return false;
      }
      return true;
    });
  }

  private async changeSetting(setting: DrillSetting, keep: (saved: Saved) => void): Promise<string[]> {
    const { statement, isClean } = DRILL_SETTINGS[setting];
    const before = await this.probe(setting);
    if (!isClean(before)) {
      const found = before === '' ? 'nothing' : before;
      throw new StoreError('store.refused', `it is not as it should be already (${found}), so nothing was changed`);
    }
    keep({ setting, before });
    await this.again(() => this.run('changing a setting', (client) => client.query(statement)));
    return [statement];
  }

  private async restoreSetting(setting: DrillSetting, before: string): Promise<boolean> {
    const { undo, isClean } = DRILL_SETTINGS[setting];
    if (!isClean(before)) return false;
    await this.again(() => this.run('putting a setting back', (client) => client.query(undo)), TRIES_TO_RESTORE, true);
    return (await this.probe(setting)) === before;
  }

  private async probe(setting: DrillSetting): Promise<string> {
    const { probe } = DRILL_SETTINGS[setting];
    const { rows } = await this.run('reading a setting', (client) => client.query<{ value: string }>(probe));
    return rows[0]?.value ?? '';
  }

  /** Asked before a connection is taken: the pool has none to spare. */
  private async ledgerId(): Promise<number> {
    const id = await findLedger(this.pool, this.origin);
    if (id === null) throw new StoreError('store.unexpected-value', `the database has no ledger ${this.origin}`);
    return id;
  }

  private inTransaction<T>(doing: string, work: (client: ClientBase) => Promise<T>): Promise<T> {
    return this.run(doing, async (client) => {
      await client.query('BEGIN');
      try {
        // Foreign keys of ours are not looked at; the triggers that refuse changes fire all the same, until switched off.
        await client.query('SET LOCAL session_replication_role = replica');
        const result = await work(client);
        await client.query('COMMIT').catch((cause: unknown) => {
          throw new CommitUnknown(`the answer to COMMIT was lost while ${doing}`, { cause });
        });
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  private async run<T>(doing: string, work: (client: ClientBase) => Promise<T>): Promise<T> {
    const client = await this.connect(doing);
    let failed = true;
    try {
      const result = await work(client);
      failed = false;
      return result;
    } catch (error) {
      throw asStoreError(error, doing);
    } finally {
      client.release(failed);
    }
  }

  private async connect(doing: string): Promise<PoolClient> {
    const client = await this.pool.connect().catch((error: unknown) => {
      throw asStoreError(error, doing);
    });
    // A connection that breaks between two queries says so here; the next query fails with the reason.
    if (client.listenerCount('error') === 0) client.on('error', () => undefined);
    return client;
  }

  /** Nothing that may have been committed is done again, unless it may be done twice. */
  private async again<T>(work: () => Promise<T>, tries = TRIES, mayBeDoneTwice = false): Promise<T> {
    for (let left = tries; ; left--) {
      try {
        return await work();
      } catch (error) {
        const fates = mayBeDoneTwice ? ['retry', 're-read'] : ['retry'];
        if (!(error instanceof StoreError) || !fates.includes(error.fate) || left <= 1) throw error;
        await sleep(AGAIN_MS);
      }
    }
  }
}

const keyOf = ({ table, key }: RowPlace): string[] => Object.keys(DRILL_TABLES[table]).map((column) => key[column]!);

function where({ table }: RowPlace): string {
  const columns = Object.entries(DRILL_TABLES[table]).map(([name, type], i) => `${name} = $${i + 2}::text::${type}`);
  return ['ledger_id = $1', ...columns].join(' AND ');
}

async function columnsOf(client: ClientBase, table: DrillTable): Promise<Column[]> {
  return (await client.query<Column>(COLUMNS, [`everseal.${table}`])).rows;
}

async function readRow(
  client: ClientBase,
  ledgerId: number,
  place: RowPlace,
  lock: boolean,
): Promise<Record<string, string | null> | null> {
  const columns = (await columnsOf(client, place.table)).map(({ name }) => `"${name}"::text`).join(', ');
  const query = `SELECT ${columns} FROM everseal.${place.table} WHERE ${where(place)}${lock ? ' FOR UPDATE' : ''}`;
  const { rows } = await client.query<Record<string, string | null>>(query, [ledgerId, ...keyOf(place)]);
  return rows[0] ?? null;
}

async function insertRow(client: ClientBase, { table, row }: SavedRow): Promise<void> {
  if (row === null) return;
  const columns = await columnsOf(client, table);
  const names = columns.map(({ name }) => name);
  if (names.length !== Object.keys(row).length || names.some((name) => !(name in row))) {
    throw new StoreError('store.schema-differs', `table ${table} has other columns than when its row was saved`);
  }
  const values = columns.map(({ type }, i) => `$${i + 1}::text::${type}`);
  const insert = `INSERT INTO everseal.${table} (${names.map((name) => `"${name}"`).join(', ')}) VALUES (${values.join(', ')})`;
  await client.query(
    insert,
    names.map((name) => row[name]),
  );
}

async function switchTriggers(
  client: ClientBase,
  places: readonly RowPlace[],
  how: 'DISABLE' | 'ENABLE ALWAYS',
): Promise<string[]> {
  const statements = [...new Set(places.map(({ table }) => table))].map(
    (table) => `ALTER TABLE everseal.${table} ${how} TRIGGER append_only`,
  );
  for (const statement of statements) await client.query(statement);
  return statements;
}

/** A statement with its values in their places; long ones are told by their size. */
function shown(sql: string, values: readonly string[]): string {
  return sql.replace(/\$(\d+)(::text)?/g, (_, n: string) => {
    const value = values[Number(n) - 1]!;
    return value.length > 80 ? `'${value.slice(0, 40)}… (${value.length} characters)'` : `'${value}'`;
  });
}
