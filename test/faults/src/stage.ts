/**
 * One running installation with what a row needs to break it and to see what comes of it: proxies on every connection, clocks that can be
 * set, a supervisor that starts services again as systemd would, two producers that keep a synced journal, the stored alerts.
 *
 * `plain` has a proxy between every service and every engine. `small` has the least spool and ring, and spool, broker store and PGDATA on
 * file systems of their own that can be made full.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import path from 'node:path';
import { type ManagedProcess, repositoryRoot, type ServiceKind, servicesOf, waitUntil } from '@everseal/local';
import { connectNats, type NatsLink, StreamReader, type StreamState } from '@everseal/messaging';
import { framesStream } from '@everseal/policy';
import {
  type Engine,
  EventJournal,
  type GatedProxy,
  InstalledSystem,
  type JournalEntry,
  JournalProducer,
  LogOracle,
  temporaryFolder,
  type TemporaryFolder,
} from '@everseal/testing';
import { Supervisor } from '../../soak/src/supervisor.js';
import { AlertLog, type LoggedAlert } from './alert-log.js';
import type { StageName } from './row.js';
import { SmallFileSystem } from './small-file-system.js';
import { StageDatabase } from './stage-database.js';
import { StreamFiles } from './store-files.js';

export type OracleVerdict = Awaited<ReturnType<LogOracle['judge']>>;

export interface StageOptions {
  readonly name: StageName;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Times and amounts of the matrix instead of the short ones of the quick subset. */
  readonly isLong: boolean;
  readonly say: (line: string) => void;
}

const PRODUCERS = ['orders', 'billing'] as const;
/** Steady load: requests in flight, events in each, pause after a receipt; about a hundred events a second. */
const LOAD = { inFlight: 4, events: 2, pauseMs: 60 };
/** Bound of everything that is waited for. Nothing is measured by it. */
export const WITHIN_MS = 120_000;
const TELL_EVERY_MS = 10_000;
const MIB = 1024 * 1024;
const STORE_BYTES = { nats: 256 * MIB, postgres: 2_048 * MIB, spool: 64 * MIB };
/** How far a clock may be off before it is called wrong. */
export const CLOCK_BOUND_MS = 60_000;
/** Sweeps come round within seconds; a guard's look is waited for, and so is the end of a replaced stream's alert. */
const VERIFIER = {
  sweep: { bodies: 50_000, index: 10_000, stored: 50_000, pauseMs: 500, longestPauseMs: 5_000 },
  guards: { everyMs: 2_000, clockSkewMs: CLOCK_BOUND_MS },
  custody: { overdueMs: 20_000 },
};
/** Small files, and no memory of sealed frames for repeated requests: what is in the spool is what is not sealed. */
const SMALL_SPOOL = { limits: { windowBytes: 4 * MIB, segmentBytes: 2 * MIB } };
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

export class Stage {
  readonly alerts: AlertLog;
  readonly database: StageDatabase;
  private readonly frames: StreamReader;
  readonly random: () => number;
  readonly isLong: boolean;
  readonly disks = new Map<'nats' | 'postgres' | 'spool', SmallFileSystem>();
  private readonly supervisor: Supervisor;
  private producers: Record<(typeof PRODUCERS)[number], JournalProducer> | null = null;
  private load: Promise<void> | null = null;
  private isLoading = false;
  private isOver = false;
  private mended: number | null = null;
  /** By id; the supervisor reports each of them as ended. */
  private killed: string[] = [];

  private constructor(
    readonly system: InstalledSystem,
    private readonly options: StageOptions,
    private readonly ops: NatsLink,
    private readonly folder: TemporaryFolder,
    private readonly journal: EventJournal,
  ) {
    this.random = options.random;
    this.isLong = options.isLong;
    this.alerts = new AlertLog(system.installation, ops);
    this.database = new StageDatabase(system.installation, WITHIN_MS);
    this.frames = new StreamReader(ops, framesStream(system.ledger), { timeoutMs: 2_000 });
    this.supervisor = new Supervisor(system.installation);
  }

  static async start(options: StageOptions): Promise<Stage> {
    const folder = temporaryFolder('faults');
    const disks = new Map<'nats' | 'postgres' | 'spool', SmallFileSystem>();
    let system: InstalledSystem | null = null;
    try {
      system = await InstalledSystem.start({
        policyFile: path.join(repositoryRoot(), 'test', 'faults', `${options.name}.yaml`),
        settings: { 'verifier-v1': VERIFIER, ...(options.name === 'small' ? { 'ingest-a': SMALL_SPOOL } : {}) },
        settableClocks: true,
        links: options.name === 'plain',
        prepared: ({ layout }) => {
          if (options.name !== 'small') return;
          const places = {
            nats: path.join(layout.nats, 'store'),
            postgres: layout.postgres,
            spool: path.join(layout.state('ingest-a'), 'spool'),
          };
          for (const disk of ['nats', 'postgres', 'spool'] as const) {
            disks.set(disk, SmallFileSystem.mount(places[disk], STORE_BYTES[disk]));
          }
        },
      });
      const { logins } = system.installation;
      const { servers, inboxPrefix } = logins.nats('ops', 'ops');
      const tls = logins.certificate('ops', 'ops');
      const ops = await connectNats({ name: 'faults', servers, tls, inboxPrefix, logger: SILENT, onClosed: () => {} });
      const journal = EventJournal.create(path.join(folder.path, 'journal'));
      const stage = new Stage(system, options, ops, folder, journal);
      for (const [disk, mounted] of disks) stage.disks.set(disk, mounted);
      await stage.openProducers();
      return stage;
    } catch (error) {
      await system?.installation.stop();
      for (const disk of disks.values()) disk.unmount();
      await system?.stop();
      folder.remove();
      throw error;
    }
  }

  async stop(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    this.supervisor.stop();
    this.isLoading = false;
    for (const disk of this.disks.values()) disk.makeRoom();
    await Promise.all(Object.values(this.producers ?? {}).map((producer) => producer.close()));
    await this.ops.close();
    this.journal.close();
    await this.system.installation.stop();
    for (const disk of this.disks.values()) disk.unmount();
    await this.system.stop();
    this.folder.remove();
  }

  get orders(): JournalProducer {
    return this.producers!.orders;
  }

  /** For bursts of a row's own. */
  get billing(): JournalProducer {
    return this.producers!.billing;
  }

  get receipts(): number {
    return Object.values(this.producers!).reduce((sum, { receipts }) => sum + receipts, 0);
  }

  say(line: string): void {
    this.options.say(line);
  }

  // Processes

  service(id: string): ManagedProcess {
    const { service, name } = this.instance(id);
    return this.system.installation.service(service, name);
  }

  link(id: string, engine: Engine): GatedProxy {
    return this.system.link(id, engine);
  }

  /** kill -9; the supervisor starts it again. */
  async kill(id: string): Promise<void> {
    const running = this.service(id);
    this.killed.push(id);
    running.kill('SIGKILL');
    await running.exited;
  }

  takeKilled(): string[] {
    return this.killed.splice(0);
  }

  /** Stops these in order, does something, starts them again; nobody else does meanwhile. */
  async without<T>(ids: readonly string[], work: () => Promise<T>): Promise<T> {
    let result: T | undefined;
    const inner = async (left: readonly string[]): Promise<void> => {
      const [id, ...rest] = left;
      if (id === undefined) {
        result = await work();
        return;
      }
      const { service, name } = this.instance(id);
      await this.supervisor.leaving(id, async () => {
        await this.service(id).stop();
        try {
          await inner(rest);
        } finally {
          await this.system.installation.startService(service, name);
        }
      });
    };
    await inner(ids);
    return result as T;
  }

  /** While `work` runs, what becomes of this service is its business. */
  unsupervised(id: string, work: () => Promise<void>): Promise<void> {
    return this.supervisor.leaving(id, work);
  }

  async start(id: string): Promise<void> {
    const { service, name } = this.instance(id);
    await this.system.installation.startService(service, name);
  }

  get allRun(): boolean {
    return this.supervisor.allRun;
  }

  private get notRunning(): string[] {
    const ids = servicesOf(this.system.installation.policy).map(({ id }) => id);
    return ids.filter((id) => !this.service(id).isRunning);
  }

  get sealers(): string[] {
    return this.system.installation.policy.sealers.map(({ name }) => `sealer-${name}`);
  }

  /** Ends an engine, by kill -9 or in order, does something with its files, starts it again. */
  async restart(
    engine: Engine,
    signal: 'SIGKILL' | 'SIGTERM',
    between: () => Promise<void> | void = () => {},
  ): Promise<void> {
    const { installation } = this.system;
    const running = this.engine(engine);
    if (signal === 'SIGKILL') running.kill(signal);
    else await running.stop();
    await running.exited;
    try {
      await between();
    } finally {
      this.nowMended();
      await (engine === 'nats' ? installation.startNats() : installation.startPostgres());
    }
  }

  engine(engine: Engine): ManagedProcess {
    const { installation } = this.system;
    return (engine === 'nats' ? installation.nats : installation.postgres).process;
  }

  /** Every connection as it should be. */
  healLinks(): void {
    if (this.options.name !== 'plain') return;
    for (const { id, service } of servicesOf(this.system.installation.policy)) {
      this.link(id, 'nats').heal();
      if (service !== 'ingest') this.link(id, 'postgres').heal();
    }
  }

  /** From here on it is counted how long it takes until all is well again; unless called, from the end of the act. */
  nowMended(): void {
    this.mended = performance.now();
  }

  takeMended(): number {
    const mended = this.mended ?? performance.now();
    this.mended = null;
    return mended;
  }

  get storeFiles(): StreamFiles {
    const { layout } = this.system.installation;
    return StreamFiles.of(path.join(layout.nats, 'store'), framesStream(this.system.ledger));
  }

  // Load

  startLoad(): void {
    if (this.load) return;
    this.isLoading = true;
    this.load = this.orders.load(LOAD.events, LOAD.inFlight, () => !this.isLoading, LOAD.pauseMs);
  }

  /** Ends the load; every event has a receipt then. */
  async endLoad(withinMs = WITHIN_MS): Promise<void> {
    this.isLoading = false;
    await within(this.load ?? Promise.resolve(), withinMs, 'a receipt for everything that was sent');
    this.load = null;
  }

  /** Waits for so many receipts more. */
  async moreReceipts(count: number): Promise<void> {
    const wanted = this.receipts + count;
    const what = `${count} receipts more`;
    await waitUntil(() => this.receipts >= wanted, { what, timeoutMs: WITHIN_MS });
  }

  // What is seen

  metric(id: string, what: string): Promise<number> {
    const { service, name } = this.instance(id);
    return this.system.metric(service, name, what);
  }

  async ready(id: string): Promise<string> {
    const { service, name } = this.instance(id);
    return this.system.ask(service, name, '/ready').catch((error: Error) => error.message);
  }

  /** Whether every loop of it turns; a process that says no is started again by whoever supervises it. Null: no answer. */
  async live(id: string): Promise<boolean | null> {
    const { service, name } = this.instance(id);
    const said = await this.system.ask(service, name, '/live').catch(() => null);
    return said === null ? null : said.includes('"status":"live"');
  }

  /** Waits until an alert of this code stands that the row has brought. */
  async raised(code: string): Promise<LoggedAlert> {
    return waitUntil(
      async () => {
        await this.alerts.read();
        return this.alerts.open.find((alert) => alert.code === code);
      },
      { what: `alert ${code}`, timeoutMs: WITHIN_MS, everyMs: 200 },
    );
  }

  /** State of the stream of frames; waits for a broker that was away. */
  async stream(): Promise<StreamState> {
    const what = 'the state of the stream';
    return waitUntil(() => this.frames.info().catch(() => null), { what, timeoutMs: WITHIN_MS, everyMs: 100 });
  }

  takeEnded(): ReturnType<Supervisor['take']> {
    return this.supervisor.take();
  }

  /**
   * Null when all is well: everything runs and is ready, so many receipts were given, everything up to `size` is cosigned, and no alert
   * is open but records of `standing` codes. Else what is not.
   */
  async notWell(receipts: number, size: number, standing: readonly string[]): Promise<string | null> {
    if (!this.supervisor.allRun) return `does not run: ${this.notRunning.join(', ') || 'one that is being started'}`;
    for (const { id } of servicesOf(this.system.installation.policy)) {
      const said = await this.ready(id);
      if (!said.includes('"status":"ready"')) return `${id} is not ready: ${said}`;
    }
    if (this.receipts < receipts) return `${receipts - this.receipts} receipts are missing`;
    const cosigned = await this.database.cosigned();
    if (cosigned < size) return `cosigned up to ${cosigned}, wanted ${size}`;
    if (!(await this.alerts.read())) return 'the alerts cannot be read';
    const open = this.alerts.open.filter(({ code, stands }) => !(stands && standing.includes(code)));
    return open.length > 0 ? `open alerts: ${open.map(({ code, detail }) => `${code} (${detail})`).join(', ')}` : null;
  }

  /** Waits for that with a bound. Throws with what is not well. */
  async untilWell(receipts: number, size: number, standing: readonly string[]): Promise<void> {
    const deadline = performance.now() + WITHIN_MS;
    let told = performance.now();
    for (;;) {
      const problem = await this.notWell(receipts, size, standing);
      if (problem === null) return;
      const now = performance.now();
      if (now > deadline) throw new Error(`not well again: ${problem}`);
      if (now > told + TELL_EVERY_MS) {
        told = now;
        this.say(`     not well yet: ${problem}`);
      }
      await sleep(100);
    }
  }

  /** Waits until everything is sealed, indexed and cosigned, and compares the whole log with the journals. The load must have ended. */
  async judge(
    from: 'memory' | 'file' = 'memory',
    change: (entries: JournalEntry[]) => void = () => {},
    withinMs = WITHIN_MS,
  ): Promise<OracleVerdict> {
    const journals =
      from === 'file'
        ? this.journal.read()
        : Object.fromEntries(PRODUCERS.map((name) => [name, [...this.producers![name].journal]]));
    const oracle = await LogOracle.open(
      await this.system.installation.logins.postgres('ops', 'ops'),
      this.system.trust,
    );
    try {
      await oracle.caughtUp(Object.values(journals).flat(), withinMs);
      await oracle.cosigned(withinMs);
      change((journals['orders'] ??= []));
      return await oracle.judge(journals);
    } finally {
      await oracle.close();
    }
  }

  private async openProducers(): Promise<void> {
    const { installation, ledger, origin, keys } = this.system;
    const opened = PRODUCERS.map(async (producer) => {
      const opening = JournalProducer.open({
        login: installation.logins.nats('producer', producer),
        ledger,
        producer,
        origin,
        ingestKeys: keys.ingest,
        source: `https://${producer}.example.com/faults`,
        journal: this.journal,
        answerWithinMs: 3_000,
      });
      return [producer, await opening] as const;
    });
    this.producers = Object.fromEntries(await Promise.all(opened)) as NonNullable<Stage['producers']>;
  }

  private instance(id: string): { service: ServiceKind; name: string } {
    const found = servicesOf(this.system.installation.policy).find((instance) => instance.id === id);
    if (!found) throw new Error(`there is no ${id}`);
    return found;
  }
}

async function within<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, bound]);
  } finally {
    clearTimeout(timer);
  }
}
