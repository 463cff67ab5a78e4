/**
 * A whole installation for one spec file: real services from the build in dist/, in a temporary folder, at free ports. Gone
 * with everything in it after `stop()`, also when a start or a test has failed.
 *
 *     const system = await InstalledSystem.start();
 *     …  system.installation  …
 *     await system.stop();
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import path from 'node:path';
import { leafHash, openGenesis, originOf, type KeySet, type LogTrust, type VerifierKey } from '@everseal/audit-core';
import { freePorts, LocalInstallation, repositoryRoot, servicesOf, waitUntil, type ServiceKind } from '@everseal/local';
import { readPolicy } from '@everseal/policy';
import { parse, stringify } from 'yaml';
import { copyCluster } from './cluster-template.js';
import { GatedProxy } from './gated-proxy.js';
import { JournalProducer } from './journal-producer.js';
import { temporaryFolder, type TemporaryFolder } from './temporary-folder.js';

/** A busy machine takes its time; nothing is measured by this. */
const READY_WITHIN_MS = 120_000;

/** Every policy of a spec names it. */
const PRODUCER = 'orders';
const SHOP = 'https://orders.example.com/shop';

const SETTABLE_CLOCK = path.join(repositoryRoot(), 'dist', 'libs', 'testing', 'src', 'settable-clock.js');
const CLOCK_WITHIN_MS = 10_000;

/** A policy with one ledger and everything that everseal.yaml has beside it. */
export const ONE_LEDGER = path.join(repositoryRoot(), 'libs', 'testing', 'src', 'one-ledger.yaml');

export interface InstalledSystemOptions {
  /** A policy; default: ONE_LEDGER. */
  policyFile?: string;
  /** Text of a policy, in place of a file. */
  policy?: string;
  /** Further settings of a service, by id (`verifier-v1`), put over the rendered ones. */
  settings?: Readonly<Record<string, object>>;
  /** Whether `setClock` works: every service runs with settable-clock.ts. */
  settableClocks?: boolean;
  /** Whether `link` works: every service reaches the engines through proxies of its own. */
  links?: boolean;
  /** Called when certificates, keys and settings are there and nothing is started, e.g. to mount something. */
  prepared?: (installation: LocalInstallation) => void;
}

/** What is not as usual about a producer. */
export interface OpenProducer {
  /** Default: the first of the policy. */
  ledger?: string;
  /** The CloudEvents attribute of its events. */
  source?: string;
  /** Those it believes receipts by; default: of the first ledger's first key set. */
  ingestKeys?: readonly VerifierKey[];
}

/** What services connect to. */
export type Engine = 'nats' | 'postgres';

export class InstalledSystem {
  private readonly links = new Map<string, GatedProxy>();

  private constructor(
    readonly installation: LocalInstallation,
    private readonly folder: TemporaryFolder,
    readonly ledger: string,
    /** What the services said about themselves while they started, ended, … */
    readonly said: readonly string[],
  ) {}

  static async start(options: InstalledSystemOptions = {}): Promise<InstalledSystem> {
    const { settings = {}, settableClocks, links, prepared } = options;
    const folder = temporaryFolder('system');
    const said: string[] = [];
    try {
      const policyFile = fileOf(options, folder);
      const policy = readPolicy(policyFile);
      for (const { service } of servicesOf(policy)) requireBuild(service);
      const installation = LocalInstallation.open({
        dir: folder.path,
        policyFile,
        ports: await freePorts(policy),
        say: (line) => said.push(line),
        readyWithinMs: READY_WITHIN_MS,
        nodeArgs: settableClocks ? ['--import', SETTABLE_CLOCK] : [],
      });
      const system = new InstalledSystem(installation, folder, policy.ledgers[0]!.name, said);
      await installation.prepare();
      copyCluster(installation.layout.postgres);
      for (const [id, over] of Object.entries(settings)) system.changeSettings(id, over);
      if (links) await system.putLinks();
      prepared?.(installation);
      await installation.startInfra();
      await installation.startServices();
      return system;
    } catch (error) {
      folder.remove();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.installation.stop();
    for (const link of this.links.values()) await link.stop();
    this.folder.remove();
  }

  /** A producer of the policy that keeps a journal; whoever opens it closes it. */
  openProducer({
    ledger = this.ledger,
    source = SHOP,
    ingestKeys = this.keys.ingest,
  }: OpenProducer = {}): Promise<JournalProducer> {
    const { logins, policy } = this.installation;
    const login = logins.nats('producer', PRODUCER);
    const origin = originOf(policy.domain, ledger);
    return JournalProducer.open({ login, ledger, producer: PRODUCER, origin, ingestKeys, source });
  }

  /** The way of a service to an engine; needs `links`. */
  link(id: string, engine: Engine): GatedProxy {
    const link = this.links.get(`${id} ${engine}`);
    if (!link) throw new Error(`there is no proxy between ${id} and ${engine}`);
    return link;
  }

  get origin(): string {
    return originOf(this.installation.policy.domain, this.ledger);
  }

  /** What an outsider starts from: the key set that the ledger begins with. */
  get keys(): KeySet {
    return openGenesis(this.genesis, this.origin);
  }

  get trust(): LogTrust {
    return { origin: this.origin, genesis: leafHash(this.genesis) };
  }

  /** The value of one metric of a service as ops reads it, whatever its labels; NaN when it is not there (yet). */
  async metric(service: ServiceKind, name: string, what: string): Promise<number> {
    const text = await this.ask(service, name, '/metrics');
    const line = text.split('\n').find((l) => l.startsWith(`${what}{`) || l.startsWith(`${what} `));
    return line ? Number(line.slice(line.lastIndexOf(' ') + 1)) : Number.NaN;
  }

  /** The body of one of a service's operations endpoints. */
  ask(service: ServiceKind, name: string, where: string): Promise<string> {
    const { certFile, keyFile, caFile } = this.installation.logins.certificate('ops', 'ops');
    const port = this.installation.ports.operations[`${service}-${name}`];
    const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile), ca: readFileSync(caFile) };
    return new Promise((resolve, reject) => {
      const asked = request(
        { host: 'localhost', port, path: where, ...tls, agent: false, timeout: 5_000 },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () => resolve(Buffer.concat(chunks).toString()));
        },
      );
      asked.on('timeout', () => asked.destroy(new Error(`${where} of ${service} ${name} does not answer`)));
      asked.on('error', reject);
      asked.end();
    });
  }

  /** Sets the time of day of a running service this far off; needs `settableClocks`. */
  async setClock(id: string, offsetMs: number): Promise<void> {
    const state = this.installation.layout.state(id);
    writeFileSync(path.join(state, 'clock-offset'), String(offsetMs));
    const applied = path.join(state, 'clock-applied');
    const isApplied = (): boolean => existsSync(applied) && readFileSync(applied, 'utf8') === String(offsetMs);
    await waitUntil(isApplied, { what: `the clock of ${id} set by ${offsetMs} ms`, timeoutMs: CLOCK_WITHIN_MS });
  }

  private get genesis(): Buffer {
    return readFileSync(this.installation.keys.genesis(this.ledger));
  }

  private async putLinks(): Promise<void> {
    const { policy, ports } = this.installation;
    for (const { id, service } of servicesOf(policy)) {
      const nats = await this.putLink(id, 'nats', ports.nats);
      this.changeSettings(id, { nats: { servers: [nats.server] } });
      if (service === 'ingest' || service === 'follower') continue;
      const postgres = await this.putLink(id, 'postgres', ports.postgres);
      this.changeSettings(id, { postgres: { port: postgres.port } });
    }
  }

  private async putLink(id: string, engine: Engine, port: number): Promise<GatedProxy> {
    const link = await GatedProxy.start(port);
    this.links.set(`${id} ${engine}`, link);
    return link;
  }

  /**
   * Puts settings over those of a service, by id, or of the tool (`cli`); a service reads them when it is started again. Members of an
   * object are put over, a member each; everything else is replaced.
   */
  changeSettings(id: string, over: object): void {
    const file = this.installation.layout.configFile(id);
    const settings = parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    for (const [field, value] of Object.entries(over)) {
      settings[field] = isMap(value) && isMap(settings[field]) ? { ...settings[field], ...value } : value;
    }
    writeFileSync(file, stringify(settings));
  }
}

/** The policy as a file. */
function fileOf({ policy, policyFile }: InstalledSystemOptions, folder: TemporaryFolder): string {
  if (policy === undefined) return policyFile ?? ONE_LEDGER;
  const file = path.join(folder.path, 'everseal.yaml');
  writeFileSync(file, policy);
  return file;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function requireBuild(service: string): void {
  const main = path.join(repositoryRoot(), 'dist', 'apps', service, 'src', 'main.js');
  if (!existsSync(main)) throw new Error(`${main} does not exist: run \`npm run build\` before the system tests`);
}
