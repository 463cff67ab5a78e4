/**
 * One random change of one row of the store, as somebody with every right over the database can make it: a byte of a
 * bytea flipped, cut off or added, any other value in any column, the value of another row, a row gone, a row twice, a
 * row more. Tables and columns are read from the catalog, so a new one comes under it by itself.
 *
 * Everything follows from the seed. A change that the database cannot hold (a position outside every partition) is drawn
 * again.
 */

import type { Client } from 'pg';

/** A column of a table, its type as Postgres names it. */
export interface Column {
  readonly name: string;
  readonly type: string;
}

export interface Mutation {
  readonly table: string;
  readonly kind: 'flip' | 'length' | 'value' | 'other' | 'delete' | 'twice' | 'more';
  /** Null where the whole row is meant. */
  readonly column: string | null;
  /** The row before it was changed, every value as text (bytea as hex). */
  readonly row: Readonly<Record<string, string | null>>;
  /** What the column holds now, as text. */
  readonly value: string | null;
  /** Byte that was flipped. */
  readonly at: number | null;
}

/** Columns that tell a row from the others: where `more` makes its change. */
export const NUMBERS: readonly string[] = ['height', 'number', 'position', 'size', 'first'];

/** What stands between a superuser and any value at all, once the catalog guard is somebody else's business. */
const NO_CONSTRAINTS = `ALTER TABLE everseal.ledger ALTER ledger_id DROP IDENTITY; DO $$ DECLARE c record; BEGIN
  FOR c IN SELECT conname, conrelid::regclass AS t FROM pg_constraint
    WHERE contype IN ('c', 'f', 'n', 'p', 'u') AND connamespace = 'everseal'::regnamespace AND conparentid = 0
    ORDER BY contype <> 'f', contype <> 'p', contype <> 'u' LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', c.t, c.conname);
  END LOOP;
  FOR c IN SELECT oid::regclass AS t FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'everseal'::regnamespace LOOP
    EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', c.t);
  END LOOP;
  FOR c IN SELECT oid::regclass AS t FROM pg_class JOIN pg_index ON indexrelid = oid
    WHERE indisunique AND relnamespace = 'everseal'::regnamespace AND NOT relispartition LOOP
    EXECUTE format('DROP INDEX %s', c.t);
  END LOOP; END $$`;

const TABLES = `SELECT c.relname AS table, json_agg(json_build_object('name', attname, 'type', format_type(atttypid, NULL))
    ORDER BY attnum) AS columns
  FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
  WHERE relnamespace = 'everseal'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
  GROUP BY c.relname ORDER BY c.relname`;

/** A small generator that gives the same numbers for the same seed (mulberry32). */
export class Draw {
  constructor(private state: number) {}

  /** A whole number in [0, below). */
  below(below: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

export class Mutator {
  private constructor(
    private readonly dba: Client,
    /** Every table of ours that holds a row, with its columns. */
    readonly tables: ReadonlyMap<string, readonly Column[]>,
  ) {}

  /** Takes the constraints away and keeps a copy of every row. */
  static async open(dba: Client): Promise<Mutator> {
    await dba.query(`SET session_replication_role = 'replica'; SET bytea_output = 'hex'; SET timezone = 'UTC'`);
    await dba.query(`${NO_CONSTRAINTS}; CREATE SCHEMA kept`);
    const { rows } = await dba.query<{ table: string; columns: Column[] }>(TABLES);
    const tables = new Map<string, readonly Column[]>();
    for (const { table, columns } of rows) {
      const { rowCount } = await dba.query(`CREATE TABLE kept.${table} AS SELECT * FROM everseal.${table}`);
      if (rowCount! > 0) tables.set(table, columns);
    }
    return new Mutator(dba, tables);
  }

  /** Draws a change and makes it. Null when it came to nothing: nothing has changed then. */
  async change(draw: Draw, table: string): Promise<Mutation | null> {
    const columns = this.tables.get(table)!;
    const place = await this.rowAt(draw, table);
    const other = await this.rowAt(draw, table);
    const drawn = drawChange(draw, columns, place.row, other.row);
    return this.tried({ table, row: place.row, ...drawn }, place.where);
  }

  /** Puts in a row like one that stands, with this value in one column. Null as of `change`. */
  async more(draw: Draw, table: string, column: string, value: string | null): Promise<Mutation | null> {
    const { row, where } = await this.rowAt(draw, table);
    return this.tried({ table, row, kind: 'more', column, value, at: null }, where);
  }

  private async tried(mutation: Mutation, where: string): Promise<Mutation | null> {
    try {
      await this.make(mutation, where);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && /^(22|23)/.test(String(error.code)))) throw error;
      return null; // no value of this type, no partition for it
    }
    const same = mutation.kind !== 'twice' && (await this.isAsBefore(mutation.table));
    return same ? null : mutation;
  }

  /** Puts the table back as it was, whatever stands there. */
  async restore({ table }: Mutation): Promise<void> {
    const names = this.tables.get(table)!.map(({ name }) => name);
    const list = names.join(', ');
    await this.dba.query(`BEGIN; DELETE FROM everseal.${table};
      INSERT INTO everseal.${table} (${list}) SELECT ${list} FROM kept.${table}; COMMIT`);
  }

  private async rowAt(draw: Draw, table: string): Promise<{ row: Mutation['row']; where: string }> {
    const columns = this.tables.get(table)!;
    const from = `FROM everseal.${table} ORDER BY ${columns.map(({ name }) => name).join(', ')}`;
    const count = (await this.dba.query(`SELECT 1 FROM everseal.${table}`)).rowCount!;
    const list = columns.map(({ name }) => `${name}::text AS ${name}`).join(', ');
    const { rows } = await this.dba.query<Record<string, string | null>>(
      `SELECT tableoid::regclass::text AS table_of, ctid::text AS place, ${list} ${from} LIMIT 1 OFFSET ${draw.below(count)}`,
    );
    const { place, table_of: partition, ...row } = rows[0]!;
    return { row, where: `ctid = '${place}' AND tableoid = '${partition}'::regclass` };
  }

  private async make({ table, kind, column, row, value }: Mutation, where: string): Promise<void> {
    const columns = this.tables.get(table)!;
    if (kind === 'delete') {
      await this.dba.query(`DELETE FROM everseal.${table} WHERE ${where}`);
    } else if (kind === 'twice' || kind === 'more') {
      const list = columns.map(({ name }) => name).join(', ');
      const values = columns.map(({ name, type }, i) => `$${i + 1}::text::${type} AS ${name}`).join(', ');
      await this.dba.query(
        `INSERT INTO everseal.${table} (${list}) SELECT ${values}`,
        columns.map(({ name }) => (name === column ? value : row[name])),
      );
    } else {
      const { type } = columns.find(({ name }) => name === column)!;
      await this.dba.query(`UPDATE everseal.${table} SET ${column} = $1::text::${type} WHERE ${where}`, [value]);
    }
  }

  private async isAsBefore(table: string): Promise<boolean> {
    const list = this.tables
      .get(table)!
      .map(({ name }) => name)
      .join(', ');
    const minus = (one: string, two: string): string =>
      `(SELECT ${list} FROM ${one}.${table} EXCEPT ALL SELECT ${list} FROM ${two}.${table})`;
    const { rowCount } = await this.dba.query(`${minus('everseal', 'kept')} UNION ALL ${minus('kept', 'everseal')}`);
    return rowCount === 0;
  }
}

type Drawn = Pick<Mutation, 'kind' | 'column' | 'value' | 'at'>;

function drawChange(draw: Draw, columns: readonly Column[], row: Mutation['row'], other: Mutation['row']): Drawn {
  const whole = draw.below(8);
  if (whole === 0) return { kind: 'delete', column: null, value: null, at: null };
  if (whole === 1) return { kind: 'twice', column: null, value: null, at: null };
  if (whole === 2) {
    const column = draw.of(columns.filter(({ name }) => NUMBERS.includes(name)).concat(columns[0]!));
    return { kind: 'more', column: column.name, value: drawValue(draw, column, row[column.name]!), at: null };
  }
  const column = draw.of(columns);
  const was = row[column.name] ?? null;
  if (draw.below(6) === 0) return { kind: 'other', column: column.name, value: other[column.name] ?? null, at: null };
  if (column.type === 'bytea' && was !== null) return { column: column.name, ...drawBytes(draw, was) };
  return { kind: 'value', column: column.name, value: drawValue(draw, column, was), at: null };
}

function drawBytes(draw: Draw, was: string): Pick<Drawn, 'kind' | 'value' | 'at'> {
  const bytes = Buffer.from(was.slice(2), 'hex');
  if (draw.below(4) > 0 && bytes.length > 0) {
    const at = draw.below(bytes.length);
    bytes[at]! ^= 1 + draw.below(255);
    return { kind: 'flip', value: `\\x${bytes.toString('hex')}`, at };
  }
  const changed = draw.of([
    bytes.subarray(0, draw.below(bytes.length + 1)),
    Buffer.concat([bytes, Buffer.from([draw.below(256)])]),
    Buffer.from(bytes.map(() => draw.below(256))),
    bytes.subarray(1),
  ]);
  return { kind: 'length', value: `\\x${changed.toString('hex')}`, at: null };
}

function drawValue(draw: Draw, { type }: Column, was: string | null): string | null {
  if (was !== null && draw.below(10) === 0) return null;
  switch (type) {
    case 'bigint':
    case 'integer':
    case 'smallint': {
      const number = BigInt(was ?? '7');
      const near = [number + 1n, number - 1n, number + BigInt(draw.below(1_000)), -number - 1n, 0n, 2n ** 53n + 1n];
      return draw.of([...near, BigInt(draw.below(32_000))]).toString();
    }
    case 'timestamp with time zone': {
      const base = was ?? '2026-01-02 03:04:05+00';
      const moved = base.replace(/\d(?=[+-]\d\d)/, (digit) => String((Number(digit) + 1 + draw.below(8)) % 10));
      return draw.of([moved, '2001-01-01', 'infinity', '-infinity', '20000-01-01', base.replace(/^\d{4}/, '2031')]);
    }
    case 'bytea':
      return `\\x${Buffer.from(Array.from({ length: 32 }, () => draw.below(256))).toString('hex')}`;
    default:
      return drawText(draw, was ?? 'x');
  }
}

function drawText(draw: Draw, was: string): string {
  const at = draw.below(was.length);
  const letter = draw.of([...'aZ09+/ =\n\té—']);
  return draw.of([
    was.slice(0, at) + letter + was.slice(at + 1),
    was.slice(0, at) + was.slice(at + 1),
    was.slice(0, at) + letter + was.slice(at),
    '',
    `${was}${was}`,
    was.toUpperCase(),
  ]);
}
