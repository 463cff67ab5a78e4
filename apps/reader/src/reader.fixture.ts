/**
 * A reader over a ledger in a real Postgres, with its two HTTPS listeners, in this process: everything that compose.ts makes
 * but the loops and the broker. What would go into the system ledger is kept in `recorded`; `canRecord` is its disk.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, request, type RequestOptions } from 'node:https';
import path from 'node:path';
import { blockEvents, JsonTape, originOf, splitBundle } from '@everseal/audit-core';
import { openReadSource, EventIndexWriter } from '@everseal/ledger-store';
import type { CertificateFiles } from '@everseal/local';
import { identityOf, parsePolicy, type Policy } from '@everseal/policy';
import { createLogger, NestLogger, Registry } from '@everseal/process';
import { MaterialWatch } from '@everseal/tls';
import { temporaryFolder, type TemporaryFolder, type TestPostgres } from '@everseal/testing';
import type { DataSource } from 'typeorm';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { StoredLog } from '../../verifier/src/stored-log.fixture.js';
import { createApi } from './api.module.js';
import { composeApi } from './compose.js';
import { readerSettings, type ReaderSettings } from './config.js';
import { Listeners } from './listeners.js';
import { OPERATIONS } from './operations.js';
import { PublishedLog } from './published-log.js';
import { makeCaches } from './caches.js';
import { ServedLedger } from './served-ledger.js';
import { TokenList } from './token-list.js';

const POLICY = `
domain: audit.example.com
ledgers: [{ name: main, ingesters: [a] }, { name: other, ingesters: [a] }]
producers: [{ name: billing, ledgers: [main], sources: ['*'] }]
ingest: [{ name: a }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
readers: [{ name: r1 }]
auditors: [{ name: anna, ledgers: [main] }, { name: otto, ledgers: [other] }]
`;

export interface Got {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer;
}

/** How to ask: by which listener, as whom. */
export interface Ask {
  method?: string;
  /** Name of an auditor; else the listener without certificates. */
  as?: string;
  token?: string;
  headers?: Record<string, string>;
  tls?: RequestOptions;
}

export type Over = { public?: 'none' | 'hashes' | 'tiles'; limits?: object; tls12?: boolean };

export class SpecReader {
  readonly recorded: Buffer[] = [];
  canRecord = true;
  tokens = TokenList.none;
  private readonly agents = new Map<string, Agent>();

  private constructor(
    readonly log: StoredLog,
    readonly ledger: ServedLedger,
    readonly index: DataSource,
    readonly listeners: Listeners,
    readonly app: NestFastifyApplication,
    private readonly server: TestPostgres,
    private readonly folder: TemporaryFolder,
  ) {}

  static readonly policy: Policy = parsePolicy(POLICY, 'everseal.yaml');

  static async start(server: TestPostgres, log: StoredLog, over: Over = {}): Promise<SpecReader> {
    const folder = temporaryFolder('reader');
    const settings = await settingsIn(folder, server, over);
    const { readStatementMs, name, max } = { readStatementMs: settings.limits.statementMs, name: 'spec', max: 4 };
    const pool = await log.store.pool('everseal_reader', { transactions: 'long', readStatementMs });
    const onIdleError = (): void => {};
    const address = await log.store.address('everseal_reader');
    const index = await openReadSource({ ...address, name, max, readStatementMs, onIdleError });
    const caches = makeCaches(settings.limits.cacheBytes);
    const served = (ledger: string): ServedLedger =>
      new ServedLedger(pool, new PublishedLog(pool, ledger, originOf(SpecReader.policy.domain, ledger)), caches);
    const ledgers = new Map([
      ['main', served('main')],
      ['other', served('other')],
    ]);
    const logger = createLogger('reader', 'spec', 'error', { write: () => {} });
    const listeners = new Listeners(settings, await MaterialWatch.open(settings.api, 'server', Date.now), logger);
    const holder: { reader?: SpecReader } = {};
    const systemLedger = {
      take: (event: Buffer): boolean => {
        if (holder.reader?.canRecord !== true) return false;
        holder.reader.recorded.push(event);
        return true;
      },
    };
    const tokens = {
      get current(): TokenList {
        return holder.reader?.tokens ?? TokenList.none;
      },
    };
    const api = composeApi(
      { settings, metrics: new Registry(), logger },
      { policy: SpecReader.policy, ledgers, listeners, tokens, systemLedger, index },
    );
    const app = await createApi(api, listeners, { logger: new NestLogger(logger), abortOnError: false });
    await app.listen(0, '127.0.0.1');
    await listeners.listenOpen();
    const main = ledgers.get('main') as ServedLedger;
    return (holder.reader = new SpecReader(log, main, index, listeners, app, server, folder));
  }

  async get(target: string, { method = 'GET', as, token, headers = {}, tls = {} }: Ask = {}): Promise<Got> {
    const listener = as === undefined ? 'open' : 'certificate';
    const who = as === undefined ? {} : pem(await this.auditor(as));
    const key = as ?? '';
    const options: RequestOptions = {
      host: 'localhost',
      port: this.listeners.portOf(listener)!,
      path: target,
      method,
      headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      ca: readFileSync(this.server.pki.serversRootFile),
      ...who,
      ...tls,
      agent: Object.keys(tls).length > 0 ? false : this.agent(key),
    };
    const got = await new Promise<Got>((resolve, reject) => {
      const asked = request(options, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          resolve({ status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(chunks) });
        });
      });
      asked.on('error', reject);
      asked.end();
    });
    requireForm(target, got);
    return got;
  }

  async json<T = Record<string, unknown>>(target: string, ask: Ask = { as: 'anna' }): Promise<T> {
    const { status, body } = await this.get(target, ask);
    if (status !== 200) throw new Error(`${target}: ${status} ${body.toString()}`);
    return JSON.parse(body.toString()) as T;
  }

  auditor(name: string): Promise<CertificateFiles> {
    return this.server.pki.ensureClient(identityOf(SpecReader.policy.domain, 'auditor', name));
  }

  /** Stores the checkpoint of all that is sealed, and looks for it. */
  async publish(): Promise<void> {
    await this.log.storeCheckpoint(this.log.writer.checkpoint().split('\n').slice(0, 5).join('\n') + '\n');
    await this.ledger.log.look();
  }

  async stop(): Promise<void> {
    for (const agent of this.agents.values()) agent.destroy();
    await Promise.all([this.app.close(), this.listeners.closeOpen()]);
    await this.index.destroy();
    this.folder.remove();
  }

  private agent(key: string): Agent {
    const agent = this.agents.get(key) ?? new Agent({ keepAlive: true, maxSockets: 8 });
    this.agents.set(key, agent);
    return agent;
  }
}

const pem = ({ certFile, keyFile }: CertificateFiles): RequestOptions => {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
};

async function settingsIn(folder: TemporaryFolder, { pki }: TestPostgres, over: Over): Promise<ReaderSettings> {
  const server = await pki.ensureServer('reader-r1');
  const policyFile = path.join(folder.path, 'everseal.yaml');
  mkdirSync(folder.path, { recursive: true });
  writeFileSync(policyFile, POLICY);
  return readerSettings.parse({
    name: 'r1',
    policyFile,
    stateDir: folder.path,
    ledgers: [{ name: 'main', public: over.public ?? 'none' }, { name: 'other' }],
    api: { ...server, tls12: over.tls12 ?? false, certificate: { port: 0 }, open: { port: 0 } },
    limits: {
      hashesPerSecond: 100_000,
      hashesBurst: 100_000,
      contentPerSecond: 100_000,
      contentBurst: 100_000,
      ...over.limits,
    },
    postgres: { host: 'localhost', user: 'everseal_reader', ...server },
    operations: { port: 0, ...server },
  });
}

/** Writes the event index of what is sealed, from the entry at which it stands on. */
export class Projection {
  private readonly writer: EventIndexWriter;
  private height = 0;
  private at = 0;

  constructor(private readonly log: StoredLog) {
    this.writer = new EventIndexWriter(log.sealer, log.ledgerId);
  }

  async catchUp(): Promise<void> {
    const tape = new JsonTape();
    for (const body of this.log.writer.bodies.slice(this.height)) {
      const to = this.at + splitBundle(body).count;
      await this.writer.write({ from: this.at, to, rows: [...blockEvents(body, this.at, tape)] });
      this.at = to;
      this.height++;
    }
  }
}

/** Every good answer of the JSON API has the form that the OpenAPI document says it has. */
function requireForm(target: string, { status, body }: Got): void {
  const asked = Object.values(OPERATIONS).find((one) => pattern(one.path).test(target.replace(/\?.*/, '')));
  if (status !== 200 || !asked?.answer) return;
  asked.answer.parse(JSON.parse(body.toString()));
}

const pattern = (form: string): RegExp => new RegExp(`^${form.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
