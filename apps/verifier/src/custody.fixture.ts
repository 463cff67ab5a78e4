/**
 * Custody of one ledger for specs, on a real nats-server and a real Postgres: a log that the spec seals by hand, the stream
 * of its frames with an administrator who may do everything, and the looks of a verifier, which the spec makes one by one.
 * The clock is the spec's: nothing waits.
 */

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import {
  encodeFrameMessage,
  LogState,
  NOTE_KEY,
  sha256,
  SigningKey,
  type Finding,
  type KeySet,
} from '@everseal/audit-core';
import { readHead, type LedgerHead } from '@everseal/ledger-store';
import { FramesReader, StreamReader, type NatsLink } from '@everseal/messaging';
import {
  ALERTS,
  expectedFrames,
  expectedStreams,
  framesSubject,
  parsePolicy,
  provisionStreams,
} from '@everseal/policy';
import { AlertBook } from '@everseal/process';
import { temporaryFolder, type TestPostgres } from '@everseal/testing';
import { KEYS, ORIGIN, type MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { LabBroker } from '../../../libs/messaging/src/broker.fixture.js';
import { BodyRing } from './body-ring.js';
import { ClaimLedger } from './claim-ledger.js';
import { CustodyCheckpoints } from './custody-checkpoints.js';
import { takeHeartbeat } from './custody-compose.js';
import { CustodyFile } from './custody-file.js';
import { CustodyLedger } from './custody-ledger.js';
import { CustodyLog } from './custody-log.js';
import { CustodyNotes } from './custody-notes.js';
import { unlessSpoiled } from './custody-read.js';
import { FollowLedger } from './follow-ledger.js';
import { LeafFile } from './leaf-file.js';
import { Pace } from './pace.js';
import { RememberedTree } from './remembered-tree.js';
import { StoredLog } from './stored-log.fixture.js';
import { StreamGuard } from './stream-guard.js';
import { StreamMemory } from './stream-guard-memory.js';
import { SharedStreams } from './stream-guard-shared.js';
import { StreamSweep } from './stream-guard-sweep.js';

export const POLICY = parsePolicy(
  `
domain: audit.example.com
ledgers: [{ name: main, ingesters: [a, b], spoolBytes: 1048576, frames: { maxBytes: 4194304 } }]
producers: [{ name: billing, ledgers: [main], sources: ['*'] }]
ingest: [{ name: a }, { name: b }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
`,
  'everseal.yaml',
);
const STREAM = 'FRAMES_main';
export const OVERDUE_MS = 60_000;
const HEADROOM_MS = 600_000;
const API = '$JS.API';
const SOURCE = 'audit.example.com/verifier/v1';

/** An alert as it was sent. */
export interface SentAlert {
  readonly code: string;
  readonly state: 'raised' | 'cleared';
  readonly detail?: string;
  readonly first?: { readonly index: number | null };
  readonly evidence?: Readonly<Record<string, string>>;
}

/** Looks that can be left out, for controls. */
export type Look = 'custody' | 'guard' | 'sweep' | 'checkpoints';

/** A ledger with its stream. */
export class CustodyWorld {
  private readonly verifiers: CustodyVerifier[] = [];
  readonly folder = temporaryFolder('custody');
  /** What the looks' clock says, milliseconds. */
  now = 1_000;

  private constructor(
    readonly log: StoredLog,
    readonly broker: LabBroker,
    readonly admin: NatsLink,
  ) {}

  static async start(server: TestPostgres, database: string): Promise<CustodyWorld> {
    const broker = await LabBroker.start();
    const admin = await broker.link();
    const world = new CustodyWorld(await StoredLog.create(server, database), broker, admin);
    await provisionStreams(admin.nc, POLICY);
    await world.log.seal();
    return world;
  }

  /** Starts a verifier on the folder as it is: the second one is the first after a restart. */
  async verifier(...off: Look[]): Promise<CustodyVerifier> {
    const verifier = await CustodyVerifier.start(this, off);
    this.verifiers.push(verifier);
    return verifier;
  }

  /** Puts a frame on its lane, as its ingester does. */
  async publish(frame: MadeFrame, over: { lane?: string; message?: Buffer } = {}): Promise<void> {
    const subject = framesSubject('main', over.lane ?? frame.frame.ingester);
    const { data } = await this.admin.nc.request(
      subject,
      over.message ?? encodeFrameMessage(frame.note, frame.entries),
    );
    const ack = JSON.parse(Buffer.from(data).toString()) as { error?: unknown };
    if (ack.error) throw new Error(JSON.stringify(ack));
  }

  /** A frame of this number with other content, signed by the ingester; the lane's head stays what it is. */
  twin(of: MadeFrame): MadeFrame {
    const { ingester, number, previous } = of.frame;
    const lane = ingester as 'a' | 'b';
    const head = this.log.writer.heads.get(lane)!;
    const made = this.log.writer.frame(lane, ['{"twin":1}'], { number, previous });
    this.log.writer.heads.set(lane, head);
    return made;
  }

  /** One request to JetStream's API, as the broker's administrator. */
  async api(what: string, body: object = {}, stream: string = STREAM): Promise<Record<string, unknown>> {
    const { data } = await this.admin.nc.request(`${API}.STREAM.${what}.${stream}`, JSON.stringify(body));
    const answer = JSON.parse(Buffer.from(data).toString()) as Record<string, unknown>;
    if (answer['error']) throw new Error(`${what}: ${JSON.stringify(answer['error'])}`);
    return answer;
  }

  async config(stream: string = STREAM): Promise<Record<string, unknown>> {
    return (await this.api('INFO', {}, stream))['config'] as Record<string, unknown>;
  }

  async close(): Promise<void> {
    this.verifiers.forEach((verifier) => verifier.close());
    await this.log.close();
    await this.broker.stop();
    this.folder.remove();
  }
}

export class CustodyVerifier {
  readonly sent: SentAlert[] = [];
  readonly alerts: AlertBook;
  readonly custody: CustodyLedger;
  readonly guard: StreamGuard;
  readonly shared: SharedStreams;
  readonly sweep: StreamSweep;
  readonly checkpoints: CustodyCheckpoints;
  readonly claims: ClaimLedger;
  readonly memory: StreamMemory;
  /** The newest checkpoint that it cosigned. */
  cosigned: string | null = null;

  private constructor(
    world: CustodyWorld,
    readonly follow: FollowLedger,
    private readonly off: readonly Look[],
  ) {
    const { log, folder } = world;
    const inFolder = (file: string): string => path.join(folder.path, file);
    const key = SigningKey.fromSeed(`${SOURCE}/alerts`, sha256(Buffer.from('alerts')), NOTE_KEY);
    this.alerts = new AlertBook(inFolder('alerts.json'), SOURCE, key, Date.now, (_, message) => {
      this.sent.push((JSON.parse(message.toString()) as { alert: SentAlert }).alert);
      return Promise.resolve(true);
    });
    const keys = (): KeySet | null => follow.memory.keys;
    const head = (): Promise<LedgerHead | null> => unlessSpoiled(() => readHead(log.verifier, log.ledgerId), null);
    const clock = (): number => world.now;
    const notes = new CustodyNotes();
    const file = new CustodyFile(inFolder('custody.json'));
    const size = async (): Promise<number | null> => (await head())?.size ?? null;
    const places = new CustodyLog(log.verifier, follow);
    const bounds = { overdueMs: OVERDUE_MS };
    this.custody = new CustodyLedger(ORIGIN, places, notes, file, this.alerts, keys, size, bounds, clock);
    const reader = new FramesReader(world.admin, 'main', { apiPrefix: API });
    this.memory = new StreamMemory(inFolder('stream.json'));
    this.guard = new StreamGuard(
      reader,
      expectedFrames(POLICY, 'main'),
      ['a', 'b'].map((ingester) => framesSubject('main', ingester)),
      this.custody,
      this.memory,
      async () => (await head())?.cursor ?? null,
      this.alerts,
      { headroomMs: HEADROOM_MS, settleMs: OVERDUE_MS },
      { clock, now: Date.now },
    );
    const expected = expectedStreams(POLICY).find(({ name }) => name === ALERTS)!;
    const stream = { expected, reader: new StreamReader(world.admin, ALERTS, { apiPrefix: API }) };
    this.shared = new SharedStreams(ORIGIN, [stream], this.alerts);
    this.sweep = new StreamSweep(reader, this.custody, this.alerts, new Pace(() => Infinity));
    const report = (finding: Finding, evidence: Record<string, string>): void =>
      this.alerts.raise(`requests about ${ORIGIN}`, finding, { ledger: ORIGIN, evidence });
    const { verifier: pool, ledgerId } = log;
    const cosigned = (): string | null => this.cosigned;
    this.checkpoints = new CustodyCheckpoints(
      ORIGIN,
      pool,
      ledgerId,
      follow.tree,
      () => follow.memory,
      cosigned,
      report,
    );
    this.claims = new ClaimLedger(this.custody, cosigned, () => follow.memory, follow.tree.readTiles);
  }

  static async start(world: CustodyWorld, off: readonly Look[]): Promise<CustodyVerifier> {
    const { log, folder } = world;
    // What it derived is no matter of custody: each start derives the log again, beside the others.
    const dir = path.join(folder.path, `tree${world.now}-${Math.random()}`);
    mkdirSync(dir, { recursive: true });
    const tree = await RememberedTree.load(LeafFile.open(path.join(dir, 'leaves')), 0);
    const ring = new BodyRing(path.join(dir, 'bodies'), 1_000_000);
    const { trust } = log.writer;
    const follow = new FollowLedger(trust, log.verifier, log.ledgerId, LogState.empty(trust), tree, ring);
    return new CustodyVerifier(world, follow, off);
  }

  /** A round of every loop. */
  async look(): Promise<void> {
    const finding = await this.follow.catchUp();
    if (finding) throw new Error(`${finding.code}: ${finding.detail}`);
    const isOn = (look: Look): boolean => !this.off.includes(look);
    if (isOn('guard')) {
      await this.guard.look();
      await this.shared.look();
    }
    if (isOn('sweep')) await this.sweep.pass(new AbortController().signal);
    if (isOn('custody')) await this.custody.look();
    if (isOn('checkpoints')) await this.checkpoints.look();
    await this.alerts.flush();
  }

  /** A heartbeat with these notes, as it comes from the broker. */
  hear(...frames: MadeFrame[]): void {
    this.hearBytes(JSON.stringify({ frames: frames.map(({ note }) => note.toString()) }));
  }

  hearBytes(heartbeat: string): void {
    takeHeartbeat(Buffer.from(heartbeat), this.custody, POLICY.ledgers.length);
  }

  /** Codes of the alerts that stand. */
  get open(): string[] {
    return this.alerts.open.map(({ code }) => code);
  }

  /** The newest alert of a code. */
  alert(code: string): SentAlert {
    const found = this.sent.findLast((alert) => alert.code === code && alert.state === 'raised');
    if (!found) throw new Error(`no ${code} was raised`);
    return found;
  }

  close(): void {
    this.follow.tree.close();
  }
}

export { KEYS, ORIGIN };
