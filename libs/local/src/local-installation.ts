/**
 * A whole installation on one machine, as real processes: nats-server and Postgres with TLS and certificates, the streams, the database,
 * and every service of the policy. `npm start`, the drills and the system tests all run this and nothing else.
 *
 *     const installation = LocalInstallation.open({ dir, policyFile });
 *     await installation.start();      // prepare, startInfra, startServices
 *     …
 *     await installation.stop();       // in reverse order
 *
 * One process owns a folder at a time (owner.json). Everything it started ends with it, kill -9 included (managed-process.ts).
 */
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import path from 'node:path';
import {
  DEPLOY,
  identitiesOf,
  type Policy,
  POSTGRES_LOG,
  readPolicy,
  renderNats,
  renderPostgres,
} from '@everseal/policy';
import { prepareDatabase, prepareStreams } from './deploy.js';
import { EngineCertificate, type EngineCertificatePlan } from './engine-certificate.js';
import { type CertificateFiles, DevPki, type DevPkiOptions, filesIn } from '@everseal/pki';
import { replaceFile } from '@everseal/tls';
import {
  fixedPorts,
  InstallationLayout,
  type Ports,
  type ServiceInstance,
  type ServiceKind,
  servicesOf,
} from './installation-layout.js';
import { DATABASE, InstallationLogins } from './installation-logins.js';
import { LocalError } from './local-error.js';
import { ManagedProcess } from './managed-process.js';
import { type NatsProcess, startNatsServer } from './nats-process.js';
import { type PostgresProcess, startPostgres } from './postgres-process.js';
import { identify, isAlive, type ProcessIdentity } from './process-identity.js';
import { askReady } from './readiness.js';
import { repositoryRoot } from './repository-root.js';
import { LOOPBACK, writeCliSettings, writeSettings } from './service-settings.js';
import { ensureKeys, KeyFolder, readDeployKey } from './signing-keys.js';

export interface InstallationOptions {
  /** Default `.everseal` in the repository. */
  dir?: string | undefined;
  /** Default `everseal.yaml` in the repository. */
  policyFile?: string | undefined;
  /** Instead of those of `fixedPorts(policy)`. */
  ports?: Partial<Ports> | undefined;
  /** Gets one line a step. */
  say?: ((line: string) => void) | undefined;
  /** Bound for a service to become ready, milliseconds; default 60,000. */
  readyWithinMs?: number | undefined;
  /** Further arguments of node in front of every service's program. */
  nodeArgs?: readonly string[] | undefined;
}

const LEAST_FREE_BYTES = 512 * 1024 * 1024;
const RENEWAL_CHECK_MS = 3_600_000;

/**
 * For glibc's allocator: buffers of blocks and frames go back to the system when they are freed, instead of staying as holes of a heap
 * (docs/decisions/0133-freed-buffers.md). Other allocators do not look at these.
 */
const FREE_BUFFERS_GO_BACK = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '262144',
  MALLOC_TRIM_THRESHOLD_: '1048576',
};

type EngineName = 'nats' | 'postgres';

export class LocalInstallation {
  readonly layout: InstallationLayout;
  readonly keys: KeyFolder;
  /** How to connect to it, as anybody. */
  readonly logins: InstallationLogins;
  private natsServer: NatsProcess | null = null;
  private database: PostgresProcess | null = null;
  private readonly services = new Map<string, ManagedProcess>();
  /** What is not ready yet; `stop` waits for it. */
  private readonly starting = new Set<Promise<unknown>>();
  private ending = new AbortController();
  private renewal: NodeJS.Timeout | null = null;
  /** By the engine's name; both watch their files from the moment in which it runs. */
  private readonly certificates = new Map<EngineName, EngineCertificate>();

  private constructor(
    readonly policy: Policy,
    readonly policyFile: string,
    readonly ports: Ports,
    private readonly options: InstallationOptions,
    layout: InstallationLayout,
  ) {
    this.layout = layout;
    this.keys = new KeyFolder(layout.dir);
    this.logins = new InstallationLogins(policy, layout, ports);
  }

  /** Reads the policy and takes the folder; nothing is started. LocalError `already-running`; the policy's own errors. */
  static open(options: InstallationOptions = {}): LocalInstallation {
    const policyFile = path.resolve(options.policyFile ?? path.join(repositoryRoot(), 'everseal.yaml'));
    const policy = readPolicy(policyFile);
    const layout = new InstallationLayout(options.dir ?? path.join(repositoryRoot(), '.everseal'));
    mkdirSync(layout.dir, { recursive: true });
    claim(layout);
    return new LocalInstallation(policy, policyFile, { ...fixedPorts(policy), ...options.ports }, options, layout);
  }

  /** Everything, from nothing to ready. On a failure what had been started is stopped again. */
  async start(): Promise<void> {
    await this.prepare();
    await this.startInfra();
    await this.startServices();
  }

  /** Certificates, keys, settings. LocalError `disk-full`, `key-mismatch`. */
  prepare(): Promise<void> {
    return this.orStop(async () => {
      requireSpace(this.layout.dir);
      await this.issueCertificates();
      for (const notice of ensureKeys(this.policy, this.keys, Date.now())) this.say(`note: ${notice}`);
      const { layout, keys, policy, policyFile, ports } = this;
      const place = { layout, keys, policy, policyFile, ports, database: DATABASE, hosts: LOOPBACK };
      for (const instance of servicesOf(policy)) writeSettings(place, instance);
      writeCliSettings(place);
      replaceFile(layout.marker, `${JSON.stringify({ version: 1, policyFile, ports }, null, 2)}\n`, 0o644);
      this.say(`certificates, keys and settings are in ${shown(layout.dir)}`);
    });
  }

  /** nats-server, Postgres, streams, roles, schema. LocalError `port-in-use`, `binary-missing`, `process-exited`, … */
  startInfra(): Promise<void> {
    return this.orStop(async () => {
      await Promise.all([this.startNats(), this.startPostgres()]);
      await this.deploy();
      const renew = () =>
        this.renewCertificates().catch((error: unknown) => this.say(`certificates not renewed: ${String(error)}`));
      this.renewal = setInterval(() => void renew(), RENEWAL_CHECK_MS);
      this.renewal.unref();
    });
  }

  /** The deploy step: streams, roles, schema, and what the verifiers compare the database with. May be run again at any time. */
  async deploy(): Promise<void> {
    const { logins, policy } = this;
    const [migrator, admin, provisioner] = (['migrator', 'admin', 'provisioner'] as const).map((who) =>
      logins.of(who, DEPLOY),
    );
    const { keys } = this;
    const agreement = { file: keys.agreement(), key: readDeployKey(keys.deploy(), policy.domain), accept: false };
    const database = prepareDatabase(policy, logins.place(), { admin: admin!, migrator: migrator! }, agreement);
    const preparing = prepareStreams(policy, `localhost:${this.ports.nats}`, provisioner!);
    // Both to their end, also when one fails: the engines are stopped then, and must not be at work.
    await Promise.allSettled([database, preparing]);
    const [{ migrations, notices }, streams] = await Promise.all([database, preparing]);
    const news = [...migrations.map((name) => `migration ${name}`), ...streams.map((name) => `stream ${name}`)];
    for (const notice of notices) this.say(`database: ${notice}`);
    this.say(news.length > 0 ? `new: ${news.join(', ')}` : 'database and streams are as they should be');
  }

  /** Every service of the policy; they need each other to become ready, so all are started at once. LocalError `not-ready`, `not-built`, … */
  startServices(): Promise<void> {
    const services = servicesOf(this.policy);
    return this.orStop(async () => {
      await Promise.all(services.map(({ service, name }) => this.startService(service, name)));
    });
  }

  /** nats-server alone, also again after it ended. */
  async startNats(): Promise<NatsProcess> {
    const { layout, policy, ports } = this;
    const certificate = this.engineFiles('nats');
    const storeDir = path.join(layout.nats, 'store');
    const config = renderNats(policy, { ...certificate, serverName: 'local', port: ports.nats, storeDir });
    const nats = await this.track(startNatsServer({ dir: layout.nats, config, port: ports.nats }), (running) => {
      this.natsServer = running;
      this.watch(running.process);
      this.say(`nats-server at tls://localhost:${running.port} (pid ${running.pid})`);
    });
    await this.keepCertificate('nats', { port: nats.port, reload: nats.reload });
    return nats;
  }

  /** Postgres alone, also again after it ended. */
  async startPostgres(): Promise<PostgresProcess> {
    const { layout, policy, ports } = this;
    const tls = this.engineFiles('postgres');
    const { hba, ident } = renderPostgres(policy, { database: DATABASE });
    const settings = policy.followers.length > 0 ? { ...POSTGRES_LOG, log_directory: layout.engineLogs.postgres } : {};
    const options = { dir: layout.postgres, port: ports.postgres, tls, hba, ident, settings };
    const postgres = await this.track(startPostgres(options), (running) => {
      this.database = running;
      this.watch(running.process);
      this.say(`Postgres at localhost:${running.port} (pid ${running.pid})`);
    });
    const { port, reload } = postgres;
    await this.keepCertificate('postgres', { port, protocol: 'postgresql', reload });
    return postgres;
  }

  /** One service, also again after it ended. */
  async startService(service: ServiceKind, name: string): Promise<ManagedProcess> {
    const id = `${service}-${name}`;
    return this.track(this.launch({ service, name, id }), (running) => {
      this.services.set(id, running);
      this.watch(running);
      this.say(`${service} ${name} is ready at https://localhost:${this.ports.operations[id]} (pid ${running.pid})`);
    });
  }

  /** Stops everything, the last started first, and gives the folder free. */
  async stop(): Promise<void> {
    this.ending.abort();
    if (this.renewal) clearInterval(this.renewal);
    for (const certificate of this.certificates.values()) certificate.stop();
    this.certificates.clear();
    await Promise.allSettled(this.starting);
    for (const { id } of servicesOf(this.policy).toReversed()) await this.services.get(id)?.stop();
    this.services.clear();
    await this.database?.stop();
    await this.natsServer?.stop();
    this.database = this.natsServer = null;
    this.ending = new AbortController();
    rmSync(this.layout.owner, { force: true });
  }

  /** The nats-server process, e.g. to kill it. Throws before `startInfra`. */
  get nats(): NatsProcess {
    return started(this.natsServer, 'nats-server');
  }

  /** The Postgres process, e.g. to kill it. Throws before `startInfra`. */
  get postgres(): PostgresProcess {
    return started(this.database, 'Postgres');
  }

  /** A service's process, e.g. to kill it. Throws before it was started. */
  service(service: ServiceKind, name: string): ManagedProcess {
    return started(this.services.get(`${service}-${name}`) ?? null, `${service} ${name}`);
  }

  /**
   * Renews what is due (`leastLeft` 1: everything), and resolves when the engines serve it; services watch their files themselves. Who else
   * renews the files, `everseal certs renew` for one, has the engines take them up as well. LocalError `not-renewed`.
   */
  async renewCertificates(options: DevPkiOptions = {}): Promise<void> {
    await this.issueCertificates(options);
    for (const certificate of this.certificates.values()) await certificate.take();
  }

  private engineFiles(name: EngineName): CertificateFiles {
    return filesIn(path.join(this.layout.pki, 'server', name));
  }

  private async keepCertificate(name: EngineName, engine: Pick<EngineCertificatePlan, 'port' | 'protocol' | 'reload'>) {
    this.certificates.get(name)?.stop();
    const plan = { ...engine, name, files: this.engineFiles(name), say: (line: string) => this.say(line) };
    this.certificates.set(name, await EngineCertificate.watch(plan));
  }

  private async issueCertificates(options: DevPkiOptions = {}): Promise<void> {
    const pki = await DevPki.open(this.layout.pki, Date.now, options);
    const servers = ['nats', 'postgres', ...servicesOf(this.policy).map(({ id }) => id)];
    for (const name of servers) await pki.ensureServer(name);
    for (const identity of identitiesOf(this.policy)) await pki.ensureClient(identity);
  }

  private async launch({ service, id }: ServiceInstance): Promise<ManagedProcess> {
    const port = this.ports.operations[id] as number;
    const { certificate, open } = this.ports.api[id] ?? {};
    const main = path.join(repositoryRoot(), 'dist', 'apps', service, 'src', 'main.js');
    if (!existsSync(main)) throw new LocalError('not-built', `${shown(main)} does not exist: run npm run build`);
    const ops = this.logins.certificate('ops', this.policy.ops[0]?.name ?? '');
    let reason = '';
    const running = ManagedProcess.start({
      name: id,
      command: process.execPath,
      args: ['--enable-source-maps', ...(this.options.nodeArgs ?? []), main, this.layout.configFile(id)],
      dir: this.layout.services,
      cwd: this.layout.state(id),
      env: { ...process.env, ...FREE_BUFFERS_GO_BACK },
      stopSignal: 'SIGTERM',
      ports: [port, certificate, open].filter((one) => one !== undefined),
      readyWithinMs: this.options.readyWithinMs ?? 60_000,
      abort: this.ending.signal,
      ready: async () => {
        const answer = await askReady(port, ops);
        reason = answer.reason || reason;
        return answer.ready;
      },
    });
    return running.catch((error: unknown) => {
      if (!(error instanceof LocalError) || error.code !== 'not-ready' || !reason) throw error;
      throw new LocalError('not-ready', `${error.message}; it says: ${reason}`, { cause: error });
    });
  }

  /** Lets `stop` wait for what is being started, and takes it over once it is ready. */
  private async track<T>(starting: Promise<T>, takeOver: (running: T) => void): Promise<T> {
    const taken = starting.then((running) => {
      takeOver(running);
      return running;
    });
    this.starting.add(taken);
    try {
      return await taken;
    } finally {
      this.starting.delete(taken);
    }
  }

  /** Runs a step; when it fails nothing is left running and the folder is free again. */
  private async orStop(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Says when a process ends that nobody asked to stop. */
  private watch(running: ManagedProcess): void {
    const { signal: asked } = this.ending;
    void running.exited.then(({ code, signal }) => {
      const how = `${running.name} ended (${signal ?? `code ${code}`})`;
      return asked.aborted ? undefined : this.say(`${how}: ${running.lastWords()} (log: ${shown(running.logFile)})`);
    });
  }

  private say(line: string): void {
    this.options.say?.(line);
  }
}

/** One owner at a time; what a dead owner left behind is taken over. */
function claim(layout: InstallationLayout): void {
  const former = ownerIn(layout.owner);
  if (former && isAlive(former)) {
    throw new LocalError(
      'already-running',
      `${layout.dir} is in use by pid ${former.pid}: stop that one first, or use another folder`,
    );
  }
  replaceFile(layout.owner, JSON.stringify({ owner: identify(process.pid) }), 0o644);
}

function ownerIn(file: string): ProcessIdentity | null {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { owner: ProcessIdentity | null }).owner;
  } catch {
    return null;
  }
}

function requireSpace(dir: string): void {
  const { bavail, bsize } = statfsSync(dir);
  if (bavail * bsize >= LEAST_FREE_BYTES) return;
  const free = Math.floor((bavail * bsize) / 1024 / 1024);
  throw new LocalError('disk-full', `only ${free} MiB are free at ${dir}: free at least 512 MiB and start again`);
}

function started<T>(process: T | null, name: string): T {
  if (process === null) throw new Error(`${name} was not started`);
  return process;
}

/** A path as a person in this folder would write it. */
function shown(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') ? file : relative || '.';
}
