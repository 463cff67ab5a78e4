/** Anchors that stop, over a log in a real Postgres that goes on: T26, and what must not be taken for it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { signCheckpoint } from '@everseal/audit-core';
import { checkpointAt, insertAnchor } from '@everseal/ledger-store';
import { recordTamper, TestPostgres } from '@everseal/testing';
import { KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { SpecBook } from './alert-book.fixture.js';
import { AnchorGuard } from './anchor-guard.js';
import { copyAnchor, type KnownAnchor } from './known-anchors.js';
import { StoredLog } from './stored-log.fixture.js';

const MINUTE = 60_000;
const FILE = copyAnchor('file', 'disk', MINUTE);

let server: TestPostgres;
let log: StoredLog;
let alerts: SpecBook;
let steady: number;

beforeAll(async () => {
  server = await TestPostgres.start();
}, 60_000);
afterAll(async () => {
  alerts?.remove();
  await log?.close();
  await server?.stop();
});

let databases = 0;
beforeEach(async () => {
  alerts?.remove();
  await log?.close();
  alerts = new SpecBook();
  log = await StoredLog.create(server, `anchored${databases++}`);
  await log.seal();
  steady = 0;
});

/** Seals a block with a checkpoint, in the next minute. @returns its size */
async function seal(): Promise<number> {
  log.writer.clock = (Math.floor(log.writer.clock / MINUTE) + 1) * MINUTE;
  await log.sealEvents('{"id":"one"}');
  await log.storeCheckpoint(
    signCheckpoint({ origin: ORIGIN, size: log.size, root: log.writer.range.root() }, KEYS.log),
  );
  return log.size;
}

async function anchor(size: number): Promise<void> {
  const { note } = (await checkpointAt(log.sealer, log.ledgerId, size))!;
  await insertAnchor(log.sealer, log.ledgerId, { kind: 'file', target: 'disk', size, evidence: Buffer.from(note) });
}

function guarding(anchors: readonly KnownAnchor[] = [FILE]): AnchorGuard {
  const logs = [{ origin: ORIGIN, ledgerId: log.ledgerId, anchors }];
  return new AnchorGuard(log.verifier, alerts.book, logs, () => steady);
}

describe('anchors that have to be', () => {
  it('T26: are missed when anchoring is stopped quietly, and not any more when it goes on', async () => {
    const guard = guarding();
    for (let i = 0; i < 3; i++) {
      await anchor(await seal());
      steady += MINUTE;
      await guard.look();
    }
    const sizes: number[] = [];
    for (let i = 0; i < 6; i++) {
      sizes.push(await seal());
      steady += MINUTE;
      await guard.look();
    }
    expect(alerts.open).toEqual(['anchor.overdue']);
    const { detail, ledger } = await alerts.lastRaised();
    expect({ detail, ledger }).toEqual({
      detail: expect.stringContaining(
        `${ORIGIN} is not anchored at disk (file) any more: the newest anchor is of size`,
      ),
      ledger: ORIGIN,
    });
    recordTamper({
      act: 'T26',
      what: 'no anchor any more, and no word',
      expected: ['anchor.overdue'],
      seen: ['anchor.overdue'],
      seconds: 0,
      named: 'the anchor, its newest size and that of the log',
    });
    // Filled in, in order: it is late until it has caught up.
    for (const size of sizes.slice(0, 1)) await anchor(size);
    await guard.look();
    expect(alerts.open).toEqual(['anchor.overdue']);
    for (const size of sizes.slice(1)) await anchor(size);
    await guard.look();
    expect(alerts.open).toEqual([]);
    expect((await alerts.sent()).map(({ code, state }) => `${code} ${state}`)).toEqual([
      'anchor.overdue raised',
      'anchor.overdue cleared',
    ]);
  });

  it('T26: are not missed by a verifier that was not told of them, nor while they are made (control)', async () => {
    const [told, untold] = [guarding(), guarding([])];
    for (let i = 0; i < 8; i++) {
      await anchor(await seal());
      steady += MINUTE;
      await told.look();
    }
    for (let i = 0; i < 8; i++) {
      await seal();
      steady += MINUTE;
      await untold.look();
    }
    expect(await alerts.sent()).toEqual([]);
  });

  it('T26: are missed where none ever was', async () => {
    const guard = guarding();
    for (let i = 0; i < 6; i++) {
      await seal();
      steady += MINUTE;
      await guard.look();
    }
    expect((await alerts.lastRaised()).detail).toContain('nothing of it ever was');
  });

  it('are late after a sealer was away, and are given the time to be filled in', async () => {
    const guard = guarding();
    await anchor(await seal());
    await guard.look();
    const sizes = [await seal(), await seal()];
    log.writer.clock += 60 * MINUTE;
    sizes.push(await seal()); // after an hour without a block
    await guard.look();
    steady += MINUTE;
    for (const size of sizes) {
      await anchor(size);
      steady += 2 * MINUTE - 1;
      await guard.look(); // each look finds one anchor more
    }
    expect(await alerts.sent()).toEqual([]);
  });

  it('are not late because the log stands still', async () => {
    const guard = guarding();
    await anchor(await seal());
    await seal();
    for (let i = 0; i < 10; i++) {
      steady += 60 * MINUTE;
      await guard.look();
    }
    expect(await alerts.sent()).toEqual([]);
  });
});
