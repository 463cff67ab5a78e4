/**
 * The JSON API over real HTTPS and a real Postgres: what it answers is what the log holds, its proofs verify with public keys
 * alone, its pages are complete and disjoint while the log grows, and nobody gets what is not theirs.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  cosign,
  COSIGNATURE_KEY,
  EMPTY_ROOT,
  leafHash,
  openGenesis,
  parseAddCheckpoint,
  parseCheckpointText,
  parseNote,
  parseReceipt,
  parseTlogProof,
  parseWitnessesFile,
  signCheckpoint,
  signKeySet,
  splitBundle,
  verifyConsistency,
  verifyReceipt,
  verifyTlogProof,
  type SigningKey,
} from '@everseal/audit-core';
import {
  checkpointAt,
  cosignaturesAt,
  insertAnchor,
  insertCosignature,
  newestCheckpoint,
  newestCosigned,
} from '@everseal/ledger-store';
import { TestPostgres } from '@everseal/testing';
import { createHash } from 'node:crypto';
import { DOMAIN, genesisKeys, KEYS, ORIGIN, testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { pageQuery, ROWS_A_PAGE } from '../../../libs/ledger-store/src/event-search.js';
import { StoredLog } from '../../verifier/src/stored-log.fixture.js';
import { ApiController } from './api.controller.js';
import { openApiDocument } from './openapi.js';
import { OPERATIONS } from './operations.js';
import { PublishedLog } from './published-log.js';
import { Projection, SpecReader, type Ask } from './reader.fixture.js';
import { TokenList } from './token-list.js';

interface Page {
  events: { index: number; eventId: string; actor: string }[];
  next: number | null;
  indexed: number;
}

const TOKEN = 'A'.repeat(43);
const OTHER_TOKEN = 'B'.repeat(43);
const OLD_TOKEN = 'C'.repeat(43);
const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

let server: TestPostgres;
let log: StoredLog;
let projection: Projection;
let reader: SpecReader;

const event = (id: string, actor: string, more: object = {}): string =>
  JSON.stringify({
    specversion: '1.0',
    id,
    source: 'https://billing.example.com/x',
    type: 'com.example.paid',
    time: '2026-01-01T00:00:01.234567Z',
    data: { actor: { id: actor }, action: `act-${id.length}`, target: { id: `t-${actor}` }, outcome: 'success' },
    ...more,
  });

async function grow(blocks: number, name: string): Promise<void> {
  for (let block = 0; block < blocks; block++) {
    const events = Array.from({ length: 100 }, (_, i) => event(`${name}-${block}-${i}`, `user-${i % 3}`));
    await log.sealEvents(...events);
  }
  await projection.catchUp();
  await reader.publish();
}

beforeAll(async () => {
  server = await TestPostgres.start();
  log = await StoredLog.create(server, 'api');
  projection = new Projection(log);
  await log.seal();
  reader = await SpecReader.start(server, log);
  await log.seal(
    log.writer.frame('a', [event('e-1', 'eve'), event('e-2', 'eve')]),
    log.writer.frame('b', [event('e-3', 'bob')]),
  );
  await grow(5, 'first');
  reader.tokens = TokenList.parse(
    [
      '# tokens of this spec',
      `tom 2099-01-01T00:00:00.000Z main ${hashOf(TOKEN)}`,
      `olga 2099-01-01T00:00:00.000Z other ${hashOf(OTHER_TOKEN)}`,
      `old 2020-01-01T00:00:00.000Z main,other ${hashOf(OLD_TOKEN)}`,
      '',
    ].join('\n'),
  );
}, 120_000);

afterAll(async () => {
  await reader?.stop();
  await log?.close();
  await server?.stop();
});

const entryAt = (index: number): Buffer => {
  let first = 0;
  for (const body of log.writer.bodies) {
    const offsets = splitBundle(body);
    if (index < first + offsets.count) return body.subarray(offsets.start(index - first), offsets.end(index - first));
    first += offsets.count;
  }
  throw new RangeError(`no entry ${index}`);
};

async function everyPage(query: string, between?: (page: number) => Promise<void>): Promise<Page['events']> {
  const all: Page['events'] = [];
  let before = '';
  for (let page = 0; page < 1_000; page++) {
    const { events, next } = await reader.json<Page>(`/api/main/events?${query}${before}`);
    all.push(...events);
    if (next === null) return all;
    before = `&before=${next}`;
    await between?.(page);
  }
  throw new Error('the pages do not end');
}

describe('the growth of the log', () => {
  it('has a proof that verifies, from any older size to any checkpoint, and not for another tree', async () => {
    await grow(1, 'growth');
    const { size, root } = reader.ledger.published;
    const older = (await reader.json<{ size: number; root: string }>('/api/main/checkpoint')).size;
    await grow(2, 'more growth');
    for (const [target, to] of [
      [`/api/main/consistency/${older}`, log.size],
      [`/api/main/consistency/${older}?to=${older}`, older],
      ['/api/main/consistency/1', log.size],
    ] as const) {
      const { status, body } = await reader.get(target, { as: 'anna' });
      expect([target, status]).toEqual([target, 200]);
      const { old, proof, checkpoint } = parseAddCheckpoint(body);
      const newer = parseCheckpointText(parseNote(checkpoint).text);
      const oldRoot = old === 1 ? leafHash(entryAt(0)) : root;
      expect([newer.size, verifyConsistency(old, newer.size, proof, oldRoot, newer.root)]).toEqual([to, true]);
      // Control: of another tree of that size it says nothing.
      expect(verifyConsistency(old, newer.size, proof, leafHash(Buffer.from('x')), newer.root)).toBe(false);
    }
    expect(size).toBe(older);
    for (const [target, code] of [
      ['/api/main/consistency/0', 'log.absent'],
      [`/api/main/consistency/${log.size + 1}`, 'log.absent'],
      [`/api/main/consistency/${older}?to=${older - 1}`, 'log.absent'],
      ['/api/main/consistency/01', 'request.path'],
    ] as const) {
      const { body } = await reader.get(target, { as: 'anna' });
      expect([target, JSON.parse(body.toString())]).toMatchObject([target, { error: { code } }]);
    }
  });
});

describe('what is in the log', () => {
  it('is given byte for byte, with what its place makes it', async () => {
    // 0 keys, 1 block, 2 frame of a, 3 and 4 events, 5 frame of b, 6 event, 7 block.
    const kinds: unknown[] = [];
    for (let index = 0; index < 8; index++) {
      const got = await reader.json(`/api/main/entries/${index}`);
      expect(Buffer.from(got['entry'] as string, 'base64')).toEqual(entryAt(index));
      expect(got['leafHash']).toBe(leafHash(entryAt(index)).toString('base64'));
      kinds.push(got['kind']);
    }
    expect(kinds).toEqual(['keys', 'block', 'frame', 'event', 'event', 'frame', 'event', 'block']);
    const third = await reader.json('/api/main/entries/3');
    expect(Buffer.from(third['event'] as string, 'base64').toString()).toBe(event('e-1', 'eve'));
    expect(third).toMatchObject({
      producer: 'billing',
      fields: { actor: 'eve', occurred: '2026-01-01T00:00:01.234567Z' },
    });
  });

  it('has a proof that verifies with the public keys, in the newest checkpoint and in an older one', async () => {
    const policy = { origin: ORIGIN, logKeys: [KEYS.log.verifier], verifiers: [], quorum: 0 };
    const older = reader.ledger.published.size;
    await grow(3, 'later');
    for (const index of [0, 3, 6, 255, 256, older - 1]) {
      for (const [query, size] of [
        ['', log.size],
        [`?size=${older}`, older],
      ] as const) {
        const { body } = await reader.get(`/api/main/proofs/${index}${query}`, { as: 'anna' });
        const { checkpoint } = verifyTlogProof(parseTlogProof(body), leafHash(entryAt(index)), policy);
        expect([index, checkpoint.size]).toEqual([index, size]);
        // Control: it proves this entry and no other.
        expect(() => verifyTlogProof(parseTlogProof(body), leafHash(entryAt(index + 1)), policy)).toThrow(
          'does not show',
        );
      }
    }
  });

  it('has the receipt of each event, and of nothing else', async () => {
    const { body } = await reader.get('/api/main/receipts/4', { as: 'anna' });
    const submitted = { origin: ORIGIN, producer: 'billing', events: [Buffer.from(event('e-2', 'eve'))] };
    expect(() => verifyReceipt(parseReceipt(body), submitted, [KEYS.a.verifier])).not.toThrow();
    const other = { ...submitted, events: [Buffer.from(event('e-1', 'eve'))] };
    expect(() => verifyReceipt(parseReceipt(body), other, [KEYS.a.verifier])).toThrow();
    for (const index of [0, 1, 2, 5, 7]) {
      expect((await reader.get(`/api/main/receipts/${index}`, { as: 'anna' })).status).toBe(404);
    }
  });

  it('has its checkpoints, blocks and key sets', async () => {
    const newest = await reader.json('/api/main/checkpoint');
    expect(newest).toMatchObject({ size: log.size, root: log.writer.range.root().toString('base64') });
    expect(await reader.json(`/api/main/checkpoints/${log.size}`)).toEqual(newest);
    const block = await reader.json('/api/main/blocks/1');
    expect(block).toMatchObject({ height: 1, first: 2, next: 8, entries: 5, note: entryAt(7).toString() });
    const { keySets } = await reader.json<{ keySets: { index: number; note: string }[] }>('/api/main/keys');
    expect(keySets).toEqual([{ index: 0, note: entryAt(0).toString() }]);
    expect(openGenesis(keySets[0]!.note, ORIGIN).log.vkey).toBe(KEYS.log.verifier.vkey);
  });

  it('has its anchors by size, those of a size on one page, and none beyond the newest checkpoint', async () => {
    type Anchors = { anchors: { size: number; kind: string; anchor: string; signed: string }[]; next: number | null };
    const size = log.size;
    const { note } = (await checkpointAt(log.sealer, log.ledgerId, size))!;
    const evidence = Buffer.from(note);
    for (const target of ['disk', 'vault'])
      await insertAnchor(log.sealer, log.ledgerId, { kind: 'file', target, size, evidence });
    const shown = { size, kind: 'file', evidence: evidence.toString('base64'), signed: note };
    const both = {
      anchors: [
        { ...shown, anchor: 'disk' },
        { ...shown, anchor: 'vault' },
      ],
      next: null,
    };
    expect(await reader.json('/api/main/anchors')).toEqual(both);
    expect(await reader.json(`/api/main/anchors?after=${size - 1}`)).toEqual(both);
    expect(await reader.json(`/api/main/anchors?after=${size}`)).toEqual({ anchors: [], next: null });
    for (let i = 0; i < 60; i++) {
      await insertAnchor(log.sealer, log.ledgerId, { kind: 'file', target: `more-${i}`, size, evidence });
    }
    const page = await reader.json<Anchors>('/api/main/anchors');
    expect([page.anchors.length, page.next]).toEqual([51, size]);
  });

  it('has every key set, also one that is found in the tiles only', async () => {
    const indexes = [0];
    let keySets: { index: number; note: string }[] = [];
    let previous = log.writer.genesis;
    for (const step of [1, 2, 3]) {
      const set = { ...genesisKeys(), previous: leafHash(previous), time: log.writer.time() };
      const note = Buffer.from(signKeySet(set, KEYS.log, KEYS.operator));
      indexes.push(log.size);
      await log.seal(note);
      previous = note;
      await grow(step === 2 ? 6 : 1, `keys-${step}`);
      // The fixture's head row goes on naming the first set.
      const sql = `UPDATE everseal.ledger_head SET keys_index = ${indexes.at(-1)} WHERE ledger_id = ${log.ledgerId}`;
      await log.store.sql(sql);
      keySets = (await reader.json<{ keySets: typeof keySets }>('/api/main/keys')).keySets;
      expect(keySets.map(({ index }) => index)).toEqual(indexes);
    }
    for (const { index, note } of keySets) expect(note).toBe(entryAt(index).toString());
  });

  it('is not shown beyond the newest checkpoint', async () => {
    const { size } = reader.ledger.published;
    await log.sealEvents(event('unpublished', 'eve'));
    await projection.catchUp();
    const height = log.writer.bodies.length - 1;
    for (const path of [
      `entries/${size}`,
      `proofs/${size}`,
      `receipts/${size + 1}`,
      `blocks/${height}`,
      `checkpoints/${log.size}`,
    ]) {
      expect([path, (await reader.get(`/api/main/${path}`, { as: 'anna' })).status]).toEqual([path, 404]);
    }
    const found = async (): Promise<number> => (await everyPage('id=unpublished')).length;
    expect(await found()).toBe(0);
    await reader.publish();
    expect(await found()).toBe(1);
  });
});

describe('a search', () => {
  it('finds by every condition, alone and together', async () => {
    const of = async (query: string): Promise<number> =>
      (await everyPage(`${query}${query === '' ? '' : '&'}limit=200`)).length;
    const all = await of('');
    expect(await of('actor=eve')).toBe(3);
    expect([await of('actor=eve&target=t-eve'), await of('actor=eve&target=t-bob')]).toEqual([3, 0]);
    expect([await of('target=t-bob'), await of('actor=nobody')]).toEqual([1, 0]);
    for (const [column, value] of [
      ['producer', 'billing'],
      ['source', 'https%3A%2F%2Fbilling.example.com%2Fx'],
      ['type', 'com.example.paid'],
      ['outcome', 'success'],
    ]) {
      expect([column, await of(`${column}=${value}`)]).toEqual([column, all]);
      expect([column, await of(`${column}=${value}x`)]).toEqual([column, 0]);
    }
    expect([await of('action=act-3'), await of('subject=none'), await of('id=e-2')]).toEqual([3, 0, 1]);
    expect([
      await of('occurredFrom=2026-01-01T01:00:01.234567%2B01:00'),
      await of('occurredFrom=2026-01-01T00:00:01.234568Z'),
    ]).toEqual([all, 0]);
    expect([
      await of('occurredTo=2026-01-01T00:00:01.234568Z'),
      await of('occurredTo=2026-01-01T00:00:01.234567Z'),
    ]).toEqual([all, 0]);
  });

  it('finds by the times of blocks and of acceptance', async () => {
    const [first, third] = await Promise.all(
      [1, 3].map((height) => reader.json<{ sealed: string; first: number }>(`/api/main/blocks/${height}`)),
    );
    const indexes = (await everyPage(`limit=200&sealedFrom=${first!.sealed}&sealedTo=${third!.sealed}`)).map(
      ({ index }) => index,
    );
    expect([Math.min(...indexes), Math.max(...indexes) < third!.first]).toEqual([3, true]);
    expect(await everyPage('limit=200&sealedFrom=2099-01-01T00:00:00Z')).toEqual([]);
    expect(await everyPage('limit=200&sealedTo=2000-01-01T00:00:00Z')).toEqual([]);
    const accepted = (await reader.json(`/api/main/entries/3`))['accepted'] as string;
    expect((await everyPage(`limit=200&acceptedTo=${accepted}`)).length).toBe(0);
    const same = await everyPage(`limit=200&acceptedFrom=${accepted}&acceptedTo=${accepted.replace('Z', '1Z')}`);
    expect(same.map(({ index }) => index)).toEqual([4, 3]);
  });

  it('gives pages that are complete and disjoint while the log grows', async () => {
    const { size } = reader.ledger.published;
    for (const query of ['limit=7&actor=user-1', 'limit=13&outcome=success', 'limit=9']) {
      const before = await everyPage(query);
      const during = await everyPage(query, async (page) => {
        if (page === 1 || page === 3) await grow(1, `grown-${query.length}-${page}`);
      });
      const old = ({ index }: { index: number }): boolean => index < size;
      expect(during.filter(old)).toEqual(before.filter(old));
      const indexes = during.map(({ index }) => index);
      expect(indexes).toEqual([...new Set(indexes)].sort((a, b) => b - a));
    }
  }, 120_000);

  it('would lose its place if it counted rows instead (control)', async () => {
    const seen: number[] = [];
    for (const offset of [0, 20]) {
      const rows = (await reader.index.query(
        `SELECT position FROM everseal.event_index WHERE ledger_id = ${log.ledgerId} ORDER BY position DESC OFFSET ${offset} LIMIT 20`,
      )) as { position: number }[];
      seen.push(...rows.map(({ position }) => position));
      await grow(1, `control-${offset}`);
    }
    // A hundred rows came in front: the second page is not the one behind the first.
    expect(seen[20]).not.toBe(seen[19]! - 1);
  });

  it('looks at a bounded number of rows a page, along the index that leads', async () => {
    const plan = async (equal: object): Promise<string> => {
      const search = { ledgerId: log.ledgerId, from: 0, before: 1_000_000, equal, limit: 50 };
      const [sql, parameters] = pageQuery(reader.index, search, 0).getQueryAndParameters();
      return JSON.stringify(await reader.index.query(`EXPLAIN (FORMAT JSON) ${sql}`, parameters));
    };
    expect(await plan({ actor: 'eve' })).toMatch(/event_index_p0_ledger_id_actor_position_idx/);
    expect(await plan({ target: 't-eve' })).toMatch(/event_index_p0_ledger_id_target_position_idx/);
    const both = await plan({ actor: 'eve', target: 't-eve' });
    expect([/actor_position/.test(both), /target_position/.test(both)]).toEqual([true, false]);
    for (const equal of [{}, { actor: 'eve' }, { outcome: 'success' }, { actor: 'eve', target: 't', type: 'x' }]) {
      expect(await plan(equal)).not.toMatch(/Seq Scan|"Sort"/);
    }
  });

  it('goes on over rows that do not fit, page by page', async () => {
    const { size } = reader.ledger.published;
    expect(size).toBeLessThan(ROWS_A_PAGE);
    for (let block = 0; block < 12; block++) {
      await log.sealEvents(...Array.from({ length: 500 }, (_, i) => event(`many-${block}-${i}`, 'crowd')));
    }
    await projection.catchUp();
    await reader.publish();
    const first = await reader.json<Page>('/api/main/events?outcome=success&type=none');
    expect([first.events, first.next !== null]).toEqual([[], true]);
    expect((await everyPage('actor=crowd&id=many-0-0')).length).toBe(1);
    expect((await everyPage('type=none')).length).toBe(0);
    // A value that few have is found at once, however many others stand in front of it.
    expect((await reader.json<Page>('/api/main/events?actor=bob')).events.length).toBe(1);
  }, 60_000);

  it('refuses what it does not know, and says what to do', async () => {
    const refused: [string, RegExp][] = [
      ['events?actr=eve', /there is no parameter actr: known are actor, action/],
      ['events?actor=eve&actor=bob', /actor stands there twice/],
      ['events?actor=', /actor/],
      ['events?actor', /is not <name>=<value>/],
      ['events?limit=0', /limit: a whole number from 1 to 200/],
      ['events?limit=201', /limit/],
      ['events?limit=1e2', /limit/],
      ['events?before=-1', /before/],
      ['events?before=9007199254740992', /before/],
      ['events?occurredFrom=yesterday', /not a time like/],
      ['events?sealedFrom=2026-02-30T00:00:00Z', /not a time like/],
      ['events?actor=%ff', /percent-encoded UTF-8/],
      ['events?actor=%00', /U\+0000/],
      [`events?actor=${'x'.repeat(257)}`, /at most 256 bytes/],
      [`events?actor=${'%C3%A4'.repeat(129)}`, /at most 256 bytes/],
      ['event?id=e-1', /producer/],
      ['checkpoint?x=1', /there is no parameter x: give none/],
      ['proofs/3?size=0', /size/],
    ];
    for (const [path, message] of refused) {
      const { status, body } = await reader.get(`/api/main/${path}`, { as: 'anna' });
      expect([path, status, body.toString()]).toEqual([path, 400, expect.stringMatching(message)]);
    }
    for (const path of [
      'entries/x',
      'entries/01',
      'entries/-1',
      'entries/1.0',
      'blocks/1e3',
      'entries/',
      'nothing',
      'entries/3/x',
    ]) {
      expect([path, (await reader.get(`/api/main/${path}`, { as: 'anna' })).status]).toEqual([path, 404]);
    }
  });

  it('finds an event by what names it', async () => {
    const query = (id: string): string =>
      `/api/main/event?producer=billing&source=https://billing.example.com/x&id=${id}`;
    expect((await reader.json<Page>(query('e-2'))).events).toMatchObject([{ index: 4, eventId: 'e-2' }]);
    expect((await reader.json<Page>(query('none'))).events).toEqual([]);
  });
});

describe('access', () => {
  const HASHES = [
    '/log/main/checkpoint',
    '/log/main/tile/0/000',
    '/api/main/checkpoint',
    '/api/main/blocks/1',
    '/api/main/keys',
    '/api/main/anchors',
    '/api/main/proofs/3',
  ];
  const BUNDLES = ['/log/main/tile/entries/000', '/log/main/tile/entries/000.p/5'];
  const CONTENT = [
    '/api/main/entries/3',
    '/api/main/receipts/3',
    '/api/main/events',
    '/api/main/event?producer=p&source=s&id=i',
  ];
  const WHO: Record<string, Ask> = {
    nobody: {},
    'a token of the ledger': { token: TOKEN },
    'a token of another ledger': { token: OTHER_TOKEN },
    'an expired token': { token: OLD_TOKEN },
    'an unknown token': { token: 'D'.repeat(43) },
    'an auditor of the ledger': { as: 'anna' },
    'an auditor of another ledger': { as: 'otto' },
  };
  const closed = [401, 200, 403, 401, 401, 200, 403];

  async function matrix(of: SpecReader, paths: string[]): Promise<number[][]> {
    return Promise.all(
      paths.map(async (path) => {
        const row: number[] = [];
        for (const ask of Object.values(WHO)) row.push((await of.get(path, ask)).status);
        return row;
      }),
    );
  }

  it('is for auditors and tokens of the ledger alone, unless the operator opens a part', async () => {
    const all = [...HASHES, ...BUNDLES, ...CONTENT];
    expect(await matrix(reader, all)).toEqual(all.map(() => closed));
    for (const path of ['/log/main/tile/0/000', '/log/main/tile/entries/000']) {
      expect((await reader.get(path, { as: 'anna' })).headers['cache-control']).toMatch(/^private,/);
    }
    const opened = [200, 200, 200, 401, 401, 200, 200];
    for (const part of ['hashes', 'tiles'] as const) {
      const second = await SpecReader.start(server, log, { public: part });
      try {
        second.tokens = reader.tokens;
        await second.ledger.log.look();
        expect(await matrix(second, HASHES)).toEqual(HASHES.map(() => opened));
        expect(await matrix(second, BUNDLES)).toEqual(BUNDLES.map(() => (part === 'tiles' ? opened : closed)));
        expect(await matrix(second, CONTENT)).toEqual(CONTENT.map(() => closed));
      } finally {
        await second.stop();
      }
    }
  });

  it('is refused by TLS to who shows no certificate, or one that is not of an auditor', async () => {
    const port = reader.listeners.portOf('certificate')!;
    const bare = { tls: { port } };
    await expect(reader.get('/api/main/checkpoint', bare)).rejects.toThrow(/certificate required|ECONNRESET|alert/i);
    const service = await server.pki.ensureClient({ commonName: 'sealer-s1', uri: `spiffe://${DOMAIN}/svc/sealer/s1` });
    const { readFileSync } = await import('node:fs');
    const tls = { port, cert: readFileSync(service.certFile), key: readFileSync(service.keyFile) };
    expect((await reader.get('/api/main/checkpoint', { tls })).status).toBe(403);
    const stranger = await server.pki.ensureClient({
      commonName: 'auditor-x',
      uri: `spiffe://${DOMAIN}/auditor/nobody`,
    });
    const unknown = { port, cert: readFileSync(stranger.certFile), key: readFileSync(stranger.keyFile) };
    expect((await reader.get('/api/main/checkpoint', { tls: unknown })).status).toBe(403);
  });

  it('does not tell strangers which ledgers there are', async () => {
    for (const name of ['main', 'none']) expect((await reader.get(`/api/${name}/checkpoint`)).status).toBe(401);
    expect((await reader.get('/api/none/checkpoint', { as: 'anna' })).status).toBe(404);
    expect(await reader.json('/api')).toMatchObject({ ledgers: [{ name: 'main', origin: ORIGIN, public: 'none' }] });
    expect(await reader.json('/api', { token: OTHER_TOKEN })).toMatchObject({
      ledgers: [{ name: 'other', size: null }],
    });
    expect((await reader.get('/api')).status).toBe(401);
    expect((await reader.get('/api/other/checkpoint', { as: 'otto' })).status).toBe(404);
  });

  it('to events is recorded before the answer, and refused when it cannot be', async () => {
    reader.recorded.length = 0;
    for (const path of [...HASHES, '/api', '/openapi.json']) await reader.get(path, { as: 'anna' });
    await reader.get('/api/main/entries/3', { token: OTHER_TOKEN });
    expect(reader.recorded).toEqual([]);
    await reader.get('/api/main/events?actor=eve', { as: 'anna' });
    await reader.get('/log/main/tile/entries/000', { token: TOKEN });
    const recorded = reader.recorded.map((one) => JSON.parse(one.toString()) as Record<string, unknown>);
    expect(recorded).toMatchObject([
      {
        source: `everseal:${DOMAIN}/reader/r1`,
        type: 'io.everseal.read',
        subject: ORIGIN,
        data: {
          actor: { id: 'auditor/anna' },
          action: 'read.search',
          target: { id: ORIGIN },
          request: '/api/main/events?actor=eve',
        },
      },
      { data: { actor: { id: 'token/tom' }, action: 'read.bundle', request: '/log/main/tile/entries/000' } },
    ]);
    expect(new Set(recorded.map(({ id }) => id)).size).toBe(2);
    reader.canRecord = false;
    try {
      for (const path of [...BUNDLES, ...CONTENT]) {
        const { status, body } = await reader.get(path, { as: 'anna' });
        expect([path, status, body.toString()]).toEqual([path, 503, expect.stringContaining('read.unrecorded')]);
      }
      expect((await reader.get('/log/main/tile/0/000', { as: 'anna' })).status).toBe(200);
    } finally {
      reader.canRecord = true;
    }
  });

  it('is limited for each client', async () => {
    const limits = { contentPerSecond: 0.001, contentBurst: 3 };
    const second = await SpecReader.start(server, log, { limits });
    try {
      second.tokens = reader.tokens;
      await second.ledger.log.look();
      const status = async (ask: Ask): Promise<number> => (await second.get('/api/main/entries/3', ask)).status;
      const statuses: number[] = [];
      for (let i = 0; i < 4; i++) statuses.push(await status({ as: 'anna' }));
      expect(statuses).toEqual([200, 200, 200, 429]);
      const refused = await second.get('/api/main/entries/3', { as: 'anna' });
      expect([Number(refused.headers['retry-after']) > 0, refused.body.toString()]).toEqual([
        true,
        expect.stringContaining('rate.exceeded'),
      ]);
      expect(await status({ token: TOKEN })).toBe(200);
      expect((await second.get('/log/main/tile/0/000', { as: 'anna' })).status).toBe(200);
      // Guessing tokens is counted as well.
      const guesses: number[] = [];
      for (let i = 0; i < 4; i++) guesses.push(await status({ token: `${i}`.repeat(43) }));
      expect(guesses).toEqual([401, 401, 401, 429]);
    } finally {
      await second.stop();
    }
  });
});

describe('/openapi.json', () => {
  it('says what answers hold, and an answer that is not so is noticed', async () => {
    const document = (await reader.json('/openapi.json', {})) as {
      paths: Record<string, { get: { responses: object } }>;
    };
    expect(document.paths['/api/{ledger}/blocks/{height}']?.get.responses).toMatchObject({
      200: { content: { 'application/json': { schema: { type: 'object', additionalProperties: false } } } },
    });
    expect(document.paths['/api/{ledger}/proofs/{index}']?.get.responses).toMatchObject({
      200: { content: { 'text/plain': { schema: { type: 'string' } } } },
    });
    // Every answer of this file was held to its form (reader.fixture.ts). Control: one more, one missing, one of another type.
    const block = await reader.json('/api/main/blocks/1');
    const { answer } = OPERATIONS.block;
    expect(answer.safeParse(block).success).toBe(true);
    const { note: _note, ...without } = block;
    for (const other of [{ ...block, more: 1 }, without, { ...block, height: '1' }]) {
      expect(answer.safeParse(other).success).toBe(false);
    }
  });

  it('names exactly the routes that there are, each with the parameters that it takes', async () => {
    const document = (await reader.json('/openapi.json', {})) as { paths: Record<string, unknown> };
    expect(document).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
    const written = Object.values(OPERATIONS).map(({ path }) => path);
    expect(Object.keys(document.paths)).toEqual(written);
    const routes = Object.getOwnPropertyNames(ApiController.prototype).flatMap((method) => {
      if (method === 'constructor') return [];
      const handler = Object.getOwnPropertyDescriptor(ApiController.prototype, method)?.value as object;
      const path = Reflect.getMetadata('path', handler) as string | undefined;
      return path === undefined || path === 'openapi.json' ? [] : [`/${path.replaceAll(/:\w+/g, '{}')}`];
    });
    expect(routes.sort()).toEqual(written.map((path) => path.replaceAll(/\{\w+\}/g, '{}')).sort());
    for (const path of written) {
      const filled = path.replace('{ledger}', 'main').replace(/\{\w+\}/, '1');
      const { status } = await reader.get(filled, { as: 'anna' });
      expect([path, [200, 400, 404].includes(status)]).toEqual([path, true]);
    }
  });
});

describe('a ledger whose checkpoints wait for witnesses', () => {
  const [north, south] = ['north.example.org/w', 'south.example.net/w'].map((name) => testKey(name, COSIGNATURE_KEY));
  const witnesses = parseWitnessesFile(
    Buffer.from(
      `witness north ${north!.verifier.vkey}\nwitness south ${south!.verifier.vkey}\ngroup both all north south\nquorum both\n`,
    ),
  );
  const cosignNewest = async (key: SigningKey, text?: string): Promise<number> => {
    const { size, note } = (await newestCheckpoint(log.sealer, log.ledgerId))!;
    const line = cosign(text ?? parseNote(note).text, key, 1_800_000_000);
    const { name: signer, id: keyId } = key.verifier;
    await insertCosignature(log.sealer, log.ledgerId, { size, signer, keyId, line });
    return size;
  };

  it('shows the newest that enough of them cosigned, and none before; control: another reader shows the newest', async () => {
    const waiting = new PublishedLog(reader.ledger.pool, 'main', ORIGIN, witnesses);
    const shown = async (): Promise<number | null> => {
      await waiting.look();
      return waiting.newest?.size ?? null;
    };
    expect(await shown()).toBeNull();
    await cosignNewest(north!);
    await cosignNewest(south!, parseNote(signCheckpoint({ origin: ORIGIN, size: 1, root: EMPTY_ROOT }, KEYS.log)).text);
    expect(await shown()).toBeNull();
    await grow(1, 'witnessed');
    await cosignNewest(north!);
    expect(await shown()).toBeNull();
    const size = await cosignNewest(south!);
    expect(await shown()).toBe(size);
    expect(waiting.newest!.cosignatures).toHaveLength(2);
    await grow(1, 'unwitnessed');
    await cosignNewest(north!);
    expect(await shown()).toBe(size);
    await reader.ledger.log.look();
    expect(reader.ledger.published.size).toBeGreaterThan(size);
    await log.tamper('DELETE FROM everseal.cosignature');
    expect(await shown()).toBe(size);
    await log.tamper(`DELETE FROM everseal.checkpoint WHERE size >= ${size}`);
    await expect(shown()).rejects.toMatchObject({ code: 'log.back', fate: 'retry' });
    expect(waiting.newest!.size).toBe(size);
  });
});

describe('rows that a sealer may write and no sealer wrote', () => {
  const NOBODY = { 99: null, 100: 'log.damaged', 5_000: 'log.damaged' } as const;
  /** Lines of so many signers that nobody knows. */
  const junk = async (count: number): Promise<void> => {
    await log.tamper('DELETE FROM everseal.cosignature');
    await log.sealer.query(
      `INSERT INTO cosignature (ledger_id, size, signer, key_id, line)
       SELECT ledger_id, size, 'w' || n, '\\x00000000', '— w' || n || ' AAAAAAAA'
       FROM (SELECT ledger_id, size FROM checkpoint WHERE ledger_id = $1 ORDER BY size DESC LIMIT 1) c, generate_series(1, $2) n`,
      [log.ledgerId, count],
    );
  };
  const looking = (): Promise<void> => new PublishedLog(reader.ledger.pool, 'main', ORIGIN).look();

  it.each(Object.entries(NOBODY))('%s cosignatures on the newest checkpoint: %s', async (count, code) => {
    await junk(Number(count));
    if (code === null) await looking();
    else await expect(looking()).rejects.toMatchObject({ code, fate: 'retry' });
    const [newest] = await newestCosigned(reader.ledger.pool, log.ledgerId, 1);
    expect(newest!.cosignatures).toHaveLength(Math.min(Number(count), 101));
    const read = cosignaturesAt(reader.ledger.pool, log.ledgerId, newest!.size);
    if (code === null || count === '100') expect(await read).toHaveLength(Number(count));
    else await expect(read).rejects.toMatchObject({ code: 'store.unexpected-value' });
  });

  it('a note with more in it than is read', async () => {
    await junk(1);
    await looking(); // control
    await log.tamper('ALTER TABLE everseal.checkpoint DROP CONSTRAINT checkpoint_note_check');
    const { size, note } = (await newestCheckpoint(log.sealer, log.ledgerId))!;
    await log.tamper(`UPDATE everseal.checkpoint SET note = repeat('x', 70000000) WHERE size = ${size}`);
    await expect(looking()).rejects.toMatchObject({ code: 'log.damaged', fate: 'retry' });
    await log.tamper(`UPDATE everseal.checkpoint SET note = $$${note}$$ WHERE size = ${size}`);
    await looking();
  });
});
