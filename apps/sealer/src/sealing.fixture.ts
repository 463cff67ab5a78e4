/**
 * The sealing loop of one ledger between a real nats-server and a real Postgres, for specs. What it sealed is judged from
 * the stored bodies alone, as an outsider would.
 */

import path from 'node:path';
import { verifyLog, type LogReport } from '@everseal/audit-core';

import { createLedger, frameHeads, readBodies, readHead } from '@everseal/ledger-store';
import { waitUntil } from '@everseal/local';
import { AlertBook, createLogger, fateOf, Health, Loop } from '@everseal/process';
import { temporaryFolder, type TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { KEYS, LogWriter, ORIGIN, testKey, type MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { SpecStore } from '../../../libs/ledger-store/src/store.fixture.js';
import { messageOf, subjectOf } from './checked-frames.fixture.js';
import { FramesBroker } from './frames-broker.fixture.js';
import { isUnknown, Lease } from './lease.js';
import { SealLedger } from './seal-ledger.js';
import type { SealerParts } from './sealing.js';

const LOG = createLogger('sealer', 's1', 'silent');

export class Sealing {
  readonly writer = new LogWriter();
  private readonly folder = temporaryFolder('sealing');
  readonly alerts = new AlertBook(
    path.join(this.folder.path, 'alerts.json'),
    'audit.example.com/sealer/s1',
    testKey('audit.example.com/sealer/s1/alerts'),
    Date.now,
    () => Promise.resolve(true),
  );
  /** What ended the loop by itself. */
  stopped: Error | null = null;
  private running: { loop: Loop; lease: Lease; sealer: SealLedger } | null = null;

  private constructor(
    readonly broker: FramesBroker,
    readonly store: SpecStore,
    readonly pool: Pool,
    private readonly reader: Pool,
    readonly ledgerId: number,
  ) {}

  static async create(server: TestPostgres, database: string): Promise<Sealing> {
    const [broker, store] = await Promise.all([FramesBroker.start(), SpecStore.create(server, database)]);
    const pool = await store.sealer({ max: 8 });
    const ledgerId = await createLedger(pool, ORIGIN, { epoch: '', created: '', sequence: 0, hash: null });
    return new Sealing(broker, store, pool, await store.verifier(), ledgerId);
  }

  /** Starts the loop, supervised as in the process. */
  start(over: Partial<SealerParts> = {}): SealLedger {
    const { broker, pool, ledgerId, alerts, writer } = this;
    const lease = new Lease(pool, over.ledgerId ?? ledgerId, 's1', (error) => (this.stopped = error));
    const sealer = new SealLedger({
      origin: ORIGIN,
      ledgerId,
      pool,
      lease,
      reader: broker.reader,
      logKeyOf: ({ vkey }) => (vkey === KEYS.log.verifier.vkey ? KEYS.log : null),
      genesis: writer.genesis,
      successor: null,
      heldBytes: 1_000_000,
      // The frames of specs are old: never by itself.
      gapAfterMs: 100 * 365 * 86_400_000,
      alerts,
      log: LOG,
      now: Date.now,
      subjectOf,
      resend: () => Promise.resolve(null),
      confirmHead: () => Promise.resolve(),
      onTurn: () => {},
      onSealed: () => {},
      ...over,
    });
    const loop = Loop.run({
      name: 'seal',
      body: (signal) => sealer.run(signal),
      logger: LOG,
      pulse: new Health(() => performance.now()).pulse('seal', 30_000),
      within: 30_000,
      onStop: (error) => (this.stopped = error),
      fate: (error) => (isUnknown(error) ? 'retry' : fateOf(error)),
    });
    this.running = { loop, lease, sealer };
    return sealer;
  }

  /** A graceful stop. */
  async stop(): Promise<void> {
    await this.running?.loop.stop();
    await this.running?.lease.release();
    this.running = null;
  }

  /** Stores the frames' messages in the stream, one after another. @returns their sequences */
  async publish(...frames: MadeFrame[]): Promise<number[]> {
    const sequences = [];
    for (const made of frames) {
      sequences.push(await this.broker.publish(subjectOf(made.frame.ingester), messageOf(made).data));
    }
    this.running?.sealer.nudge();
    return sequences;
  }

  /** The next frames of an ingester, not published. */
  frames(ingester: 'a' | 'b', count: number): MadeFrame[] {
    return Array.from({ length: count }, () => this.writer.frame(ingester, ['{"n":1}', '{"n":2}']));
  }

  /** Waits until exactly these frame numbers are the newest sealed ones. */
  async sealedUpTo(heads: Readonly<Record<string, number>>, timeoutMs = 10_000): Promise<void> {
    const wanted = JSON.stringify(heads);
    const what = `sealing of ${wanted}`;
    await waitUntil(async () => JSON.stringify(await this.heads()) === wanted || this.stopped !== null, {
      what,
      timeoutMs,
    });
    if (this.stopped) throw this.stopped;
  }

  async heads(): Promise<Record<string, number>> {
    const heads = await frameHeads(this.pool, this.ledgerId);
    return Object.fromEntries(heads.map(({ ingester, number }) => [ingester, number]));
  }

  /** Waits until the stored cursor stands here: everything up to it was dealt with and that is committed. */
  async cursorAt(sequence: number): Promise<void> {
    const at = async () => (await readHead(this.pool, this.ledgerId)).cursor.sequence;
    await waitUntil(async () => (await at()) >= sequence || this.stopped !== null, {
      what: `the cursor at ${sequence}`,
    });
    if (this.stopped) throw this.stopped;
  }

  get alertCodes(): string[] {
    return this.alerts.open.map(({ code }) => code);
  }

  /** The stored log as verifyLog reads it. */
  async report(): Promise<LogReport> {
    const bodies: Buffer[] = [];
    for await (const { body } of readBodies(this.reader, this.ledgerId, 0, 10_000)) bodies.push(body!);
    return verifyLog({ trust: this.writer.trust, bodies });
  }

  async close(): Promise<void> {
    await this.stop();
    await Promise.all([this.store.close(), this.broker.stop()]);
    this.folder.remove();
  }
}
