import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  cosignaturesOf,
  EMPTY_ROOT,
  formatAddCheckpoint,
  formatHoldRequest,
  LogState,
  openCheckpoint,
  parseHoldAnswer,
  parseNote,
  parseSignatureLines,
  proveConsistencyFromTiles,
  sha256,
  signCheckpoint,
  SigningKey,
  NOTE_KEY,
  verifyCosignature,
  type Finding,
  type Hash,
} from '@everseal/audit-core';
import { temporaryFolder, TestPostgres, type TemporaryFolder } from '@everseal/testing';
import { KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { BodyRing } from './body-ring.js';
import { FollowLedger } from './follow-ledger.js';
import { LeafFile } from './leaf-file.js';
import { RememberedTree } from './remembered-tree.js';
import { StoredLog } from './stored-log.fixture.js';
import { MemoryFile } from './verifier-memory.js';
import { WitnessLedger, type WitnessAnswer } from './witness-ledger.js';

const NOW = Date.UTC(2026, 5, 1);
const other = (of: string): Hash => sha256(Buffer.from(of));

let server: TestPostgres;
let folder: TemporaryFolder;
let log: StoredLog;
let databases = 0;
let verifier: Verifier;
const trees: RememberedTree[] = [];

beforeAll(async () => {
  server = await TestPostgres.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  folder = temporaryFolder('witness');
  log = await StoredLog.create(server, `witness${databases++}`);
  verifier = await Verifier.start();
});
afterEach(async () => {
  trees.splice(0).forEach((tree) => tree.close());
  await log.close();
  folder.remove();
});

/** One verifier's witness, from its memory in `folder` if there is one. */
class Verifier {
  readonly reports: { finding: Finding; evidence: Record<string, string> }[] = [];

  private constructor(
    readonly witness: WitnessLedger,
    readonly follow: FollowLedger,
    readonly file: MemoryFile,
  ) {}

  static async start(): Promise<Verifier> {
    const dir = path.join(folder.path, 'v1');
    mkdirSync(dir, { recursive: true });
    const { trust } = log.writer;
    const file = new MemoryFile(path.join(dir, 'memory.json'), trust, [KEYS.verifier.verifier]);
    const remembered = file.read();
    const state = remembered ? LogState.recall(trust, remembered.memory) : LogState.empty(trust);
    const tree = await RememberedTree.load(LeafFile.open(path.join(dir, 'leaves')), state.size);
    trees.push(tree);
    const ring = new BodyRing(path.join(dir, 'bodies'), 1_000_000);
    const follow = new FollowLedger(trust, log.verifier, log.ledgerId, state, tree, ring);
    const witness = new WitnessLedger(
      follow,
      file,
      remembered,
      () => KEYS.verifier,
      () => NOW,
      (finding, evidence) => started.reports.push({ finding, evidence }),
    );
    const started = new Verifier(witness, follow, file);
    return started;
  }

  ask(old: number, checkpoint: string, proof: Hash[] = []): Promise<WitnessAnswer> {
    return this.witness.addCheckpoint(Buffer.from(formatAddCheckpoint({ old, proof, checkpoint })));
  }

  /** With the proof that belongs there. */
  async askWithProof(old: number, checkpoint: string): Promise<WitnessAnswer> {
    const { size } = openCheckpoint(checkpoint, [KEYS.log.verifier], ORIGIN);
    return this.ask(old, checkpoint, await proveConsistencyFromTiles(old, size, this.follow.tree.readTiles));
  }
}

/** The log key's checkpoint over everything sealed so far. */
const checkpoint = (): string =>
  signCheckpoint({ origin: ORIGIN, size: log.size, root: log.writer.range.root() }, KEYS.log);

/** Seals some blocks, and has their end cosigned. */
async function cosigned(): Promise<string> {
  await log.seal();
  await log.sealEvents('{"n":1}');
  const note = checkpoint();
  expect((await verifier.ask(0, note)).status).toBe(200);
  await log.sealEvents('{"n":2}', '{"n":3}');
  return note;
}

describe('add-checkpoint', () => {
  it('200: cosigns what it has derived itself, and has written that down before it answers', async () => {
    await log.seal();
    const first = checkpoint();
    const answer = await verifier.ask(0, first);
    expect(answer.status).toBe(200);
    const [line, ...more] = parseSignatureLines(answer.body);
    expect(more).toEqual([]);
    expect(verifyCosignature(parseNote(first).text, line!, KEYS.verifier.verifier)).toBe(NOW / 1000);
    const remembered = verifier.file.read()!;
    expect(remembered.memory.size).toBe(log.size);
    expect(cosignaturesOf(parseNote(remembered.checkpoint), [KEYS.verifier.verifier])).toHaveLength(1);

    await log.sealEvents('{"n":1}');
    await verifier.follow.catchUp();
    expect((await verifier.askWithProof(2, checkpoint())).status).toBe(200);
    expect(verifier.witness.cosignedSize).toBe(log.size);
    expect(verifier.reports).toEqual([]);
  });

  it('200 again for the size that is cosigned: a fresh cosignature, also after a restart', async () => {
    const note = await cosigned();
    for (const from of [verifier, await Verifier.start()]) {
      const answer = await from.ask(from.witness.cosignedSize, note);
      expect(answer.status).toBe(200);
      expect(parseSignatureLines(answer.body)).toHaveLength(1);
    }
  });

  it.each<[string, () => Buffer | Promise<Buffer>]>([
    ['no request at all', () => Buffer.from('hello')],
    ['bytes that are not UTF-8', () => Buffer.alloc(40, 0xff)],
    ['a proof line that is no hash', () => Buffer.from(`old 0\nAAAA\n\n${checkpoint()}`)],
    [
      'old is larger than the checkpoint',
      () => Buffer.from(formatAddCheckpoint({ old: 99, proof: [], checkpoint: checkpoint() })),
    ],
    ['a checkpoint that is none', () => Buffer.from(`old 0\n\n${ORIGIN}\nnine\n${'A'.repeat(43)}=\n\n— x AAAAAAAA\n`)],
  ])('400: %s', async (_, request) => {
    await cosigned();
    expect((await verifier.witness.addCheckpoint(await request())).status).toBe(400);
  });

  it('403: no signature by the log key, or one that does not verify', async () => {
    await cosigned();
    const root = log.writer.range.root();
    const made = { origin: ORIGIN, size: log.size, root };
    const stranger = SigningKey.fromSeed(KEYS.log.name, other('stranger'), NOTE_KEY);
    expect((await verifier.ask(4, signCheckpoint(made, stranger))).status).toBe(403);
    const broken = signCheckpoint(made, KEYS.log).replace(String(log.size), String(log.size - 1));
    expect((await verifier.ask(4, broken)).status).toBe(403);
  });

  it('404: a log that it does not know', async () => {
    await cosigned();
    const origin = 'audit.example.com/orders';
    const key = SigningKey.fromSeed(origin, other('orders'), NOTE_KEY);
    expect((await verifier.ask(0, signCheckpoint({ origin, size: 9, root: other('x') }, key))).status).toBe(404);
  });

  it('409 with its size: old is not what it has cosigned, so the sealer asks again from there', async () => {
    await cosigned();
    const size = verifier.witness.cosignedSize;
    for (const old of [0, 2, size + 1]) {
      expect(await verifier.ask(old, checkpoint())).toEqual({ status: 409, body: `${size}\n` });
    }
    await verifier.follow.catchUp();
    expect((await verifier.askWithProof(size, checkpoint())).status).toBe(200);
  });

  it('409 without a size, and log.forked with both notes: another root for the size that is cosigned', async () => {
    const note = await cosigned();
    const { size } = openCheckpoint(note, [KEYS.log.verifier], ORIGIN);
    const fork = signCheckpoint({ origin: ORIGIN, size, root: other('fork') }, KEYS.log);
    expect(await verifier.ask(size, fork)).toEqual({ status: 409, body: '' });
    expect(verifier.reports).toMatchObject([{ finding: { code: 'log.forked', index: size } }]);
    const { first, second } = verifier.reports[0]!.evidence;
    expect(parseNote(first!).text).toBe(parseNote(note).text);
    expect(second).toBe(fork);
    // What is remembered has not moved.
    expect((await verifier.ask(size, note)).status).toBe(200);
  });

  it('422: a proof that does not verify, one where none belongs, and the root of an empty tree that is none', async () => {
    await log.seal();
    expect((await verifier.ask(0, checkpoint(), [other('x')])).status).toBe(422);
    await log.sealEvents('{"n":1}');
    const note = checkpoint();
    expect((await verifier.ask(0, note)).status).toBe(200);
    await log.sealEvents('{"n":2}');
    await verifier.follow.catchUp();
    const size = verifier.witness.cosignedSize;
    expect((await verifier.ask(size, checkpoint())).status).toBe(422);
    expect((await verifier.ask(size, checkpoint(), [other('x'), other('y')])).status).toBe(422);
    const empty = signCheckpoint({ origin: ORIGIN, size: 0, root: EMPTY_ROOT }, KEYS.log);
    const odd = empty.replace(EMPTY_ROOT.toString('base64'), other('x').toString('base64'));
    expect((await verifier.ask(0, odd)).status).toBe(422);
    expect(verifier.witness.cosignedSize).toBe(size);
  });

  it('422, and checkpoint.mismatch with the note: the log key signed what the stored entries do not give', async () => {
    await log.seal();
    const wrong = signCheckpoint({ origin: ORIGIN, size: log.size, root: other('x') }, KEYS.log);
    expect((await verifier.ask(0, wrong)).status).toBe(422);
    expect(verifier.reports).toMatchObject([
      { finding: { code: 'checkpoint.mismatch', index: log.size }, evidence: { checkpoint: wrong } },
    ]);
    expect((await verifier.ask(0, checkpoint())).status).toBe(200); // control
  });

  it.each<[string, (size: number) => [number, Hash[]], number]>([
    ['an old size that does not fit', () => [0, []], 409],
    ['a proof that does not verify', (size) => [size, []], 422],
  ])('reports another root of a size that is held even with %s', async (_, request, status) => {
    await cosigned();
    await verifier.follow.catchUp();
    const [old, proof] = request(verifier.witness.cosignedSize);
    const right = checkpoint();
    const wrong = signCheckpoint({ origin: ORIGIN, size: log.size, root: other('x') }, KEYS.log);
    expect((await verifier.ask(old, right, proof)).status).toBe(status);
    expect(verifier.reports).toEqual([]); // control
    expect((await verifier.ask(old, wrong, proof)).status).toBe(status);
    expect(verifier.reports).toMatchObject([
      { finding: { code: 'checkpoint.mismatch', index: log.size }, evidence: { checkpoint: wrong } },
    ]);
  });

  it('reports a fork of the cosigned size when the request names another old size', async () => {
    const note = await cosigned();
    const { size } = openCheckpoint(note, [KEYS.log.verifier], ORIGIN);
    const fork = signCheckpoint({ origin: ORIGIN, size, root: other('fork') }, KEYS.log);
    expect(await verifier.ask(0, fork)).toEqual({ status: 409, body: `${size}\n` });
    expect(verifier.reports).toMatchObject([{ finding: { code: 'log.forked' }, evidence: { second: fork } }]);
  });

  it('503: a size that is not there to be derived, or is no end of a block', async () => {
    await log.seal();
    await log.sealEvents('{"n":1}', '{"n":2}');
    await verifier.follow.catchUp();
    for (const [size, root] of [
      [log.size + 5, other('x')],
      [3, await verifier.follow.tree.rootAt(3)],
    ] as const) {
      const answer = await verifier.ask(0, signCheckpoint({ origin: ORIGIN, size, root }, KEYS.log));
      expect(answer.status).toBe(503);
    }
    expect(verifier.witness.cosignedSize).toBe(0);
  });

  it('lets one of several requests that come together win, and tells the others the new size', async () => {
    await cosigned();
    const old = verifier.witness.cosignedSize;
    await verifier.follow.catchUp();
    const note = checkpoint();
    const answers = await Promise.all([1, 2, 3].map(() => verifier.askWithProof(old, note)));
    expect(answers.map(({ status }) => status)).toEqual([200, 409, 409]);
    expect(answers[1]!.body).toBe(`${log.size}\n`);
  });

  it('cosigns nothing behind a block that does not stand as it was sealed; control: it does once that is restored', async () => {
    await log.seal();
    await log.sealEvents('{"n":1}');
    const flip = `UPDATE everseal.block_body SET body = set_byte(body, 9, get_byte(body, 9) # 1) WHERE height = 1`;
    await log.tamper(flip);
    expect((await verifier.ask(0, checkpoint())).status).toBe(503);
    await log.tamper(flip);
    expect((await verifier.ask(0, checkpoint())).status).toBe(200);
  });
});

describe('hold', () => {
  const hold = async (size: number): Promise<{ size: number; root: Hash; checkpoint: string }> =>
    parseHoldAnswer(await verifier.witness.hold(formatHoldRequest(size)));

  it('derives up to the size that is asked for, and answers with its own root', async () => {
    expect(await hold(0)).toEqual({ size: 0, root: EMPTY_ROOT, checkpoint: '' });
    await log.seal();
    await log.sealEvents('{"n":1}');
    expect(await hold(log.size)).toEqual({ size: log.size, root: log.writer.range.root(), checkpoint: '' });
    // What it does not have it does not hold.
    expect((await hold(log.size + 7)).size).toBe(log.size);
    expect((await hold(log.size + 7)).root).toEqual(log.writer.range.root());
  });

  it('names the newest checkpoint that it cosigned, after a restart as well', async () => {
    const note = await cosigned();
    for (const from of [verifier, await Verifier.start()]) {
      const answer = parseHoldAnswer(await from.witness.hold(formatHoldRequest(0)));
      expect(parseNote(answer.checkpoint).text).toBe(parseNote(note).text);
      expect(cosignaturesOf(parseNote(answer.checkpoint), [KEYS.verifier.verifier])).toHaveLength(1);
      expect(cosignaturesOf(parseNote(from.witness.heartbeat()!), [KEYS.verifier.verifier])).toHaveLength(1);
    }
  });

  it('is answered, and a checkpoint cosigned, while a row behind what is asked for cannot be read', async () => {
    await log.seal();
    const size = log.size;
    const note = checkpoint();
    await log.sealEvents('{"n":1}');
    await log.tamper(
      `ALTER TABLE everseal.block DROP CONSTRAINT block_check1; UPDATE everseal.block SET next = 9007199254740993 WHERE height = 1`,
    );
    await expect(verifier.follow.catchUp()).rejects.toMatchObject({ code: 'store.unsafe-integer' }); // control
    expect((await hold(log.size)).size).toBe(size);
    expect((await verifier.ask(0, note)).status).toBe(200);
    const later = signCheckpoint({ origin: ORIGIN, size: log.size, root: other('x') }, KEYS.log);
    expect((await verifier.ask(size, later)).status).toBe(422);
  });

  it('refuses what is no hold request', async () => {
    await expect(verifier.witness.hold(Buffer.from('{"size":-1}'))).rejects.toMatchObject({ code: 'hold.request' });
    await expect(verifier.witness.hold(Buffer.from('size 9'))).rejects.toMatchObject({ code: 'hold.request' });
  });
});
