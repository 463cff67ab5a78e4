/**
 * A place for ingest processes to run in: a real nats-server with the accounts and streams of a policy, certificates, keys, the
 * genesis note, producers that send and check receipts, and a sealer's part as far as ingest meets it (announcements).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  alertKeyName,
  checkFrameMessage,
  ingestKeyName,
  NOTE_KEY,
  openFrame,
  originOf,
  parseAnswer,
  parseFrameMessage,
  SigningKey,
  verifyReceipt,
  type Answer,
  type Frame,
  type FrameMessage,
  type Receipt,
} from '@everseal/audit-core';
import { waitUntil } from '@everseal/local';
import { connectNats, publishDurable, StreamReader, type NatsLink } from '@everseal/messaging';
import {
  ANNOUNCEMENTS,
  announceSubject,
  framesStream,
  identityOf,
  parsePolicy,
  provisionStreams,
  renderNats,
  submitSubject,
  type Policy,
  type Service,
} from '@everseal/policy';
import { createLogger, createMetrics, Health } from '@everseal/process';
import { temporaryFolder, TestNats, type TemporaryFolder } from '@everseal/testing';
import { headers as newHeaders } from '@nats-io/transport-node';
import { DOMAIN, FakeLog, genesis, KEYS, seed } from './announced-log.fixture.js';
import { ingestSettings, type IngestSettings } from './config.js';
import { IngestMetrics } from './ingest-metrics.js';
import { IngestService } from './ingest-service.js';
import type { LedgerIntake } from './ledger-intake.js';
import { servedLedgers } from './served-ledgers.js';
import { openSigningKeys, readSigningKey } from './signing-key-file.js';

const POLICY = `
domain: ${DOMAIN}
ledgers:
  - { name: main, ingesters: [a, b], spoolBytes: 4194304, frames: { maxAgeMs: 1209600000 } }
producers:
  - { name: billing, ledgers: [main], sources: ['/billing', '/billing/*'] }
  - { name: orders, ledgers: [main], sources: ['*'] }
ingest: [{ name: a }, { name: b }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
`;

/** A CloudEvent as a producer would write it. */
export function event(id: string, data: unknown = { amount: 1 }, source = '/billing'): string {
  return JSON.stringify({ specversion: '1.0', id, source, type: 'invoice.paid', data });
}

/** A frame in the lane, opened and checked. */
export type LaneFrame = { sequence: number; frame: Frame; message: FrameMessage; events: string[] };

export class IngestLab {
  private readonly links: NatsLink[] = [];
  readonly log = new FakeLog();

  private constructor(
    readonly policy: Policy,
    readonly nats: TestNats,
    readonly folder: TemporaryFolder,
  ) {}

  static async start(policyText = POLICY, adjustConfig = (config: string): string => config): Promise<IngestLab> {
    const policy = parsePolicy(policyText, 'everseal.yaml');
    const folder = temporaryFolder('ingest');
    const nats = await TestNats.start({
      folder,
      config: ({ listen, storeDir, server }) =>
        adjustConfig(renderNats(policy, { serverName: 'n1', port: Number(listen.split(':')[1]), storeDir, ...server })),
    });
    const lab = new IngestLab(policy, nats, folder);
    writeFileSync(lab.file('everseal.yaml'), policyText);
    writeFileSync(lab.file('genesis.note'), genesis());
    for (const name of ['a', 'b'] as const) {
      const alert = SigningKey.fromSeed(alertKeyName(DOMAIN, 'ingest', name), seed(name === 'a' ? 6 : 7), NOTE_KEY);
      writeFileSync(lab.file(`ingest-${name}.skey`), KEYS[name].skey, { mode: 0o600 });
      writeFileSync(lab.file(`alerts-${name}.skey`), alert.skey, { mode: 0o600 });
    }
    const provisioner = await lab.link('provisioner', 'deploy');
    await provisionStreams(provisioner.nc, policy);
    return lab;
  }

  file(name: string): string {
    return path.join(this.folder.path, name);
  }

  async link(service: Service, name: string, server = this.nats.server): Promise<NatsLink> {
    const link = await this.connect(service, name, server);
    this.links.push(link);
    return link;
  }

  async stop(): Promise<void> {
    await Promise.all(this.links.map((link) => link.close()));
    await this.nats.stop();
    this.folder.remove();
  }

  /** Settings as the file would say them; `spool` names the folder. */
  async settings(
    name: 'a' | 'b',
    spool: string,
    limits: object = {},
    server = this.nats.server,
  ): Promise<IngestSettings> {
    const { certFile, keyFile, caFile } = await this.nats.pki.ensureClient(identityOf(DOMAIN, 'ingest', name));
    const operations = await this.nats.pki.ensureServer('operations');
    return ingestSettings.parse({
      name,
      policyFile: this.file('everseal.yaml'),
      keyFile: this.file(`ingest-${name}.skey`),
      alertKeyFile: this.file(`alerts-${name}.skey`),
      spoolDir: this.file(spool),
      ledgers: [{ name: 'main', genesisFile: this.file('genesis.note') }],
      limits: { segmentBytes: 1_048_576, windowEvents: 4_096, ...limits },
      nats: { servers: [server], certFile, keyFile, caFile },
      operations: { port: 0, certFile: operations.certFile, keyFile: operations.keyFile },
    });
  }

  /** An ingest service in this process. */
  run(name: 'a' | 'b', settings: IngestSettings): Promise<RunningIngest> {
    return RunningIngest.start(this, name, settings);
  }

  async producer(name = 'billing', ledger = 'main'): Promise<Producer> {
    return new Producer(await this.link('producer', name), name, ledger);
  }

  /** Every frame of the stream, each checked with the key of its ingester. */
  async frames(ledger = 'main'): Promise<LaneFrame[]> {
    const link = await this.reader();
    await waitUntil(() => link.connected, { what: 'the connection of the reader' });
    const reader = new StreamReader(link, framesStream(ledger));
    const stored = await reader.readFrom(1, { maxMessages: 1_000, maxBytes: 100_000_000 });
    return stored.map(({ sequence, data }) => {
      const message = parseFrameMessage(data);
      const frame = openFrame(message.note, [KEYS.a.verifier, KEYS.b.verifier], originOf(DOMAIN, ledger));
      checkFrameMessage(frame, message);
      const { bytes, entries } = message;
      const events = Array.from({ length: entries.count }, (_, i) =>
        bytes.toString('utf8', entries.start(i), entries.end(i)),
      );
      return { sequence, frame, message, events };
    });
  }

  /** Publishes what the sealer would after sealing these frames. */
  async announce(bytes: Buffer, ledger = 'main'): Promise<void> {
    const sealer = await this.link('sealer', 's1');
    await publishDurable(sealer, announceSubject(ledger), bytes, { stream: ANNOUNCEMENTS, timeoutMs: 2_000 });
  }

  private verifier: Promise<NatsLink> | undefined;

  private reader(): Promise<NatsLink> {
    this.verifier ??= this.link('verifier', 'v1');
    return this.verifier;
  }

  async connect(service: Service, name: string, server = this.nats.server): Promise<NatsLink> {
    const identity = identityOf(DOMAIN, service, name);
    return connectNats({
      name: identity.commonName,
      servers: [server],
      tls: await this.nats.pki.ensureClient(identity),
      inboxPrefix: identity.inboxPrefix ?? '',
      logger: { info: () => {}, warn: () => {}, error: () => {} },
      firstConnectMs: 10_000,
      onClosed: () => {},
    });
  }
}

/** An ingest service, with what it said and whether it wanted to end. */
export class RunningIngest {
  readonly lines: string[] = [];
  readonly failures: Error[] = [];
  readonly health = new Health();
  now: () => number = Date.now;

  private constructor(
    readonly service: IngestService,
    readonly link: NatsLink,
  ) {}

  static async start(lab: IngestLab, name: 'a' | 'b', settings: IngestSettings): Promise<RunningIngest> {
    const link = await lab.connect('ingest', name, settings.nats.servers[0]);
    const told: { running: RunningIngest | null } = { running: null };
    const health = new Health();
    const lines: string[] = [];
    const failures: Error[] = [];
    const now = (): number => told.running?.now() ?? Date.now();
    mkdirSync(settings.spoolDir, { recursive: true });
    try {
      const service = new IngestService({
        settings,
        policy: lab.policy,
        ledgers: servedLedgers(lab.policy, settings),
        keys: openSigningKeys(settings.keyFile, ingestKeyName(DOMAIN, name)),
        alertKey: readSigningKey(settings.alertKeyFile, alertKeyName(DOMAIN, 'ingest', name)),
        systemLedger: null,
        link,
        now,
        health,
        metrics: new IngestMetrics(createMetrics('ingest', name, health)),
        logger: createLogger('ingest', name, 'info', { write: (line: string) => lines.push(line) }),
        onStop: (error) => failures.push(error),
      });
      const running = new RunningIngest(service, link);
      Object.assign(running, { health, lines, failures });
      told.running = running;
      service.start();
      return running;
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  /** Why it is not ready; empty when it is. */
  get reasons(): string[] {
    return this.health
      .ready()
      .conditions.filter(({ ok }) => !ok)
      .map(({ name, reason }) => `${name}: ${reason}`);
  }

  get code(): string | undefined {
    return (this.failures[0] as { code?: string } | undefined)?.code;
  }

  async ready(): Promise<void> {
    await waitUntil(() => this.reasons.length === 0, { what: 'a ready ingest' }).catch(() => {
      throw new Error(`not ready: ${this.reasons.join('; ')}\n${this.lines.join('')}`);
    });
    // The subscription has reached the server.
    await this.link.nc.flush();
  }

  /** The one of its one ledger. */
  get intake(): LedgerIntake {
    return (this.service as unknown as { intakes: LedgerIntake[] }).intakes[0] as LedgerIntake;
  }

  /** Repeated requests that wait for an answer. */
  get followers(): number {
    const { queue, unanswered } = this.intake.commit;
    const framed = unanswered.flatMap((frame) => [
      ...frame.followers,
      ...frame.requests.flatMap((one) => one.followers ?? []),
    ]);
    return framed.length + queue.waiting.flatMap((one) => one.followers ?? []).length;
  }

  stop(): Promise<void> {
    return this.service.stop();
  }
}

export class Producer {
  constructor(
    readonly link: NatsLink,
    readonly name: string,
    private readonly ledger = 'main',
  ) {}

  /** Sends a body as it is. */
  async send(body: string | Uint8Array, headers: Record<string, string> = {}, timeoutMs = 8_000): Promise<Answer> {
    const all = newHeaders();
    for (const [name, value] of Object.entries(headers)) all.set(name, value);
    const subject = submitSubject(this.ledger, this.name);
    const answer = await this.link.inbox.ask(subject, body, {
      timeoutMs,
      ...(Object.keys(headers).length === 0 ? {} : { headers: all }),
    });
    return parseAnswer(answer.data, Buffer.from(body));
  }

  sendBatch(events: readonly string[], timeoutMs?: number): Promise<Answer> {
    return this.send(`[${events.join(',')}]`, { 'Content-Type': 'application/cloudevents-batch+json' }, timeoutMs);
  }

  /** Sends one event and gives its receipt, verified. */
  async accepted(...events: string[]): Promise<Receipt> {
    const [only] = events;
    const answer = await (events.length === 1 && only !== undefined ? this.send(only) : this.sendBatch(events));
    if (!('receipt' in answer)) throw new Error(`refused: ${JSON.stringify(answer.refusal)}`);
    this.verify(answer.receipt, events);
    return answer.receipt;
  }

  /** Throws unless the receipt proves these events. */
  verify(receipt: Receipt, events: readonly string[]): Frame {
    const bytes = events.map((text) => Buffer.from(text));
    return verifyReceipt(receipt, { origin: originOf(DOMAIN, this.ledger), producer: this.name, events: bytes }, [
      KEYS.a.verifier,
      KEYS.b.verifier,
    ]);
  }
}
