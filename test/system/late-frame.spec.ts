/**
 * A frame that comes too late, from end to end over a real broker, database and spool: its ingester does not answer, the
 * sealer lets the lane go on with a gap record, the announcement says what is owed, so the spool keeps it while it releases
 * everything around it; once the ingester answers again the frame is sealed and the spool lets go of it.
 */
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  appendSignatures,
  cosign,
  DebtBook,
  formatCheckpointText,
  parseTimestamp,
  signCheckpoint,
} from '@everseal/audit-core';
import { waitUntil } from '@everseal/local';
import { serve } from '@everseal/messaging';
import { createLogger, replaceFile } from '@everseal/process';
import { temporaryFolder, TestPostgres, type TemporaryFolder } from '@everseal/testing';
import { Announcements } from '../../apps/ingest/src/announcements.js';
import { FrameStore, inspectFrame } from '../../apps/ingest/src/frame-store.js';
import { Spool } from '../../apps/ingest/src/spool.js';
import { buildAnnouncement } from '../../apps/sealer/src/announce.js';
import { askFrame } from '../../apps/sealer/src/ask.js';
import { messageOf } from '../../apps/sealer/src/checked-frames.fixture.js';
import type { Sealed } from '../../apps/sealer/src/sealing.js';
import { Sealing } from '../../apps/sealer/src/sealing.fixture.js';
import { KEYS, ORIGIN, type MadeFrame } from '../../libs/audit-core/src/log.fixture.js';

const LOG = createLogger('ingest', 'a', 'silent');
const NAME = { origin: ORIGIN, ingester: 'a' };
const RESEND = 'audit.resend.main.a';

/** What an ingester keeps of one ledger, and what it makes of announcements. */
class Keeper {
  spool: Spool;
  announcements: Announcements;

  private constructor(
    private readonly folder: string,
    private readonly genesisFile: string,
  ) {
    this.spool = this.open();
    this.announcements = this.listen();
  }

  /** With these frames in its spool. */
  static async with(folder: string, genesis: Buffer, frames: readonly MadeFrame[]): Promise<Keeper> {
    const genesisFile = `${folder}.genesis`;
    replaceFile(genesisFile, genesis);
    const keeper = new Keeper(folder, genesisFile);
    for (const made of frames) {
      const { number, accepted } = made.frame;
      await keeper.spool.append({ number, hash: made.hash }, parseTimestamp(accepted), messageOf(made).data);
    }
    return keeper;
  }

  restart(): void {
    this.spool.close();
    this.spool = this.open();
    this.announcements = this.listen();
  }

  /** The numbers of which it still has the bytes. */
  async holds(numbers: readonly number[]): Promise<number[]> {
    const held = [];
    for (const number of numbers) if (await this.spool.read(number)) held.push(number);
    return held;
  }

  private open(): Spool {
    const inspect = inspectFrame(NAME);
    // Two frames of the spec a segment.
    const sizes = { bound: 1_000_000, windowBytes: 0, segmentBytes: 2_048 };
    return Spool.open({ directory: this.folder, ...NAME, inspect, ...sizes });
  }

  private listen(): Announcements {
    const { spool, folder, genesisFile } = this;
    const frames = new FrameStore(spool, () => []);
    const keysFile = path.join(folder, 'keys.note');
    return new Announcements({ name: NAME, spool, frames, genesisFile, keysFile, logger: LOG });
  }
}

let server: TestPostgres;
let folder: TemporaryFolder;
let sealing: Sealing;
beforeAll(async () => {
  server = await TestPostgres.start();
});
beforeEach(async () => {
  folder = temporaryFolder('late');
  sealing = await Sealing.create(server, 'late');
});
afterEach(async () => {
  await sealing.close();
  folder.remove();
});
afterAll(() => server.stop());

/** The announcement over a block, with a checkpoint that the log key signed and a verifier cosigned. */
function announced(sealed: Sealed): Promise<Buffer> {
  const { size, root } = sealed;
  const checkpoint = { origin: ORIGIN, size, root };
  const line = cosign(formatCheckpointText(checkpoint), KEYS.verifier, 1_767_225_600);
  return buildAnnouncement(sealed, appendSignatures(signCheckpoint(checkpoint, KEYS.log), [line]));
}

const sealedFrames = async (): Promise<number> => (await sealing.report()).frames;

describe('a frame that its ingester brings too late', () => {
  it('is owed, kept over a restart, resent, sealed once, and released then', async () => {
    const frames = sealing.frames('a', 8);
    const numbers = frames.map(({ frame }) => frame.number);
    const { genesis } = sealing.writer;
    const keeper = await Keeper.with(path.join(folder.path, 'spool'), genesis, frames);
    const forgetful = await Keeper.with(path.join(folder.path, 'other'), genesis, frames);
    const blocks: Sealed[] = [];
    sealing.start({
      gapAfterMs: 1_000,
      resend: (_, number) => askFrame(sealing.broker.link, RESEND, number),
      onSealed: (sealed) => blocks.push(sealed),
    });
    // The stream has lost frames 2 and 3, and nobody answers for the ingester.
    await sealing.publish(frames[0]!, ...frames.slice(3));
    await sealing.sealedUpTo({ a: 8 });
    expect(await sealedFrames()).toBe(6);
    await keeper.announcements.take(await announced(blocks.at(-1)!));
    expect([keeper.spool.covered.number, await keeper.holds([1, 2, 3, 4])]).toEqual([8, [2, 3]]);
    keeper.restart();
    expect(await keeper.holds([1, 2, 3, 4])).toEqual([2, 3]);
    // Control: had the announcement not named the debt, they would be gone.
    await forgetful.announcements.take(await announced({ ...blocks.at(-1)!, debts: new DebtBook() }));
    expect(await forgetful.holds([1, 2, 3, 4])).toEqual([]);

    const serving = serve(sealing.broker.link, RESEND, {
      handler: async ({ data }) => {
        const { number } = JSON.parse(data.toString()) as { number: number };
        return (await keeper.spool.read(number)) ?? Buffer.alloc(0);
      },
      logger: LOG,
      onFault: () => undefined,
    });
    await waitUntil(async () => (await sealedFrames()) === 8, { what: 'both debts paid', timeoutMs: 90_000 });
    await keeper.announcements.take(await announced(blocks.at(-1)!));
    expect(await keeper.holds([1, 2, 3, 4])).toEqual([]);
    await serving.stop();

    const report = await sealing.report();
    expect(report).toMatchObject({ findings: [], heads: { a: 8 }, frames: numbers.length });
    await waitUntil(() => sealing.alertCodes.length === 0, { what: 'every alert cleared' });
    keeper.spool.close();
    forgetful.spool.close();
  });
});
