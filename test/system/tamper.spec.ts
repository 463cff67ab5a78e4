/**
 * Tampering by a superuser of the database, with every guard of the schema switched off and all services running: one change
 * of each kind, the verdict that names it, and the end of the alert once the record stands again as it was.
 *
 * The control of every case is the look before it: every sweep has passed over the whole ledger since the case before and
 * nothing is open. And while a change stands, the sweeps pass twice more: nothing else may be raised.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  encodeBundle,
  encodeEventEntry,
  entryKind,
  eventPrefix,
  leafHash,
  parseBlockText,
  parseFrameText,
  parseNote,
  sha256,
  signBlock,
  signFrame,
  signKeySet,
  SigningKey,
  NOTE_KEY,
  splitBundle,
  treeRoot,
  type Hash,
} from '@everseal/audit-core';
import { waitUntil } from '@everseal/local';
import {
  AlertWatch,
  InstalledSystem,
  JournalProducer,
  LogOracle,
  recordTamper,
  type SeenAlert,
} from '@everseal/testing';
import { Client } from 'pg';

const START_MS = 180_000;
const WITHIN_MS = 60_000;
/** Sweeps without a pause and at full speed: a pass over so small a ledger takes some milliseconds. */
const SWEEP = { sweep: { bodies: 0, index: 0, stored: 0, pauseMs: 50, busyPercent: 100 } };
const SWEEPS = ['bodies', 'index', 'stored'] as const;
/** Every trigger of the schema that is not a copy of one on a partitioned table. */
const TRIGGERS = `SELECT tgrelid::regclass::text AS table, tgname AS name FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
  WHERE relnamespace = 'everseal'::regnamespace AND NOT tgisinternal AND tgparentid = 0`;

/** One entry of the log as it was sealed. */
interface Entry {
  readonly index: number;
  readonly height: number;
  readonly bytes: Buffer;
}

let system: InstalledSystem;
let alerts: AlertWatch;
let oracle: LogOracle;
let producer: JournalProducer;
let dba: Client;
let triggers: { table: string; name: string }[];
/** Everything that was sealed, read before the first change. */
let log: Entry[][];

beforeAll(async () => {
  system = await InstalledSystem.start({ settings: { 'verifier-v1': SWEEP } });
  const { installation, origin, keys, ledger, trust } = system;
  alerts = await AlertWatch.open(installation);
  oracle = await LogOracle.open(await installation.logins.postgres('ops', 'ops'), trust);
  dba = new Client(await installation.logins.superuser());
  await dba.connect();
  await dba.query("SET search_path = everseal; SET session_replication_role = 'replica'");
  triggers = (await dba.query<{ table: string; name: string }>(TRIGGERS)).rows;
  producer = await JournalProducer.open({
    login: installation.logins.nats('producer', 'orders'),
    ledger,
    producer: 'orders',
    origin,
    ingestKeys: keys.ingest,
    source: 'https://orders.example.com/shop',
  });
  // Blocks that follow one another, each with several frames and events, and some full tiles.
  for (let block = 1; block <= 6; block++) {
    await producer.load(20, 3, () => producer.receipted.length >= 120 * block);
    await oracle.caughtUp(producer.journal, WITHIN_MS);
  }
  await oracle.cosigned(WITHIN_MS);
  log = await readLog();
}, START_MS);

afterAll(async () => {
  await producer?.close();
  await alerts?.close();
  await oracle?.close();
  await dba?.end();
  await system?.stop();
}, START_MS);

async function readLog(): Promise<Entry[][]> {
  const query = 'SELECT height, first, body FROM block JOIN block_body USING (ledger_id, height) ORDER BY height';
  const { rows } = await dba.query<{ height: string; first: string; body: Buffer }>(query);
  return rows.map(({ height, first, body }) => {
    const offsets = splitBundle(body);
    return Array.from({ length: offsets.count }, (_, i) => ({
      index: Number(first) + i,
      height: Number(height),
      bytes: Buffer.from(body.subarray(offsets.start(i), offsets.end(i))),
    }));
  });
}

const bundle = (entries: readonly { bytes: Buffer }[]): Buffer => encodeBundle(entries.map(({ bytes }) => bytes));
const isEvent = ({ bytes }: Entry): boolean => bytes[0] === 0x7b;
const altered = (entry: Entry): Entry => {
  const bytes = Buffer.from(entry.bytes);
  bytes[bytes.indexOf('user-') + 5]! ^= 1; // another actor
  return { ...entry, bytes };
};
const idOf = ({ bytes }: Entry): string => (JSON.parse(bytes.toString()) as { event: { id: string } }).event.id;

/** Statements in one transaction, in which the triggers that refuse changes are switched off and on again. */
async function asSuperuser(...statements: readonly [string, ...unknown[]][]): Promise<void> {
  await dba.query('BEGIN');
  try {
    await dba.query(switchTriggers('DISABLE'));
    for (const [statement, ...values] of statements) {
      const { rowCount } = await dba.query(statement, values);
      if (rowCount === 0) throw new Error(`nothing was changed by ${statement}`);
    }
    await dba.query(`${switchTriggers('ENABLE ALWAYS')}; COMMIT`);
  } catch (error) {
    await dba.query('ROLLBACK');
    throw error;
  }
}

function switchTriggers(how: 'DISABLE' | 'ENABLE ALWAYS'): string {
  return triggers.map(({ table, name }) => `ALTER TABLE ${table} ${how} TRIGGER ${name}`).join('; ');
}

/** Waits until every sweep has gone over the ledger so many times more. */
async function passes(times: number): Promise<void> {
  const passed = (sweep: string): Promise<number> =>
    system.metric('verifier', 'v1', `everseal_sweep_${sweep}_passes_total`);
  await Promise.all(
    SWEEPS.map(async (sweep) => {
      const wanted = (await passed(sweep)) + times;
      await waitUntil(async () => (await passed(sweep)) >= wanted, {
        what: `the ${sweep} sweep`,
        timeoutMs: WITHIN_MS,
      });
    }),
  );
}

interface Case {
  readonly change: readonly [string, ...unknown[]][];
  readonly restore: readonly [string, ...unknown[]][];
  /** The codes that must stand while the change does, and no others. */
  readonly codes: readonly string[];
}

/** Makes the change, and gives the alerts that stand while it does; everything is cleared when it resolves. */
async function tamper({ change, restore, codes }: Case): Promise<SeenAlert[]> {
  await passes(2);
  expect(alerts.open).toEqual([]);
  const began = Date.now();
  await asSuperuser(...change);
  let standing: SeenAlert[];
  let seconds: number;
  try {
    for (const code of codes) await alerts.raised(code, WITHIN_MS);
    seconds = (Date.now() - began) / 1_000;
    await passes(2);
    standing = alerts.open;
  } finally {
    await asSuperuser(...restore);
  }
  await alerts.allCleared(WITHIN_MS);
  record(codes, standing, seconds);
  expect([...new Set(standing.map(({ code }) => code))].sort()).toEqual([...codes].sort());
  expect(alerts.problems).toEqual([]);
  return standing;
}

/** For the matrix of `npm run test:tamper`; the title of the test says which act it is. */
function record(expected: readonly string[], standing: readonly SeenAlert[], seconds: number): void {
  const what = expect.getState().currentTestName ?? '';
  const seen = [...new Set(standing.map(({ code }) => code))];
  const places = standing.map(({ code, first, lastGoodBlock }) => {
    const { index = null, height = null, eventId = null } = first ?? {};
    return `${code}: entry ${index}, block ${height}, event ${eventId}, last good block ${lastGoodBlock ?? null}`;
  });
  recordTamper({ act: /T\d+/.exec(what)?.[0] ?? '', what, expected, seen, seconds, named: places[0] ?? '' });
}

/** Replaces a body, and puts it back. */
function bodyCase(height: number, body: Buffer, code: string): Case {
  const update = 'UPDATE block_body SET body = $2 WHERE height = $1';
  return {
    change: [[update, height, body]],
    restore: [[update, height, bundle(log[height]!)]],
    codes: [code],
  };
}

/** Deletes rows and puts them back as they were; `columns` where not all of them may be given. */
function deletion(rows: readonly [table: string, where: string, columns?: string][], ...codes: string[]): Case {
  return {
    change: rows.flatMap(([table, where]): [string][] => [
      [`CREATE TEMPORARY TABLE kept_${table} AS SELECT * FROM ${table} WHERE ${where}`],
      [`DELETE FROM ${table} WHERE ${where}`],
    ]),
    restore: rows
      .toReversed()
      .flatMap(([table, , columns = '*']): [string][] => [
        [`INSERT INTO ${table} ${columns === '*' ? '' : `(${columns})`} SELECT ${columns} FROM kept_${table}`],
        [`DROP TABLE kept_${table}`],
      ]),
    codes,
  };
}
const BLOCK = 'ledger_id, height, first, next, entries, hash, sealed, stored';

/** One value of one row replaced, and put back. */
async function valueCase(
  table: string,
  column: string,
  where: string,
  value: string,
  ...codes: string[]
): Promise<Case> {
  const { rows } = await dba.query<{ was: string }>(`SELECT ${column}::text AS was FROM ${table} WHERE ${where}`);
  const type = (await dba.query<{ t: string }>(`SELECT pg_typeof(${column})::text AS t FROM ${table} LIMIT 1`)).rows[0]!
    .t;
  return {
    change: [[`UPDATE ${table} SET ${column} = ${value} WHERE ${where}`]],
    restore: [[`UPDATE ${table} SET ${column} = $1::${type} WHERE ${where}`, rows[0]!.was]],
    codes,
  };
}

const flipped = (column: string, at: number): string => `set_byte(${column}, ${at}, get_byte(${column}, ${at}) # 1)`;

describe('a body', () => {
  it(
    'T1: with one byte of an event changed: entry.altered names the event',
    async () => {
      const block = log[2]!;
      const victim = block.filter(isEvent)[5]!;
      const entries = block.map((entry) => (entry === victim ? altered(entry) : entry));
      const [alert] = await tamper(bodyCase(2, bundle(entries), 'entry.altered'));
      expect(alert).toMatchObject({
        first: { index: victim.index, height: 2, eventId: idOf(victim) },
        lastGoodBlock: 1,
      });
    },
    START_MS,
  );

  it(
    'T7: without one of its events: entry.missing names the event that is gone',
    async () => {
      const block = log[3]!;
      const victim = block.filter(isEvent)[3]!;
      const entries = block.filter((entry) => entry !== victim);
      const [alert] = await tamper(bodyCase(3, bundle(entries), 'entry.missing'));
      expect(alert).toMatchObject({ first: { index: victim.index, height: 3, eventId: idOf(victim) } });
    },
    START_MS,
  );

  it(
    'T12: with a backdated event put in: entry.inserted',
    async () => {
      const block = log[3]!;
      const place = block.filter(isEvent)[3]!;
      const more = block.flatMap((entry) => (entry === place ? [altered(entry), entry] : [entry]));
      const [alert] = await tamper(bodyCase(3, bundle(more), 'entry.inserted'));
      expect(alert).toMatchObject({ first: { index: place.index, height: 3 } });
    },
    START_MS,
  );

  it(
    'T11: with two events swapped: entry.reordered',
    async () => {
      const block = log[4]!;
      const [one, other] = [block.filter(isEvent)[1]!, block.filter(isEvent)[7]!];
      const entries = block.map((entry) => (entry === one ? other : entry === other ? one : entry));
      const [alert] = await tamper(bodyCase(4, bundle(entries), 'entry.reordered'));
      expect(alert).toMatchObject({ first: { index: one.index, height: 4, eventId: idOf(one) } });
    },
    START_MS,
  );

  it(
    'T3: rewritten together with its note: block.signature without the log key, checkpoint.mismatch with it',
    async () => {
      const { installation, ledger } = system;
      const logKey = SigningKey.fromSkey(readFileSync(installation.keys.log(ledger), 'utf8').trim());
      const forger = SigningKey.fromSeed(logKey.name, sha256(Buffer.from('forger')), NOTE_KEY);
      const block = log[2]!;
      const victim = block.filter(isEvent)[0]!;
      const entries = block.slice(0, -1).map((entry) => (entry === victim ? altered(entry) : entry));
      const before = log.slice(0, 2).flat();
      const root = treeRoot([...before, ...entries].map(({ bytes }): Hash => leafHash(bytes)));
      const sealed = parseBlockText(parseNote(block.at(-1)!.bytes).text);
      for (const [key, code] of [
        [forger, 'block.signature'],
        [logKey, 'checkpoint.mismatch'],
      ] as const) {
        const note = { bytes: Buffer.from(signBlock({ ...sealed, root }, key)) };
        const [alert] = await tamper(bodyCase(2, bundle([...entries, note]), code));
        expect(alert).toMatchObject({ first: { index: victim.index, height: 2 } });
      }
    },
    START_MS,
  );
});

/** Level-0 tiles that are full and differ when the log holds these entries instead. */
function tileChanges(entries: readonly { bytes: Buffer }[]): {
  change: [string, ...unknown[]][];
  restore: Case['restore'];
} {
  const [was, now] = [log.flat(), entries].map((list) => list.map(({ bytes }) => leafHash(bytes)));
  const full = Array.from({ length: Math.floor(now!.length / 256) }, (_, number) => number);
  const update = (hashes: readonly Hash[], number: number): [string, ...unknown[]] => {
    const tile = hashes.slice(256 * number, 256 * (number + 1));
    const query = 'UPDATE tile SET data = $2, root = $3 WHERE level = 0 AND number = $1';
    return [query, number, Buffer.concat(tile), treeRoot(tile)];
  };
  const changed = full.filter((number) => {
    const of = (hashes: readonly Hash[]): Buffer => Buffer.concat(hashes.slice(256 * number, 256 * (number + 1)));
    return !of(was!).equals(of(now!));
  });
  return {
    change: changed.map((number) => update(now!, number)),
    restore: changed.map((number) => update(was!, number)),
  };
}

function logKeys(): { logKey: SigningKey; forger: SigningKey } {
  const { installation, ledger } = system;
  const logKey = SigningKey.fromSkey(readFileSync(installation.keys.log(ledger), 'utf8').trim());
  return { logKey, forger: SigningKey.fromSeed(logKey.name, sha256(Buffer.from('forger')), NOTE_KEY) };
}

describe('an event', () => {
  it(
    'T2: changed in its body, its tile and its row of the index alike: entry.altered, and tile.altered',
    async () => {
      const victim = log[1]!.filter(isEvent)[9]!;
      const swap = (entry: Entry): Entry => (entry === victim ? altered(entry) : entry);
      const tiles = tileChanges(log.flat().map(swap));
      expect(tiles.change).toHaveLength(1);
      const body = bodyCase(1, bundle(log[1]!.map(swap)), 'entry.altered');
      const actor = await valueCase('event_index', 'actor', `position = ${victim.index}`, `actor || '!'`);
      const standing = await tamper({
        change: [...body.change, ...tiles.change, ...actor.change],
        restore: [...body.restore, ...tiles.restore, ...actor.restore],
        codes: ['entry.altered', 'tile.altered'],
      });
      const alert = standing.find(({ code }) => code === 'entry.altered');
      expect(alert).toMatchObject({
        first: { index: victim.index, height: 1, eventId: idOf(victim) },
        lastGoodBlock: 0,
      });
    },
    START_MS,
  );
});

describe('the end of the log', () => {
  /** Every block from a height on with the victim changed: roots, notes, chain, tiles and head made to fit. */
  async function rewritten(from: number, victim: Entry, key: SigningKey, code: string): Promise<Case> {
    const blocks: { bytes: Buffer }[][] = log.slice(0, from);
    const updates: Case['change'][number][] = [];
    for (const block of log.slice(from)) {
      const height = block[0]!.height;
      const entries = block.slice(0, -1).map((entry) => (entry === victim ? altered(entry) : entry));
      const sealed = parseBlockText(parseNote(block.at(-1)!.bytes).text);
      const root = treeRoot([...blocks.flat(), ...entries].map(({ bytes }): Hash => leafHash(bytes)));
      const previous = height === from ? sealed.previous : leafHash(blocks.at(-1)!.at(-1)!.bytes);
      const note = { bytes: Buffer.from(signBlock({ ...sealed, root, previous }, key)) };
      blocks.push([...entries, note]);
      updates.push(['UPDATE block_body SET body = $2 WHERE height = $1', height, bundle(blocks.at(-1)!)]);
      updates.push(['UPDATE block SET hash = $2 WHERE height = $1', height, leafHash(note.bytes)]);
    }
    const head = (list: readonly { bytes: Buffer }[]): [string, ...unknown[]] => {
      const leaves = list.map(({ bytes }) => leafHash(bytes));
      return ['UPDATE ledger_head SET previous = $1, frontier = $2', leaves.at(-1), frontierOf(leaves)];
    };
    const back = log.slice(from).flatMap((block): [string, ...unknown[]][] => [
      ['UPDATE block_body SET body = $2 WHERE height = $1', block[0]!.height, bundle(block)],
      ['UPDATE block SET hash = $2 WHERE height = $1', block[0]!.height, leafHash(block.at(-1)!.bytes)],
    ]);
    const tiles = tileChanges(blocks.flat());
    return {
      change: [...updates, ...tiles.change, head(blocks.flat())],
      restore: [...back, ...tiles.restore, head(log.flat())],
      codes: [code, 'block.chain', 'tile.altered'],
    };
  }

  it.each([
    ['T4', 'without the log key', 'block.signature'],
    ['T5', 'with it', 'checkpoint.mismatch'],
  ] as const)(
    '%s: rewritten from a height to the head %s: %s, and what was made to fit',
    async (act, _, code) => {
      const { logKey, forger } = logKeys();
      const from = log.length - 3;
      const victim = log[from]!.filter(isEvent)[2]!;
      const standing = await tamper(await rewritten(from, victim, act === 'T4' ? forger : logKey, code));
      const named = standing.filter((alert) => alert.code === code);
      expect(named).toContainEqual(
        expect.objectContaining({
          first: { index: victim.index, height: from, eventId: idOf(victim) },
          lastGoodBlock: from - 1,
        }),
      );
      expect(named).toHaveLength(3);
    },
    START_MS,
  );

  it.each([
    ['events that no ingester signed, backdated', 'custody.forged'],
    ["a key set with the forger's ingest key that no operator signed", 'key.changed'],
  ])(
    'T13: continued with the log key by %s: %s',
    async (what, code) => {
      const { logKey } = logKeys();
      const { origin, keys } = system;
      const leaves = log.flat().map(({ bytes }) => leafHash(bytes));
      const newest = parseBlockText(parseNote(log.at(-1)!.at(-1)!.bytes).text);
      const forged = (name: string): SigningKey => SigningKey.fromSeed(name, sha256(Buffer.from('forger')), NOTE_KEY);
      const ingest = forged(keys.ingest[0]!.name);
      const entries = code === 'key.changed' ? [forgedKeySet(ingest, logKey, forged)] : forgedFrame(ingest);
      const root = treeRoot([...leaves, ...entries.map((entry) => leafHash(entry))]);
      const [height, first] = [newest.height + 1, leaves.length];
      const block = { origin, height, previous: leaves.at(-1)!, first, entries: entries.length, root };
      const note = Buffer.from(
        signBlock({ ...block, sealed: new Date(Date.parse(newest.sealed) + 1_000).toISOString() }, logKey),
      );
      const insert = `INSERT INTO block (${BLOCK}) SELECT ledger_id, $1, $2, $3, $4, $5, sealed, now() FROM ledger_head`;
      const alert = await tamper({
        change: [
          [insert, height, first, first + entries.length + 1, entries.length, leafHash(note)],
          [
            'INSERT INTO block_body (ledger_id, height, body) SELECT ledger_id, $1, $2 FROM ledger_head',
            height,
            encodeBundle([...entries, note]),
          ],
        ],
        restore: [
          ['DELETE FROM block_body WHERE height = $1', height],
          ['DELETE FROM block WHERE height = $1', height],
        ],
        codes: [code],
      });
      expect([what, alert]).toMatchObject([what, [{ first: { height }, lastGoodBlock: height - 1 }]]);
    },
    START_MS,
  );

  /** The next frame of ingester a, by its chain, an hour before the newest block. */
  function forgedFrame(key: SigningKey): Buffer[] {
    const notes = log.flat().filter((entry) => !isEvent(entry) && entryKind(entry.bytes) === 'frame');
    const before = parseFrameText(parseNote(notes.at(-1)!.bytes).text);
    const accepted = new Date(Date.parse(before.accepted) - 3_600_000).toISOString();
    const event = encodeEventEntry(eventPrefix(before.origin, 'orders', accepted), Buffer.from('{"id":"backdated"}'));
    const root = treeRoot([leafHash(event)]);
    const chain = { number: before.number + 1, previous: leafHash(notes.at(-1)!.bytes), count: 1 };
    return [Buffer.from(signFrame({ ...before, ...chain, root, accepted }, key)), event];
  }

  function forgedKeySet(ingest: SigningKey, logKey: SigningKey, forged: (name: string) => SigningKey): Buffer {
    const { keys } = system;
    const operator = forged(keys.operators[0]!.name);
    const time = parseBlockText(parseNote(log.at(-1)!.at(-1)!.bytes).text).sealed;
    const set = { ...keys, previous: leafHash(log[0]![0]!.bytes), time, ingest: [ingest.verifier] };
    return Buffer.from(signKeySet(set, logKey, operator));
  }
});

describe('blocks', () => {
  const newest = (): number => log.length - 1;

  it(
    'T11: with the bodies of two swapped: block.chain names both, block.missing that the later one is not in its place',
    async () => {
      const codes = ['block.chain', 'block.missing'];
      const swapped = (one: number, other: number): [string, ...unknown[]] => [
        'UPDATE block_body SET body = $2 WHERE height = $1',
        one,
        bundle(log[other]!),
      ];
      const change = [swapped(2, 3), swapped(3, 2)];
      const standing = await tamper({ change, restore: [swapped(2, 2), swapped(3, 3)], codes });
      const named = standing.filter(({ code }) => code === 'block.chain').map(({ first }) => first!.height);
      expect(named.sort()).toEqual([2, 3]);
    },
    START_MS,
  );

  it(
    'T8: with one gone from the middle: block.missing',
    async () => {
      const where = 'height = 3';
      const rows = [['block_body', where] as const, ['block', where, BLOCK] as const];
      const [alert] = await tamper(deletion(rows.map((row) => [...row]) as never, 'block.missing'));
      expect(alert).toMatchObject({ first: { index: log[3]![0]!.index, height: 3 }, lastGoodBlock: 2 });
    },
    START_MS,
  );

  it.each([
    ['entries and next', 'entries = entries - 1, next = next - 1', 'entries = entries + 1, next = next + 1'],
    ['hash', `hash = ${flipped('hash', 3)}`, `hash = ${flipped('hash', 3)}`],
    ['sealed', `sealed = sealed - interval '1 day'`, `sealed = sealed + interval '1 day'`],
  ])(
    'T8: with another %s in the row: block.chain',
    async (_, change, restore) => {
      const update = (set: string): [string] => [`UPDATE block SET ${set} WHERE height = 2`];
      const [alert] = await tamper({ change: [update(change)], restore: [update(restore)], codes: ['block.chain'] });
      expect(alert).toMatchObject({ first: { index: log[2]![0]!.index, height: 2 } });
    },
    START_MS,
  );

  it(
    'T9: with the newest ones gone, though the head names them: log.truncated',
    async () => {
      const where = `height >= ${newest() - 1}`;
      const [alert] = await tamper(
        deletion(
          [
            ['block_body', where],
            ['block', where, BLOCK],
          ],
          'log.truncated',
        ),
      );
      expect(alert).toMatchObject({ first: { index: log.at(-2)![0]!.index, height: newest() - 1 } });
    },
    START_MS,
  );

  it(
    'T9: cleanly cut off, with the head set back: log.rolled-back, and log.truncated for what is gone',
    async () => {
      const { rows } = await dba.query<Record<string, unknown>>(
        'SELECT height, size, previous, frontier, sealed, keys_index FROM ledger_head',
      );
      const { height, size, previous, frontier, sealed } = rows[0]!;
      const where = `height >= ${newest()}`;
      const gone = deletion(
        [
          ['block_body', where],
          ['block', where, BLOCK],
        ],
        'log.rolled-back',
        'log.truncated',
      );
      const leaves = log
        .slice(0, -1)
        .flat()
        .map(({ bytes }) => leafHash(bytes));
      const back: [string, ...unknown[]] = [
        `UPDATE ledger_head SET height = $1, size = $2, frontier = $3,
           (previous, sealed) = (SELECT hash, sealed FROM block WHERE height = $1)`,
        newest() - 1,
        leaves.length,
        frontierOf(leaves),
      ];
      const forward: [string, ...unknown[]] = [
        'UPDATE ledger_head SET height = $1, size = $2, previous = $3, frontier = $4, sealed = $5',
        height,
        size,
        previous,
        frontier,
        sealed,
      ];
      const standing = await tamper({
        ...gone,
        change: [...gone.change, back],
        restore: [...gone.restore, forward],
      });
      expect(standing.find(({ code }) => code === 'log.rolled-back')!.detail).toContain(`size ${leaves.length}`);
    },
    START_MS,
  );
});

describe('what is stored about the entries', () => {
  it.each([
    ['a byte of a tile', 'tile', 'data', 'level = 0 AND number = 1', flipped('data', 4_000), 'tile.altered', 256],
    ['the root beside a tile', 'tile', 'root', 'level = 0 AND number = 1', flipped('root', 9), 'tile.altered', 256],
    ['the frontier in the head', 'ledger_head', 'frontier', 'true', flipped('frontier', 9), 'tile.altered', null],
    ['the newest block in the head', 'ledger_head', 'previous', 'true', flipped('previous', 9), 'block.chain', null],
    ['the key set in the head', 'ledger_head', 'keys_index', 'true', '1', 'block.chain', null],
  ] as const)(
    'T16: with %s changed',
    async (_, table, column, where, value, code, index) => {
      const [alert] = await tamper(await valueCase(table, column, where, value, code));
      if (index !== null) expect(alert!.first!.index).toBe(index);
    },
    START_MS,
  );

  it(
    'T16: without a tile: tile.altered',
    async () => {
      await tamper(deletion([['tile', 'level = 0 AND number = 0']], 'tile.altered'));
    },
    START_MS,
  );

  it.each([
    ['root', `replace(note, substring(note from '\\n([A-Za-z0-9+/]{5})[A-Za-z0-9+/]{38}='), 'AAAAA')`],
    ['signature', `regexp_replace(note, '(— \\S+ \\S{20})\\S{4}', '\\1AAAA')`],
  ])(
    'T16: with the %s in a checkpoint note changed: checkpoint.signature',
    async (_, value) => {
      const { rows } = await dba.query<{ size: string }>('SELECT min(size) AS size FROM checkpoint');
      const size = Number(rows[0]!.size);
      const [alert] = await tamper(
        await valueCase('checkpoint', 'note', `size = ${size}`, value, 'checkpoint.signature'),
      );
      expect(alert!.first!.index).toBe(size);
    },
    START_MS,
  );

  it(
    'T16: with a cosignature line changed: checkpoint.signature',
    async () => {
      const where = 'size = (SELECT max(size) FROM cosignature)';
      const value = `regexp_replace(line, '(— \\S+ \\S{20})\\S{4}', '\\1AAAA')`;
      await tamper(await valueCase('cosignature', 'line', where, value, 'checkpoint.signature'));
    },
    START_MS,
  );

  it(
    'T16: without the newest checkpoint that was cosigned: checkpoint.mismatch',
    async () => {
      const where = 'size = (SELECT max(size) FROM block_ends)';
      await dba.query('CREATE TEMPORARY TABLE block_ends AS SELECT max(size) AS size FROM cosignature');
      await tamper(
        deletion(
          [
            ['cosignature', where],
            ['checkpoint', where],
          ],
          'checkpoint.mismatch',
        ),
      );
    },
    START_MS,
  );
});

describe('the event index and the frame table', () => {
  const event = (): Entry => log[3]!.filter(isEvent)[4]!;

  it.each([
    ['actor', `'somebody'`],
    ['action', 'NULL'],
    ['occurred', 'now()'],
    ['accepted', `accepted - interval '1 hour'`],
    ['event_id', `'other'`],
    ['outcome', `'denied'`],
    ['identity', 'identity + 1'],
    ['duplicate_of', '3'],
  ])(
    'T14: with another %s of one event: index.altered',
    async (column, value) => {
      const place = event();
      const made = await valueCase('event_index', column, `position = ${place.index}`, value, 'index.altered');
      const [alert] = await tamper(made);
      expect(alert).toMatchObject({ first: { index: place.index, height: 3, eventId: idOf(place) } });
      expect(alert!.detail).toContain(`column ${column} of`);
    },
    START_MS,
  );

  it(
    'T15: without the row of an event: index.missing',
    async () => {
      const { index } = event();
      const [alert] = await tamper(deletion([['event_index', `position = ${index}`]], 'index.missing'));
      expect(alert).toMatchObject({ first: { index, height: 3, eventId: idOf(event()) } });
    },
    START_MS,
  );

  it(
    'T15: with a row where no event is sealed: index.extra',
    async () => {
      const note = log[3]!.find((entry) => !isEvent(entry))!;
      for (const position of [note.index, 1_000_000]) {
        const columns = 'accepted, ledger_id, producer';
        const row = `SELECT ${position}, ${columns} FROM event_index WHERE position = ${event().index}`;
        const [alert] = await tamper({
          change: [[`INSERT INTO event_index (position, ${columns}) ${row}`]],
          restore: [['DELETE FROM event_index WHERE position = $1', position]],
          codes: ['index.extra'],
        });
        expect(alert!.first!.index).toBe(position);
      }
    },
    START_MS,
  );

  it.each([
    ['position', 'position - 1'],
    ['hash', flipped('hash', 3)],
  ])(
    'T14: with another %s of a frame: index.altered',
    async (column, value) => {
      const { index, where } = await frame();
      const [alert] = await tamper(await valueCase('frame', column, where, value, 'index.altered'));
      expect(alert).toMatchObject({ first: { index, height: 3 } });
    },
    START_MS,
  );

  it(
    'T15: without the row of a frame: index.missing; with one too many: index.extra',
    async () => {
      const { where } = await frame();
      await tamper(deletion([['frame', where]], 'index.missing'));
      const columns = 'ledger_id, ingester, hash, position';
      await tamper({
        change: [[`INSERT INTO frame (number, ${columns}) SELECT 999, ${columns} FROM frame WHERE ${where}`]],
        restore: [['DELETE FROM frame WHERE number = 999']],
        codes: ['index.extra'],
      });
    },
    START_MS,
  );

  /** A frame in the middle of the log, by what no case changes. */
  async function frame(): Promise<{ index: number; where: string }> {
    const { index } = log[3]![0]!;
    const { rows } = await dba.query<{ number: string }>('SELECT number FROM frame WHERE position = $1', [index]);
    return { index, where: `ingester = 'a' AND number = ${rows[0]!.number}` };
  }
});

describe('afterwards', () => {
  it(
    'the log is whole, and sealing goes on as if nothing had been',
    async () => {
      await producer.load(10, 2, () => producer.receipted.length >= 760);
      await oracle.caughtUp(producer.journal, WITHIN_MS);
      await oracle.cosigned(WITHIN_MS);
      await passes(2);
      const verdict = await oracle.judge({ orders: producer.journal });
      expect(verdict).toMatchObject({ lost: [], unmarked: [], unknown: [], misindexed: [], report: { findings: [] } });
      expect(alerts.open).toEqual([]);
    },
    START_MS,
  );
});

/** The frontier column of a ledger with these leaves. */
function frontierOf(leaves: readonly Hash[]): Buffer {
  const roots: Hash[] = [];
  for (let from = 0; from < leaves.length;) {
    const count = 2 ** Math.floor(Math.log2(leaves.length - from));
    roots.push(treeRoot(leaves.slice(from, from + count)));
    from += count;
  }
  return Buffer.concat(roots);
}
