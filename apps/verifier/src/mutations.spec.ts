/**
 * Random changes of every table and column of the store, one at a time, each judged by an oracle that knows what was changed:
 * found by the look whose business it is, with a code that says so, naming the record and no other one; and gone once the
 * row stands again as it was. Nothing else may be said, so nothing is found by luck, and with that one look left out the change
 * goes unnoticed: that is the control.
 *
 * `npm run test:tamper` runs a thousand of them with a seed of its own; here a few with a fixed one.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { opensslMissing, recordTamper, tamperRun, TestPostgres, TestTsa } from '@everseal/testing';
import type { Client } from 'pg';
import { Draw, Mutator, NUMBERS, type Mutation } from './mutation.fixture.js';
import { BESIDE, expectedOf, OPEN } from './mutation-oracle.fixture.js';
import { SweptLog, type Seen } from './swept-log.fixture.js';

const { seed = 11, mutations: MUTATIONS = 60 } = tamperRun();
const START_MS = 60_000;
const MOST_MS = START_MS + MUTATIONS * 4_000;
/** What of a long value is shown. */
const SHOWN = 60;

let server: TestPostgres;
let authority: TestTsa | null = null;
let swept: SweptLog;
let dba: Client;
let mutator: Mutator;

beforeAll(async () => {
  server = await TestPostgres.start();
  const missing = opensslMissing();
  if (missing === null) authority = await TestTsa.start();
  else process.stderr.write(`mutations.spec, rows of time stamps: ${missing}\n`);
  swept = await SweptLog.create(server, 'mutations', { anchors: { authority } });
  dba = await swept.log.store.superuser();
  mutator = await Mutator.open(dba);
}, START_MS);
afterAll(async () => {
  await dba?.end();
  await swept?.close();
  await server?.stop();
  await authority?.stop();
});

/** Null when all is as it should be; what is wrong, for people. */
function judge(mutation: Mutation, seen: readonly Seen[]): string | null {
  const expected = expectedOf(mutation, (height) => swept.firstOf(height))!;
  if (seen.length === 0) return 'nothing was found';
  const wrong = seen.find(({ look, code }) => !expected.looks.includes(look) || !expected.codes.includes(code));
  if (wrong) return `${wrong.look} says ${wrong.code}`;
  const other = seen.find((finding) => !expected.names(finding));
  return other ? `${other.code} names another record` : null;
}

/** Looks at a change that stands, and again once it is healed. Nothing is expected of what no look can tell. */
async function judgeAndHeal(mutation: Mutation): Promise<{ isJudged: boolean; wrong: string[] }> {
  const wrong: string[] = [];
  const isJudged = expectedOf(mutation, (height) => swept.firstOf(height)) !== null;
  if (isJudged) {
    const seen = await swept.look();
    const said = judge(mutation, seen);
    if (said !== null) wrong.push(`${said}: ${described(mutation, seen)}`);
  }
  await mutator.restore(mutation);
  const after = await swept.look();
  if (after.length > 0) wrong.push(`not healed: ${described(mutation, after)}`);
  return { isJudged, wrong };
}

function described({ table, kind, column, row, value, at }: Mutation, seen: readonly Seen[]): string {
  const short = (text: string | null): string => (text === null ? 'null' : text.slice(0, SHOWN));
  const of = Object.entries(row).map(([name, was]) => `${name}=${short(was)}`);
  const said = seen.map(({ look, code, index, height, detail }) => `${look} ${code} ${index} ${height} ${detail}`);
  return `${kind} ${table}.${column ?? '*'} ${at ?? ''} to ${short(value)} in [${of.join(' ')}]: ${said.join(' | ')}`;
}

describe('a random change of a row', () => {
  it('is not made while nothing is: nothing is found (control)', async () => {
    expect(swept.derived).toBe(swept.log.size);
    expect(await swept.look()).toEqual([]);
  });

  it(
    `is found, named, and gone when it is healed: ${MUTATIONS} of them, seed ${seed}`,
    async () => {
      const draw = new Draw(seed);
      const tables = [...mutator.tables.keys()].filter((table) => OPEN[table] === undefined);
      const made = new Map<string, number>();
      const failures: string[] = [];
      const began = Date.now();
      for (let judged = 0; judged < MUTATIONS && failures.length < 20;) {
        const table = draw.of(tables);
        const mutation = await mutator.change(draw, table);
        if (mutation === null) continue;
        const { isJudged, wrong } = await judgeAndHeal(mutation);
        failures.push(...wrong.map((what) => `change ${judged}: ${what}`));
        if (!isJudged) continue;
        made.set(table, (made.get(table) ?? 0) + 1);
        judged++;
      }
      expect(failures).toEqual([]);
      const seconds = (Date.now() - began) / 1_000;
      const each = [...made].map(([table, count]) => `${table} ${count}`).join(', ');
      const what = `${MUTATIONS} changes, seed ${seed}: ${each}`;
      const rows = Object.entries(BESIDE).map(([column, why]) => [`a row more, other ${column}`, why] as const);
      for (const [column, why] of [...Object.entries(OPEN), ...rows]) {
        recordTamper({ act: 'open', what: column, expected: [], seen: [], seconds: 0, named: why });
      }
      recordTamper({ act: 'random', what, expected: [], seen: [], seconds, named: 'each named, none by luck' });
    },
    MOST_MS,
  );

  it(
    'that stands beside the true ones, with any number in any place, is found and named',
    async () => {
      const draw = new Draw(seed);
      const failures: string[] = [];
      for (const [table, columns] of mutator.tables) {
        if (OPEN[table] !== undefined) continue;
        for (const { name } of columns.filter((column) => NUMBERS.includes(column.name))) {
          for (const value of [null, '-7', '0', '3', '600', '30000', `${2n ** 53n + 1n}`]) {
            const mutation = await mutator.more(draw, table, name, value);
            if (mutation !== null) failures.push(...(await judgeAndHeal(mutation)).wrong);
          }
        }
      }
      expect(failures).toEqual([]);
    },
    MOST_MS,
  );
});

describe('an anchor', () => {
  /** Does it, looks, puts the table back, looks again. @returns what was said, as `code size` */
  async function seenAfter(sql: string): Promise<string[]> {
    const { rows } = await dba.query<{ size: string }>(`SELECT DISTINCT size FROM everseal.anchor ORDER BY size`);
    const names = new Map(rows.map(({ size }, i) => [Number(size), `checkpoint ${i}`]));
    const { rows: was } = await dba.query('SELECT * FROM everseal.anchor ORDER BY size, kind');
    await dba.query(sql);
    const seen = await swept.look(['stored']);
    await dba.query('DELETE FROM everseal.anchor');
    for (const { ledger_id: ledger, size, kind, target, evidence, stored } of was) {
      const values = [ledger, size, kind, target, evidence, stored];
      await dba.query('INSERT INTO everseal.anchor VALUES ($1, $2, $3, $4, $5, $6)', values);
    }
    expect(await swept.look(['stored'])).toEqual([]); // the control: the same look finds nothing
    return seen.map(({ code, index }) => `${code} ${names.get(index ?? -1) ?? index}`);
  }

  it('T16: that is taken away, given another content, moved or copied is found and named', async () => {
    const at = (n: number): string =>
      `size = (SELECT DISTINCT size FROM everseal.anchor ORDER BY size OFFSET ${n} LIMIT 1)`;
    const file = `kind = 'file'`;
    expect(await seenAfter(`DELETE FROM everseal.anchor WHERE ${file} AND ${at(3)}`)).toEqual([
      'anchor.missing checkpoint 3',
    ]);
    expect(await seenAfter(`DELETE FROM everseal.anchor WHERE ${file} AND ${at(0)}`)).toEqual([
      'anchor.missing checkpoint 0',
    ]);
    const other = `(SELECT evidence FROM everseal.anchor b WHERE b.kind = a.kind AND ${at(1)})`;
    expect(await seenAfter(`UPDATE everseal.anchor a SET evidence = ${other} WHERE ${file} AND ${at(2)}`)).toEqual([
      'anchor.mismatch checkpoint 2',
    ]);
    expect(await seenAfter(`UPDATE everseal.anchor SET target = 'elsewhere' WHERE ${file} AND ${at(1)}`)).toEqual([
      'anchor.missing checkpoint 1',
    ]);
    expect(
      await seenAfter(`INSERT INTO everseal.anchor SELECT * FROM everseal.anchor WHERE ${file} AND ${at(1)}`),
    ).toEqual(['anchor.mismatch checkpoint 1']);
    recordTamper({
      act: 'T16',
      what: 'anchors taken away, altered, moved, copied',
      expected: ['anchor.mismatch', 'anchor.missing'],
      seen: ['anchor.mismatch', 'anchor.missing'],
      seconds: 0,
      named: 'the anchor and the size of its checkpoint',
    });
  });

  (opensslMissing() === null ? it : it.skip)(
    'T16: that is a time stamp of another authority, or of another checkpoint, is found and named',
    async () => {
      const stranger = await TestTsa.start();
      const forged = await SweptLog.create(server, 'forged', { anchors: { authority: stranger } });
      await stranger.stop();
      const [row] = await forged.log.store.sql(
        `SELECT evidence FROM everseal.anchor WHERE kind = 'rfc3161' ORDER BY size OFFSET 1 LIMIT 1`,
      );
      await forged.close();
      const second = `kind = 'rfc3161' AND size = (SELECT DISTINCT size FROM everseal.anchor ORDER BY size OFFSET 1 LIMIT 1)`;
      const evidence = `'\\x${(row!['evidence'] as Buffer).toString('hex')}'::bytea`;
      expect(await seenAfter(`UPDATE everseal.anchor SET evidence = ${evidence} WHERE ${second}`)).toEqual([
        'anchor.mismatch checkpoint 1',
      ]);
    },
  );
});
