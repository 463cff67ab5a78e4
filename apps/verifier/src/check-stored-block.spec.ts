import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  encodeBundle,
  leafHash,
  LogState,
  NOTE_KEY,
  parseBlockText,
  parseNote,
  sha256,
  signBlock,
  SigningKey,
  splitBundle,
  treeRoot,
  type Finding,
  type Hash,
} from '@everseal/audit-core';
import type { StoredBlock } from '@everseal/ledger-store';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import fc from 'fast-check';
import { genesisKeys, KEYS, LogWriter } from '../../../libs/audit-core/src/log.fixture.js';
import { checkStoredBlock, type Place } from './check-stored-block.js';
import { LeafFile } from './leaf-file.js';
import { RememberedTree } from './remembered-tree.js';

interface Row extends StoredBlock {
  sealed: string;
}

let folder: TemporaryFolder;
let tree: RememberedTree;
let rows: Row[];

beforeAll(async () => {
  folder = temporaryFolder('check');
  const log = new LogWriter();
  log.block();
  log.block(log.frame('a', ['{"n":1}', '{"n":2}', '{"n":3}']), log.frame('b', ['{"n":4}']));
  log.block(log.frame('a', ['{"n":5}', '{"n":6}']));
  log.block();
  log.block(log.frame('b', ['{"n":7}', '{"n":8}', '{"n":9}', '{"n":10}']));
  const state = LogState.empty(log.trust);
  tree = await RememberedTree.load(LeafFile.open(path.join(folder.path, 'leaves')), 0);
  rows = log.bodies.map((body, height) => {
    const read = state.readBlock(body);
    if (!read.ok) throw new Error(read.finding.detail);
    tree.append(read.leaves, read.growth);
    const { first, entries, sealed } = read.block;
    return { height, first, entries, next: first + entries + 1, hash: read.hash, body, bodyBytes: body.length, sealed };
  });
});
afterAll(() => {
  tree.close();
  folder.remove();
});

const entriesOf = (body: Buffer): Buffer[] => {
  const offsets = splitBundle(body);
  return Array.from({ length: offsets.count }, (_, i) => Buffer.from(body.subarray(offsets.start(i), offsets.end(i))));
};

/** A pass over these rows: everything that it finds. */
function sweep(stored: readonly Row[]): Finding[] {
  const findings: Finding[] = [];
  let place: Place = { height: 0, first: 0 };
  for (const { sealed, ...row } of stored) {
    const checked = checkStoredBlock(row, sealed, place, tree, [genesisKeys().log]);
    findings.push(...checked.findings);
    place = checked.next;
  }
  return findings;
}

/** The pass after one row was changed. */
const sweepWith = (height: number, change: Partial<Row>): Finding[] =>
  sweep(rows.map((row) => (row.height === height ? { ...row, ...change } : row)));
const sweepBody = (height: number, entries: readonly Buffer[]): Finding[] =>
  sweepWith(height, { body: encodeBundle([...entries]) });
const named = (findings: readonly Finding[]): unknown[] =>
  findings.map(({ code, index, height }) => [code, index, height]);

describe('a stored block', () => {
  it('gives no finding when it stands as it was sealed', () => {
    expect(sweep(rows)).toEqual([]);
  });

  it('is altered when an entry has other bytes: the first of them is named', () => {
    const { body, first } = rows[1]!;
    for (let i = 0; i < entriesOf(body!).length - 1; i++) {
      const entries = entriesOf(body!);
      entries[i]![20]! ^= 1;
      expect(named(sweepBody(1, entries))).toEqual([['entry.altered', first + i, 1]]);
    }
    const two = entriesOf(body!);
    two[2]![20]! ^= 1;
    two[4]![20]! ^= 1;
    const [found] = sweepBody(1, two);
    expect(found).toMatchObject({ code: 'entry.altered', index: first + 2 });
    expect(found!.expected).toBe(tree.leafHash(first + 2).toString('base64'));
    expect(found!.found).toBe(leafHash(two[2]!).toString('base64'));
  });

  it('misses an entry that was taken out, wherever it stood', () => {
    const { body, first } = rows[1]!;
    const entries = entriesOf(body!);
    for (let i = 0; i < entries.length; i++) {
      const left = entries.filter((_, at) => at !== i);
      expect(named(sweepBody(1, left))).toEqual([['entry.missing', first + i, 1]]);
    }
    expect(
      named(
        sweepBody(
          1,
          entries.filter((_, at) => at !== 1 && at !== 2),
        ),
      ),
    ).toEqual([['entry.missing', first + 1, 1]]);
  });

  it('holds an inserted entry, wherever it was put', () => {
    const { body, first } = rows[1]!;
    const entries = entriesOf(body!);
    for (let i = 0; i < entries.length; i++) {
      const more = entries.toSpliced(i, 0, Buffer.from('{"ledger":"backdated"}'));
      expect(named(sweepBody(1, more))).toEqual([['entry.inserted', first + i, 1]]);
    }
  });

  it('is reordered when the same entries stand in another order', () => {
    const { body, first } = rows[1]!;
    const entries = entriesOf(body!);
    [entries[1], entries[3]] = [entries[3]!, entries[1]!];
    expect(named(sweepBody(1, entries))).toEqual([['entry.reordered', first + 1, 1]]);
  });

  it('is altered when it is no entry bundle, and missing without its body', () => {
    const { body, first } = rows[2]!;
    expect(named(sweepWith(2, { body: body!.subarray(0, -1) }))).toEqual([['entry.altered', first, 2]]);
    expect(named(sweepWith(2, { body: null, bodyBytes: null }))).toEqual([['block.missing', first, 2]]);
  });

  it('is altered when its note was spoiled', () => {
    const { body, next } = rows[2]!;
    const entries = entriesOf(body!);
    entries.at(-1)![3]! ^= 1;
    expect(named(sweepBody(2, entries))).toEqual([['entry.altered', next - 1, 2]]);
  });
});

/** A block over other entries, its note made anew by somebody who has this key. */
function rewritten(height: number, key: SigningKey, change: (entries: Buffer[]) => Buffer[]): Buffer[] {
  const { body, first } = rows[height]!;
  const entries = entriesOf(body!);
  const note = entries.pop()!;
  const changed = change(entries);
  const before = Array.from({ length: first }, (_, i): Hash => tree.leafHash(i));
  const root = treeRoot([...before, ...changed.map((entry) => leafHash(entry))]);
  const block = { ...parseBlockText(parseNote(note).text), entries: changed.length, root };
  return [...changed, Buffer.from(signBlock(block, key))];
}
const altered = (entries: Buffer[]): Buffer[] => {
  entries[2]![20]! ^= 1;
  return entries;
};
const thief = SigningKey.fromSeed(KEYS.log.name, sha256(Buffer.from('not the log key')), NOTE_KEY);

describe('a block that was rewritten with its note', () => {
  it('is a forgery without the log key, and another history with it', () => {
    const index = rows[1]!.first + 2;
    expect(named(sweepBody(1, rewritten(1, thief, altered)))).toEqual([['block.signature', index, 1]]);
    expect(named(sweepBody(1, rewritten(1, KEYS.log, altered)))).toEqual([['checkpoint.mismatch', index, 1]]);
  });

  it('is found with its row made to fit as well, and when it holds fewer entries', () => {
    for (const [key, code] of [
      [thief, 'block.signature'],
      [KEYS.log, 'checkpoint.mismatch'],
    ] as const) {
      const entries = rewritten(4, key, (all) => all.slice(0, -1));
      const { first } = rows[4]!;
      const change = { entries: entries.length - 1, next: first + entries.length, hash: leafHash(entries.at(-1)!) };
      expect(named(sweepWith(4, { ...change, body: encodeBundle(entries) }))[0]).toEqual([code, first + 4, 4]);
    }
  });
});

describe('the row beside a body', () => {
  it.each<[string, (row: Row) => Partial<Row>]>([
    ['first', ({ first, next }) => ({ first: first - 1, next: next - 1 })],
    ['entries', ({ entries, next }) => ({ entries: entries + 1, next: next + 1 })],
    ['entries', ({ entries, next }) => ({ entries: entries - 1, next: next - 1 })],
    ['next', ({ next }) => ({ next: next + 40 })],
    ['hash', () => ({ hash: sha256(Buffer.from('x')) })],
    ['sealed', () => ({ sealed: '2026-01-01T00:00:00.000Z' })],
  ])('is told from the body when %s is spoiled', (column, change) => {
    const [found, ...others] = sweepWith(2, change(rows[2]!));
    expect(others).toEqual([]);
    expect(found).toMatchObject({ code: 'block.chain', index: rows[2]!.first, height: 2 });
    expect(found!.detail).toContain(`column ${column} of the block row`);
  });

  it('is not held against a block whose row is gone by now', () => {
    const { sealed: _, ...row } = rows[0]!;
    expect(checkStoredBlock(row, undefined, { height: 0, first: 0 }, tree, [genesisKeys().log]).findings).toEqual([]);
  });
});

describe('blocks among each other', () => {
  it.each([[[1]], [[0]], [[1, 2]], [[2, 3]]])('%j gone are missing, once', (gone) => {
    const left = rows.filter(({ height }) => !gone.includes(height));
    const { first, height } = rows[gone[0]!]!;
    expect(named(sweep(left))).toEqual([['block.missing', first, height]]);
  });

  it('stand out of the chain when two bodies are swapped', () => {
    const [second, fourth] = [rows[1]!.body, rows[4]!.body];
    const swapped = rows.map((row) => ({
      ...row,
      body: row.height === 1 ? fourth : row.height === 4 ? second : row.body,
    }));
    expect(named(sweep(swapped))).toEqual([
      ['block.chain', rows[1]!.first, 1],
      ['block.chain', rows[4]!.first, 4],
    ]);
  });

  it('leave entries uncovered when one stands in the place of another', () => {
    const findings = sweepWith(2, { body: rows[1]!.body });
    expect(named(findings)).toEqual([
      ['block.chain', rows[2]!.first, 2],
      ['block.missing', rows[2]!.first, 2],
    ]);
  });
});

describe('any single change of one block', () => {
  it('is found, and names that block', () => {
    fc.assert(
      fc.property(fc.nat(rows.length - 1), fc.nat(), fc.nat(7), (height, at, bit) => {
        const body = Buffer.from(rows[height]!.body!);
        body[at % body.length]! ^= 1 << bit;
        const findings = sweepWith(height, { body });
        expect(findings).toHaveLength(1);
        expect(findings[0]!.height).toBe(height);
      }),
      { numRuns: 500 },
    );
  });
});
