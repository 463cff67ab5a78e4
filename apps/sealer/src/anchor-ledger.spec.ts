/**
 * Anchoring against a real Postgres, with a clock of its own: which checkpoints are anchored, what becomes of a target that is away, and
 * of answers that are lost. The targets are the file, a time-stamp authority where openssl is installed, and one that fails as told.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import path from 'node:path';
import { AlertBook, createLogger } from '@everseal/process';
import { opensslMissing, temporaryFolder, TestPostgres, TestTsa, type TemporaryFolder } from '@everseal/testing';
import { parsePinnedAuthority, verifyTimestamp } from '@everseal/timestamps';
import { ORIGIN, testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { AnchorLab, toAnchor } from './anchor-lab.fixture.js';
import { AnchorLedger, type AnchorParts } from './anchor-ledger.js';
import { AnchorContradiction, type AnchorTarget, type ToAnchor } from './anchor-target.js';
import { FileTarget } from './file-target.js';
import { TimestampTarget } from './timestamp-target.js';

const LOG = createLogger('sealer', 's1', 'silent');
const NEVER = new AbortController().signal;
const MINUTE = 60_000;
/** The beginning of a period. */
const START = Date.UTC(2026, 0, 31, 9, 0, 0);

/** A target that does as it is told, and remembers what came. */
class ToldTarget implements AnchorTarget {
  readonly kind = 'told';
  readonly name = 'spec';
  fails: Error | null = null;
  /** Takes what it is given, and then fails: the answer is lost. */
  losesAnswers = false;
  readonly taken: number[] = [];

  anchor({ size, note }: ToAnchor): Promise<Buffer> {
    if (this.fails) return Promise.reject(this.fails);
    this.taken.push(size);
    return this.losesAnswers ? Promise.reject(new Error('the answer was lost')) : Promise.resolve(note);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

let server: TestPostgres;
let lab: AnchorLab;
let folder: TemporaryFolder;
let alerts: AlertBook;
let sent: { code: string; state: string; detail?: string }[];
let now: number;
let target: ToldTarget;

beforeAll(async () => {
  server = await TestPostgres.start();
}, 60_000);
afterAll(async () => {
  await lab?.close();
  folder?.remove();
  await server?.stop();
});

let databases = 0;
beforeEach(async () => {
  await lab?.close();
  folder?.remove();
  folder = temporaryFolder('anchor-ledger');
  lab = await AnchorLab.create(server, `anchors_${databases++}`);
  sent = [];
  alerts = new AlertBook(
    path.join(folder.path, 'alerts.json'),
    'audit.example.com/sealer/s1',
    testKey('audit.example.com/sealer/s1/alerts'),
    () => now,
    (_, message) => {
      const { alert } = JSON.parse(message.toString()) as { alert: { code: string; state: string } };
      sent.push(alert);
      return Promise.resolve(true);
    },
  );
  now = START;
  target = new ToldTarget();
});

function anchoring(over: Partial<AnchorParts> = {}): AnchorLedger {
  return new AnchorLedger({
    origin: ORIGIN,
    ledgerId: lab.ledgerId,
    pool: lab.pool,
    target,
    everyMs: MINUTE,
    paceMs: 0,
    keySets: () => toAnchor(1).keySets,
    alerts,
    log: LOG,
    now: () => now,
    ...over,
  });
}

/** Rounds until nothing is due, or one fails. @returns the pause of the last */
async function rounds(anchor: AnchorLedger): Promise<number> {
  for (let i = 0; i < 200; i++) {
    const failed = anchor.failed;
    const pause = await anchor.round(NEVER);
    if (pause > 0 || anchor.failed > failed) return pause;
  }
  throw new Error('it does not come to an end');
}

/** A checkpoint every 20 seconds of so many minutes. @returns the last size of each minute */
async function sealMinutes(minutes: number): Promise<number[]> {
  const last: number[] = [];
  for (let minute = 0; minute < minutes; minute++) {
    for (const second of [0, 20, 40]) last[minute] = await lab.seal(now + second * 1_000);
    now += MINUTE;
  }
  return last;
}

const standing = (): string[] => alerts.open.map(({ code }) => code);

describe('anchoring', () => {
  it('begins with what is newest, and goes on with the last checkpoint of each period that is over', async () => {
    const anchor = anchoring();
    await sealMinutes(3); // before anything was anchored
    const first = await lab.seal(now);
    await rounds(anchor);
    expect(await lab.sizes()).toEqual([first]);
    const second = await lab.seal(now + 20_000);
    now += MINUTE - 1;
    expect(await rounds(anchor)).toBeLessThanOrEqual(1_000); // the period is not over yet
    expect(await lab.sizes()).toEqual([first]);
    now += 1;
    const others = await sealMinutes(3);
    await rounds(anchor);
    expect(await lab.sizes()).toEqual([first, second, ...others]);
    expect(anchor).toMatchObject({ size: others.at(-1), failed: 0, unanchoredMs: 0 });
    expect(sent).toEqual([]);
  });

  it('waits while this sealer does not hold the ledger, and while there is no checkpoint', async () => {
    await rounds(anchoring());
    await lab.seal(now);
    await rounds(anchoring({ keySets: () => [] }));
    expect(target.taken).toEqual([]);
  });

  it('fills in what a target missed in an hour, in order, and says that it was overdue, once', async () => {
    const anchor = anchoring();
    const [first] = await sealMinutes(1);
    await rounds(anchor);
    target.fails = new Error('the target is away');
    const due: number[] = [];
    for (let minute = 0; minute < 60; minute++) {
      // Sealing goes on: nothing in this loop waits for the anchor.
      due.push(...(await sealMinutes(1)));
      expect(await rounds(anchor)).toBeGreaterThan(0);
      // The first of them was due at the end of its minute: missed a second time two minutes later.
      expect(standing()).toEqual(minute < 2 ? [] : ['anchor.overdue']);
    }
    expect(anchor.unanchoredMs).toBe(59 * MINUTE);
    expect(await lab.sizes()).toEqual([first]);
    target.fails = null;
    await rounds(anchor);
    expect(await lab.sizes()).toEqual([first, ...due]);
    expect(target.taken).toEqual([first, ...due]);
    expect(standing()).toEqual([]);
    await alerts.flush();
    expect(sent.map(({ code, state }) => `${code} ${state}`)).toEqual([
      'anchor.overdue raised',
      'anchor.overdue cleared',
    ]);
    expect(sent[0]?.detail).toContain('at spec (told)');
  });

  it('is overdue until it has caught up', async () => {
    const anchor = anchoring();
    await sealMinutes(1);
    await rounds(anchor);
    target.fails = new Error('the target is away');
    await sealMinutes(5);
    await rounds(anchor);
    target.fails = null;
    await anchor.round(NEVER);
    expect(standing()).toEqual(['anchor.overdue']);
    await rounds(anchor);
    expect(standing()).toEqual([]);
  });

  it('raises nothing while a sealer was down for long: it anchors first, then judges (control of the above)', async () => {
    await sealMinutes(1);
    await rounds(anchoring());
    await sealMinutes(30);
    await rounds(anchoring());
    expect(sent).toEqual([]);
    expect((await lab.sizes()).length).toBe(31);
  });

  it('goes on where the table says after a restart, and asks again when an answer was lost', async () => {
    const sizes = await sealMinutes(1);
    target.losesAnswers = true;
    await rounds(anchoring());
    expect(await lab.sizes()).toEqual([]);
    target.losesAnswers = false;
    await rounds(anchoring());
    expect(await lab.sizes()).toEqual(sizes);
    expect(target.taken).toEqual([...sizes, ...sizes]);
    const later = await sealMinutes(2);
    await rounds(anchoring());
    expect(await lab.sizes()).toEqual([...sizes, ...later]);
  });

  it('pauses longer and longer, at most a minute', async () => {
    await sealMinutes(1);
    target.fails = new Error('the target is away');
    const anchor = anchoring({ everyMs: 3_600_000 });
    const pauses: number[] = [];
    for (let i = 0; i < 8; i++) pauses.push(await anchor.round(NEVER));
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    expect(anchor.failed).toBe(8);
  });

  it('raises anchor.mismatch when the target holds another history, and clears it when it does not', async () => {
    const anchor = anchoring();
    const [size] = await sealMinutes(1);
    target.fails = new AnchorContradiction('the target holds another note', 'that note');
    await rounds(anchor);
    await rounds(anchor);
    expect(standing()).toEqual(['anchor.mismatch']);
    await alerts.flush();
    expect(sent).toMatchObject([
      {
        code: 'anchor.mismatch',
        first: { index: size },
        evidence: { anchor: 'spec', checkpoint: toAnchor(size!).note.toString(), held: 'that note' },
      },
    ]);
    target.fails = null;
    await rounds(anchor);
    expect(standing()).toEqual([]);
  });

  it('survives a database that is away', async () => {
    await sealMinutes(1);
    const anchor = anchoring();
    await server.query('ALTER ROLE everseal_sealer NOLOGIN');
    await server.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'everseal_sealer'`);
    expect(await anchor.round(NEVER)).toBe(1_000);
    await server.query('ALTER ROLE everseal_sealer LOGIN');
    await rounds(anchor);
    expect((await lab.sizes()).length).toBe(1);
    expect(sent).toEqual([]);
  });

  it('keeps as evidence what the file gave back', async () => {
    const options = {
      name: 'disk',
      folder: folder.path,
      ledger: 'main',
      origin: ORIGIN,
      appendOnlyFlag: false,
      log: LOG,
    };
    const file = new FileTarget(options);
    const sizes = await sealMinutes(3);
    await rounds(anchoring({ target: file }));
    const later = await sealMinutes(2);
    await rounds(anchoring({ target: file }));
    await file.close();
    const rows = await lab.rows();
    expect(rows.map(({ size }) => size)).toEqual([sizes[2], ...later]);
    for (const { kind, target: name, size, evidence } of rows) {
      expect({ kind, name }).toEqual({ kind: 'file', name: 'disk' });
      expect(evidence).toEqual(toAnchor(size).note);
    }
  });

  const missing = opensslMissing();
  if (missing !== null) process.stderr.write(`anchor-ledger.spec: ${missing}\n`);
  (missing === null ? it : it.skip)('keeps a time stamp that verifies, and fills in after an outage', async () => {
    const tsa = await TestTsa.start();
    try {
      const pinned = parsePinnedAuthority(Buffer.from(tsa.identity.root));
      const stamps = new TimestampTarget({
        name: 'tsa',
        url: new URL(tsa.url),
        pinned,
        policy: null,
        timeoutMs: 20_000,
        clockSkewMs: 300_000,
        now: Date.now,
      });
      const anchor = anchoring({ target: stamps });
      const [first] = await sealMinutes(1);
      await rounds(anchor);
      await tsa.down();
      const missed = await sealMinutes(3);
      await rounds(anchor);
      expect(standing()).toEqual(['anchor.overdue']);
      await tsa.up();
      tsa.answer = 'other-nonce';
      await rounds(anchor);
      tsa.answer = 'good';
      await rounds(anchor);
      const rows = await lab.rows();
      expect(rows.map(({ size }) => size)).toEqual([first, ...missed]);
      for (const { size, evidence } of rows) {
        const stamp = verifyTimestamp(evidence, toAnchor(size).note, { pinned, policy: null, nonce: null });
        expect(stamp.authority).toBe('CN=Spec TSA');
      }
      expect(standing()).toEqual([]);
    } finally {
      await tsa.stop();
    }
  });
});
