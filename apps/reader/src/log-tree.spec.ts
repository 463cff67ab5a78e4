/**
 * The C2SP tree over real HTTPS and a real Postgres: every tile is what audit-core computes from the entries, and nothing
 * else is there.
 */
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  cosignaturesOf,
  encodeBundle,
  entriesPath,
  fullTiles,
  leafHash,
  openCheckpoint,
  partialWidth,
  splitBundle,
  TileBuilder,
  TILE_WIDTH,
  tileLevels,
  tilePath,
  type FullTile,
} from '@everseal/audit-core';
import { insertCosignature } from '@everseal/ledger-store';
import { TestPostgres } from '@everseal/testing';
import { KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { StoredLog } from '../../verifier/src/stored-log.fixture.js';
import { acceptsGzip } from './accepts-gzip.js';
import { parseTreePath } from './log-tree.js';
import { SpecReader } from './reader.fixture.js';

/** Entries of a large log: one full tile of level 1 and a little more. */
const LARGE = 65_536;

let server: TestPostgres;
let log: StoredLog;
let reader: SpecReader;

const entriesOf = (of: StoredLog): Buffer[] =>
  of.writer.bodies.flatMap((body) => {
    const offsets = splitBundle(body);
    return Array.from({ length: offsets.count }, (_, i) => body.subarray(offsets.start(i), offsets.end(i)));
  });

/** Every tile of a tree over these entries, by path, made without the reader. */
function tilesOf(entries: readonly Buffer[]): Map<string, Buffer> {
  const tree = TileBuilder.empty();
  const full: FullTile[] = [];
  for (const entry of entries) full.push(...tree.append(leafHash(entry)));
  const tiles = full.map(({ level, number, data }) => [tilePath({ level, number, width: TILE_WIDTH }), data] as const);
  const partial = Array.from({ length: tileLevels(entries.length) }, (_, level) => level).flatMap((level) => {
    const width = partialWidth(entries.length, level);
    const number = fullTiles(entries.length, level);
    return width === 0 ? [] : [[tilePath({ level, number, width }), tree.partial(level)] as const];
  });
  return new Map([...tiles, ...partial]);
}

function bundlesOf(entries: readonly Buffer[]): Map<string, Buffer> {
  const bundles = new Map<string, Buffer>();
  for (let from = 0; from < entries.length; from += TILE_WIDTH) {
    const some = entries.slice(from, from + TILE_WIDTH);
    bundles.set(entriesPath(from / TILE_WIDTH, some.length), encodeBundle(some));
  }
  return bundles;
}

async function growTo(size: number): Promise<void> {
  while (log.size < size) {
    // A frame and a block note beside the events; a block of nothing where only its note fits.
    const events = Math.min(512, size - log.size - 2);
    if (events < 1) await log.seal();
    else await log.sealEvents(...Array.from({ length: events }, (_, i) => `{"id":"${log.size}-${i}"}`));
  }
}

beforeAll(async () => {
  server = await TestPostgres.start();
  log = await StoredLog.create(server, 'tree');
  await log.seal();
  reader = await SpecReader.start(server, log, { public: 'tiles' });
}, 120_000);

afterAll(async () => {
  await reader?.stop();
  await log?.close();
  await server?.stop();
});

const get = (path: string, headers: Record<string, string> = {}) => reader.get(`/log/main/${path}`, { headers });

describe('a ledger without a checkpoint', () => {
  it('has nothing to show', async () => {
    await reader.ledger.log.look();
    for (const path of ['checkpoint', 'tile/0/000.p/2', 'tile/entries/000.p/2']) {
      expect((await get(path)).status).toBe(404);
    }
  });
});

describe('the tree of a ledger', () => {
  it.each([2, 5, 255, 256, 257, 511, 512, 513, 600])('is what audit-core computes at size %i', async (size) => {
    await growTo(size);
    await reader.publish();
    const { body } = await get('checkpoint');
    const checkpoint = openCheckpoint(body, [KEYS.log.verifier], ORIGIN);
    expect([checkpoint.size, checkpoint.root]).toEqual([size, log.writer.range.root()]);
    const entries = entriesOf(log);
    for (const [path, expected] of [...tilesOf(entries), ...bundlesOf(entries)]) {
      const got = await get(path);
      expect([path, got.status, got.body.equals(expected)]).toEqual([path, 200, true]);
    }
  });

  it('is so at every size up to the newest, for who holds an older checkpoint', async () => {
    const entries = entriesOf(log);
    for (let size = 1; size <= 600; size++) {
      const expected = [...tilesOf(entries.slice(0, size))].filter(([path]) => path.includes('.p/'));
      for (const [path, data] of expected) {
        const ref = parseTreePath(`/log/main/${path}`)?.path;
        const tile = ref?.kind === 'tile' ? await reader.ledger.tiles.tile(ref.ref, 600) : null;
        expect([path, tile?.equals(data)]).toEqual([path, true]);
      }
    }
  });

  it('is not shown beyond the newest checkpoint, and is once that covers it', async () => {
    await growTo(700);
    await reader.ledger.log.look();
    const beyond = [
      'tile/0/002.p/188',
      'tile/entries/002.p/188',
      'tile/0/002.p/89',
      'tile/0/003.p/1',
      'tile/2/000.p/1',
    ];
    for (const path of beyond) expect([path, (await get(path)).status]).toEqual([path, 404]);
    expect((await get('tile/0/002.p/88')).status).toBe(200);
    await reader.publish();
    for (const path of beyond.slice(0, 3)) expect([path, (await get(path)).status]).toEqual([path, 200]);
  });

  it('has tiles of level 2 when it is large', async () => {
    await growTo(LARGE + 3);
    await reader.publish();
    const expected = tilesOf(entriesOf(log));
    const paths = ['tile/1/000', 'tile/2/000.p/1', 'tile/0/256.p/3', 'tile/0/255', 'tile/0/000'];
    for (const path of paths) expect([path, (await get(path)).body.equals(expected.get(path)!)]).toEqual([path, true]);
    const bundles = bundlesOf(entriesOf(log));
    for (const path of ['tile/entries/255', 'tile/entries/256.p/3', 'tile/entries/128']) {
      expect([path, (await get(path)).body.equals(bundles.get(path)!)]).toEqual([path, true]);
    }
    expect((await get('tile/1/001.p/1')).status).toBe(404);
  }, 120_000);

  it('has one spelling for each resource', async () => {
    const refused = [
      '',
      'checkpoint/',
      'Checkpoint',
      'checkpoint?',
      'checkpoint?x=1',
      '/checkpoint',
      './checkpoint',
      '%63heckpoint',
      'tile',
      'tile/',
      'tile/0',
      'tile/0/',
      'tile/0/0',
      'tile/0/00',
      'tile/0/0000',
      'tile/00/000',
      'tile/64/000',
      'tile/0/x000',
      'tile/0/x000/000',
      'tile/0/000/',
      'tile/0/000.p/',
      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/0/000.p/01',
      'tile/0/000.P/1',
      'tile/0/000.p/1/',
      'tile/0/000?',
      'tile/0/000#x',
      'tile/0/%30%30%30',
      'tile/-1/000',
      'tile/0/001/234',
      'tile/0/x001/x234/067',
      'tile/entries/0',
      'tile/entries/000.p/300',
      'tile/data/000',
      'tile/entries/000/000',
      'tile/0//000',
      'TILE/0/000',
      'tile/9007199254740993/000',
    ];
    for (const path of refused) {
      const { status, body } = await get(path);
      expect([path, status]).toEqual([path, 404]);
      expect(JSON.parse(body.toString())).toMatchObject({
        error: { code: expect.stringMatching(/request.path|log.absent/) },
      });
    }
    for (const target of ['/log/main/%zz', '/api/%zz/checkpoint', `/api/${'x'.repeat(600)}/keys`]) {
      expect([target, [400, 404, 414].includes((await reader.get(target)).status)]).toEqual([target, true]);
    }
    for (const path of ['/log/main', '/log/none/checkpoint', '/log//checkpoint', '/log/Main/checkpoint', '/log', '/']) {
      expect([path, (await reader.get(path)).status]).toEqual([path, path === '/log/none/checkpoint' ? 401 : 404]);
    }
    for (const path of ['checkpoint', 'tile/0/000', 'tile/0/000.p/1']) expect((await get(path)).status).toBe(200);
  });

  it('says how long an answer may be kept, and lets other origins read it', async () => {
    const always = { 'access-control-allow-origin': '*', 'strict-transport-security': 'max-age=31536000' };
    expect((await get('checkpoint')).headers).toMatchObject({
      ...always,
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-cache',
    });
    for (const path of ['tile/0/000', 'tile/0/000.p/7', 'tile/entries/000', 'tile/entries/000.p/7']) {
      expect((await get(path)).headers).toMatchObject({
        ...always,
        'content-type': 'application/octet-stream',
        'cache-control': 'public, max-age=604800, immutable',
      });
    }
    const preflight = await reader.get('/log/main/checkpoint', { method: 'OPTIONS' });
    expect([preflight.status, preflight.headers['access-control-allow-headers']]).toEqual([204, 'authorization']);
    const head = await reader.get('/log/main/tile/0/000', { method: 'HEAD' });
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '8192', 0]);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      expect([method, (await reader.get('/log/main/checkpoint', { method })).status]).toEqual([method, 404]);
    }
  });

  it('compresses bundles for who takes it, and tiles for nobody', async () => {
    const plain = await get('tile/entries/000');
    const packed = await get('tile/entries/000', { 'accept-encoding': 'br, gzip;q=0.5' });
    expect(packed.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'accept-encoding' });
    expect(gunzipSync(packed.body)).toEqual(plain.body);
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect((await get('tile/0/000', { 'accept-encoding': 'gzip' })).headers['content-encoding']).toBeUndefined();
    const taken = ['gzip', 'GZIP', '*', 'identity, gzip', 'gzip;q=1.000'].map(acceptsGzip);
    const left = [undefined, '', 'br', 'gzip;q=0', 'gzip;q=0.000', 'gzip;q=x', '*;q=0', 'gzip;q=0, *'].map(acceptsGzip);
    expect([taken, left]).toEqual([taken.map(() => true), left.map(() => false)]);
  });

  it('shows the largest checkpoint that has a cosignature, and never goes back', async () => {
    const shown = async (): Promise<number> => {
      await reader.ledger.log.look();
      return Number((await get('checkpoint')).body.toString().split('\n')[1]);
    };
    const cosignNewest = async (): Promise<void> => {
      const line = log.writer.checkpoint().trimEnd().split('\n').at(-1) as string;
      const keyId = Buffer.from(KEYS.verifier.verifier.idHex, 'hex');
      await insertCosignature(log.sealer, log.ledgerId, { size: log.size, signer: KEYS.verifier.name, keyId, line });
    };
    // Nothing is cosigned up to here, so the newest was shown.
    const { size } = log;
    await cosignNewest();
    expect(await shown()).toBe(size);
    const { body } = await get('checkpoint');
    expect(cosignaturesOf(openCheckpoint(body, [KEYS.log.verifier], ORIGIN), [KEYS.verifier.verifier])).toHaveLength(1);
    await log.sealEvents('{"id":"later"}');
    await reader.publish();
    expect(await shown()).toBe(size);
    expect((await get(`tile/0/257.p/1`)).status).toBe(404);
    await cosignNewest();
    expect(await shown()).toBe(size + 3);

    await log.tamper(
      `DELETE FROM everseal.cosignature WHERE size > ${size}; DELETE FROM everseal.checkpoint WHERE size > ${size}`,
    );
    await expect(reader.ledger.log.look()).rejects.toMatchObject({ code: 'log.back', fate: 'retry' });
    expect(Number((await get('checkpoint')).body.toString().split('\n')[1])).toBe(size + 3);
  });

  it('says that a stored tile or body is damaged, and goes on', async () => {
    const other = await StoredLog.create(server, 'damaged');
    await other.seal();
    for (let block = 0; block < 3; block++) {
      await other.sealEvents(...Array.from({ length: 300 }, (_, i) => `{"id":"${block}-${i}"}`));
    }
    const second = await SpecReader.start(server, other, { public: 'tiles' });
    try {
      await second.publish();
      await other.tamper(
        'DELETE FROM everseal.tile WHERE number = 0; DELETE FROM everseal.block_body WHERE height = 2',
      );
      const damagedPaths = ['tile/0/000', 'tile/entries/001', 'tile/1/000.p/3'];
      const asked = await Promise.all(damagedPaths.map((path) => second.get(`/log/main/${path}`)));
      expect(asked.map(({ status, body }) => [status, JSON.parse(body.toString())])).toEqual(
        damagedPaths.map(() => [500, { error: expect.objectContaining({ code: 'log.damaged' }) }]),
      );
      expect((await second.get('/log/main/tile/0/001')).status).toBe(200);
    } finally {
      await second.stop();
      await other.close();
    }
  });
});

describe('the listeners', () => {
  const shake = (options: object, port = reader.listeners.portOf('open')!): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect({ host: 'localhost', port, rejectUnauthorized: false, ...options }, () => {
        resolve(`${socket.getProtocol()} ${socket.getCipher().name}`);
        socket.destroy();
      });
      socket.on('error', (error) => resolve(`refused: ${(error as NodeJS.ErrnoException).code}`));
    });

  it('speak TLS 1.3 and nothing else', async () => {
    expect(await shake({})).toBe('TLSv1.3 TLS_AES_256_GCM_SHA384');
    expect(await shake({ maxVersion: 'TLSv1.2' })).toMatch(/^refused/);
    const answer = await new Promise<string>((resolve) => {
      const socket = connectPlain(reader.listeners.portOf('open')!, 'localhost', () =>
        socket.write('GET / HTTP/1.1\r\n\r\n'),
      );
      let said = '';
      socket.on('data', (chunk) => (said += chunk.toString('latin1')));
      socket.on('close', () => resolve(said));
      socket.on('error', () => resolve(said));
    });
    expect(answer).not.toContain('HTTP/');
  });

  it('speak TLS 1.2 with ECDHE and AEAD where they are told to, and then no other suite', async () => {
    const second = await SpecReader.start(server, log, { tls12: true });
    try {
      const port = second.listeners.portOf('open')!;
      expect(await shake({ maxVersion: 'TLSv1.2' }, port)).toBe('TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384');
      for (const ciphers of [
        'ECDHE-ECDSA-AES256-SHA384',
        'ECDHE-ECDSA-AES128-SHA',
        'AES256-GCM-SHA384',
        'AES128-SHA',
      ]) {
        expect([ciphers, await shake({ maxVersion: 'TLSv1.2', ciphers }, port)]).toEqual([
          ciphers,
          expect.stringMatching(/^refused/),
        ]);
      }
      expect(await shake({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }, port)).toMatch(
        /^refused/,
      );
    } finally {
      await second.stop();
    }
  });
});
