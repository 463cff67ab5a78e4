/**
 * What a verifier must say about a change of one row: which look says it, with which codes, and by what it names the
 * record. It knows what was changed and what the log holds, and nothing of how the verifier works.
 *
 * Not every column can be judged by the log. Those that cannot stand in OPEN, with the reason; nothing else is left out,
 * and a table or column that nobody has thought of yet fails.
 */

import { splitBundle, type VerdictCode } from '@everseal/audit-core';
import type { Mutation } from './mutation.fixture.js';
import { LOOKS, type Look, type Seen } from './swept-log.fixture.js';

/** `table` or `table.column`: what no look can tell, and why. */
export const OPEN: Readonly<Record<string, string>> = {
  migration: 'names of migrations; what they made is compared by the catalog guard',
  'block.stored': "the database's own time, said by nobody else",
  'checkpoint.stored': "the database's own time, said by nobody else",
  'cosignature.stored': "the database's own time, said by nobody else",
  'anchor.stored': "the database's own time; when a checkpoint was anchored is said by the time stamp",
  'ledger_head.stream_epoch': 'the cursor of the sealer, which checks it against the stream before every read',
  'ledger_head.stream_created': 'the cursor of the sealer, which checks it against the stream before every read',
  'ledger_head.stream_sequence': 'the cursor of the sealer, which checks it against the stream before every read',
  'ledger_head.stream_hash': 'the cursor of the sealer, which checks it against the stream before every read',
  'ledger_head.holder': 'the lease: who holds it, until when',
  'ledger_head.fence': 'the lease: who holds it, until when',
  'ledger_head.lease_until': 'the lease: who holds it, until when',
  'ledger_head.state': 'no block says that a ledger is open; one that is closed stands still, which a watcher sees',
  'frame.sequence': 'where the stream had the frame: no block says it',
  'frame.reason': 'why a frame once waited: no block says it',
  'frame.bytes': 'of a sealed frame nobody reads them: the block holds them',
};

/** Rows that are put in beside those that are read, by the column in which they differ from one that is; and why nobody misses them. */
export const BESIDE: Readonly<Record<string, string>> = {
  ledger_id: 'a row of a ledger that does not exist: nobody reads it',
  'block_body.height': 'a body without a block row: nobody reads it',
  'cosignature.size': 'a cosignature of no checkpoint: nobody reads it',
};

export interface Expected {
  /** Who has to say it; nobody else has to say anything. */
  readonly looks: readonly Look[];
  readonly codes: readonly VerdictCode[];
  /** True for a finding that names the record that was changed. */
  readonly names: (seen: Seen) => boolean;
}

/** Null for what no look can tell. `firstOf`: index of the first entry of a block. */
export function expectedOf(mutation: Mutation, firstOf: (height: number) => number): Expected | null {
  const { table, column, kind } = mutation;
  if (OPEN[table] !== undefined || OPEN[`${table}.${column}`] !== undefined) return null;
  const beside = BESIDE[column ?? ''] ?? BESIDE[`${table}.${column}`];
  if (kind === 'more' && table !== 'ledger' && beside !== undefined) return null;
  const make = TABLES[table];
  if (!make) throw new Error(`the oracle knows nothing of table ${table}`);
  const expected = make(mutation, firstOf);
  return { ...expected, names: (seen) => expected.names(seen) || isUnsafe(mutation, seen.detail) };
}

const TABLES: Readonly<Record<string, (mutation: Mutation, firstOf: (height: number) => number) => Expected>> = {
  block: (mutation) => ({
    // A row that was moved up to where the log goes on is met by the tail as well.
    looks: mutation.column === 'height' ? ['bodies', 'tail'] : ['bodies'],
    codes: ['block.chain', 'block.missing', 'log.truncated'],
    names: ({ height, index, detail }) =>
      isOneOf(height, mutation, 'height') ||
      isOneOf(index, mutation, 'first') ||
      isNamed(detail, mutation, (row) => `, block ${row.height} stands`) ||
      isNamed(detail, mutation, (row) => `a block row of height ${row.height} stands`),
  }),
  block_body: bodyChange,
  tile: (mutation) => {
    const at = (row: Mutation['row']): number => Number(row.number) * 256 ** (Number(row.level) + 1);
    const { level, number } = after(mutation);
    return {
      looks: ['stored'],
      codes: ['tile.altered'],
      names: ({ index, detail }) =>
        index === at(mutation.row) ||
        index === at(after(mutation)) ||
        detail.includes(`tile ${number} of level ${level}`),
    };
  },
  // Whoever reads the head finds no ledger, too, and says so.
  ledger: ({ row }) => ({
    looks: LOOKS,
    codes: ['store.catalog', 'block.chain', 'index.altered', 'tile.altered', 'checkpoint.signature'],
    names: ({ detail }) =>
      detail.includes(`table ledger names this log as number ${row.ledger_id}`) ||
      /there is no ledger 1 |ledger 1 has more than one head row|table ledger holds/.test(detail),
  }),
  ledger_head: (mutation) => ({
    looks: isReadWhole(mutation) ? (mutation.column === 'frontier' ? ['stored'] : ['tail']) : LOOKS,
    codes: ['block.chain', 'log.truncated', 'log.rolled-back', 'tile.altered', 'index.altered', 'checkpoint.signature'],
    names: ({ detail }) => /head|there is no ledger 1 /.test(detail),
  }),
  index_head: () => ({
    looks: ['index'],
    codes: ['index.missing', 'index.altered', 'index.extra'],
    names: ({ detail }) => /index head|the index ends before|end of the index/.test(detail),
  }),
  frame: (mutation) => ({
    looks: ['index'],
    codes: ['index.altered', 'index.missing', 'index.extra'],
    names: ({ index, detail }) =>
      isOneOf(index, mutation, 'position') ||
      isNamed(detail, mutation, (row) => `frame ${row.number} of ${row.ingester} `),
  }),
  gap: (mutation) => ({
    looks: ['index'],
    codes: ['index.altered', 'index.missing', 'index.extra'],
    names: ({ index, detail }) =>
      isOneOf(index, mutation, 'position') ||
      isNamed(detail, mutation, (row) => `gap of ${row.ingester} from frame ${row.first} `),
  }),
  event_index: (mutation, firstOf) => ({
    looks: ['index'],
    codes: ['index.altered', 'index.missing', 'index.extra'],
    // A row with a null that cannot be is not read any further: its block is named.
    names: ({ index, height }) =>
      isOneOf(index, mutation, 'position') ||
      (mutation.value === null && height !== null && isIn(Number(mutation.row.position), height, firstOf)),
  }),
  // One that is gone is contradicted by its anchors as well.
  checkpoint: (mutation) => ({
    looks: ['stored'],
    codes: ['checkpoint.signature', 'checkpoint.mismatch', 'anchor.mismatch'],
    names: ({ index, detail }) =>
      isOneOf(index, mutation, 'size') || (mutation.value === null && detail.includes('a checkpoint row of no size')),
  }),
  cosignature: (mutation) => ({
    looks: ['stored'],
    codes: ['checkpoint.signature', 'checkpoint.mismatch'],
    names: ({ index }) => isOneOf(index, mutation, 'size'),
  }),
  anchor: (mutation) => ({
    looks: ['stored'],
    codes: ['anchor.mismatch', 'anchor.missing'],
    names: ({ index, detail }) =>
      isNamed(detail, mutation, (row) => `at ${row.target} (${row.kind})`) &&
      (isOneOf(index, mutation, 'size') || (mutation.value === null && detail.includes('an anchor row of no size'))),
  }),
};

/** False when the row is gone, stands twice, or holds what cannot be read or another size: every look that reads it says so. */
function isReadWhole({ kind, column, value }: Mutation): boolean {
  const whole = ['delete', 'twice', 'more'].includes(kind) || ['ledger_id', 'size'].includes(column ?? '');
  return (
    !whole && value !== null && !/infinity|20000/.test(value) && BigInt(/^-?\d+$/.test(value) ? value : 0) <= 2n ** 53n
  );
}

/** A byte that was flipped inside an entry names that entry; what changes the lengths names the block. */
function bodyChange(mutation: Mutation, firstOf: (height: number) => number): Expected {
  const { row, kind, column, at } = mutation;
  const codes: VerdictCode[] = ['entry.altered', 'entry.missing', 'entry.inserted', 'entry.reordered'];
  const entry = kind === 'flip' && column === 'body' && at !== null ? entryAt(bytesOf(row.body), at) : null;
  return {
    looks: ['bodies'],
    codes: [...codes, 'block.missing', 'block.chain', 'block.signature', 'log.truncated'],
    names: ({ height, index }) =>
      isOneOf(height, mutation, 'height') && (entry === null || index === firstOf(Number(row.height)) + entry),
  };
}

function bytesOf(text: string | null | undefined): Buffer {
  return Buffer.from((text ?? '\\x').slice(2), 'hex');
}

/** Which entry of a body holds this byte; null for a byte of a length. */
function entryAt(body: Buffer, at: number): number | null {
  const offsets = splitBundle(body);
  for (let i = 0; i < offsets.count; i++) if (offsets.start(i) <= at && at < offsets.end(i)) return i;
  return null;
}

/** The row as it stands now. */
function after({ row, column, value }: Mutation): Mutation['row'] {
  return column === null ? row : { ...row, [column]: value };
}

/** True when a number is what a column of the row says, before or after the change. */
function isOneOf(number: number | null, mutation: Mutation, column: string): boolean {
  return number !== null && [mutation.row, after(mutation)].some((row) => row[column] === String(number));
}

/** A number that no JavaScript number holds is told by its own digits: counts name the one behind it. */
function isUnsafe({ value }: Mutation, detail: string): boolean {
  if (value === null || !/^\d{16,}$/.test(value)) return false;
  return [0n, 1n].some((more) => detail.includes(`the database holds ${BigInt(value) + more} `));
}

function isIn(position: number, height: number, firstOf: (height: number) => number): boolean {
  return firstOf(height) <= position && position < firstOf(height + 1);
}

function isNamed(detail: string, mutation: Mutation, name: (row: Mutation['row']) => string): boolean {
  return [mutation.row, after(mutation)].some((row) => detail.includes(name(row)));
}
