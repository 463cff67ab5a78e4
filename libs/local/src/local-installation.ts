/**
 * A whole installation on one machine, as real processes: nats-server and Postgres with TLS and certificates, the streams, the database,
 * and every service of the policy. `npm start`, the drills and the system tests all run this and nothing else.
 *
 *     const installation = await LocalInstallation.open({ dir, policyFile });
 *     await installation.start();      // prepare, startInfra, startServices
 *     …
 *     await installation.stop();       // in reverse order
 *
 * One process owns a folder at a time (owner.json). Everything it started ends with it, kill -9 included (managed-process.ts).
 */
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import path from 'node:path';
import {
  type Identity,
  identitiesOf,
  identityOf,
  type Policy,
  readPolicy,
  renderNats,
  renderPostgres,
  type Service,
} from '@everseal/policy';
import { type NatsTlsOptions, natsTlsOptions } from '@everseal/tls';
import type { ClientConfig } from 'pg';
import { type DatabasePlace, type Login, postgresLogin, prepareDatabase, prepareStreams } from './deploy.js';
import { type CertificateFiles, DevPki, filesIn } from './dev-pki.js';
import {
  fixedPorts,
  InstallationLayout,
  type Ports,
  type ServiceInstance,
  type ServiceKind,
  servicesOf,
} from './installation-layout.js';
import { LocalError } from './local-error.js';
import { ManagedProcess } from './managed-process.js';
import { findNatsServer, type NatsProcess, startNatsServer } from './nats-process.js';
import { type PostgresProcess, startPostgres } from './postgres-process.js';
import { identify, isAlive, type ProcessIdentity } from './process-identity.js';
import { askReady } from './readiness.js';
import { replaceFile } from './replace-file.js';
import { repositoryRoot } from './repository-root.js';
import { LOOPBACK, writeSettings } from './service-settings.js';
import { ensureKeys, KeyFolder } from './signing-keys.js';

export interface InstallationOptions {
  /** Default `.everseal` in the repository. */
  dir?: string;
  /** Default `everseal.yaml` in the repository. */
  policyFile?: string;
  /** Default `fixedPorts(policy)`. */
  ports?: Ports;
  /** Gets one line a step. */
  say?: (line: string) => void;
  /** Bound for a service to become ready, milliseconds; default 60,000. */
  readyWithinMs?: number;
}

/** What a NATS client of this installation connects with; spread it into `connect()`. */
export interface NatsLogin {
  servers: string[];
  name: string;
  tls: NatsTlsOptions;
  inboxPrefix: string;
}

const DATABASE = 'everseal';
const LEAST_FREE_BYTES = 512 * 1024 * 1024;
const RENEWAL_CHECK_MS = 3_600_000;

export class LocalInstallation {
  readonly layout: InstallationLayout;
  readonly keys: KeyFolder;
  private engines: { nats: NatsProcess; postgres: PostgresProcess } | null = null;
  private readonly running = new Map<string, ManagedProcess>();
  private renewal: NodeJS.Timeout | null = null;
  /** Services that are not ready yet; aborted by `stop`. */
  private readonly starting = new Set<Promise<unknown>>();
  private ending = new AbortController();

  private constructor(
    readonly policy: Policy,
    readonly policyFile: string,
    readonly ports: Ports,
    private readonly options: InstallationOptions,
    layout: InstallationLayout,
  ) {
    this.layout = layout;
    this.keys = new KeyFolder(layout.dir);
  }

  /** Reads the policy and takes the folder; nothing is started. LocalError `already-running`; the policy's own errors. */
  static open(options: InstallationOptions = {}): LocalInstallation {
    const policyFile = path.resolve(options.policyFile ?? path.join(repositoryRoot(), 'everseal.yaml'));
    const policy = readPolicy(policyFile);
    const layout = new InstallationLayout(options.dir ?? path.join(repositoryRoot(), '.everseal'));
    mkdirSync(layout.dir, { recursive: true });
    claim(layout);
    return new LocalInstallation(policy, policyFile, options.ports ?? fixedPorts(policy), options, layout);
  }

  /** Everything, from nothing to ready. On a failure what had been started is stopped again. */
  async start(): Promise<void> {
    await this.prepare();
    await this.startInfra();
    await this.startServices();
  }

  /** Certificates, keys, settings. LocalError `disk-full`, `key-mismatch`. */
  async prepare(): Promise<void> {
    await this.orStop(async () => {
      const { bavail, bsize } = statfsSync(this.layout.dir);
      if (bavail * bsize < LEAST_FREE_BYTES) {
        const free = Math.floor((bavail * bsize) / 1024 / 1024);
        throw new LocalError(
          'disk-full',
          `only ${free} MiB are free at ${this.layout.dir}: free at least 512 MiB and start again`,
        );
      }
      await this.issueCertificates();
      for (const notice of ensureKeys(this.policy, this.keys, Date.now())) this.say(`note: ${notice}`);
      const { layout, keys, policy, policyFile, ports } = this;
      const place = { layout, keys, policy, policyFile, ports, database: DATABASE, hosts: LOOPBACK };
      for (const instance of servicesOf(policy)) writeSettings(place, instance);
      this.say(`certificates, keys and settings are in ${this.shown(this.layout.dir)}`);
    });
  }

  /** nats-server, Postgres, streams, roles, schema. LocalError `port-in-use`, `binary-missing`, `process-exited`, … */
  async startInfra(): Promise<void> {
    await this.orStop(async () => {
      const [nats, postgres] = await this.startEngines();
      this.engines = { nats, postgres };
      for (const { process: engine } of [nats, postgres]) this.watch(engine);
      this.say(
        `nats-server at tls://localhost:${nats.port} (pid ${nats.pid}), Postgres at localhost:${postgres.port} (pid ${postgres.pid})`,
      );
      const migrator = this.login('migrator', 'deploy');
      const admin = this.login('admin', 'deploy');
      const migrations = await prepareDatabase(this.policy, this.postgresPlace(DATABASE), admin, migrator);
      const streams = await prepareStreams(this.policy, `localhost:${nats.port}`, this.login('provisioner', 'deploy'));
      const news = [...migrations.map((name) => `migration ${name}`), ...streams.map((name) => `stream ${name}`)];
      this.say(news.length > 0 ? `new: ${news.join(', ')}` : 'database and streams are as they should be');
      this.renewal = setInterval(
        () => void this.renewCertificates().catch((error) => this.say(`renewal: ${error}`)),
        RENEWAL_CHECK_MS,
      );
      this.renewal.unref();
    });
  }

  /** Every service of the policy; they need each other to become ready, so all are started at once. LocalError `not-ready`, `not-built`, … */
  async startServices(): Promise<void> {
    const services = servicesOf(this.policy);
    await this.orStop(
      async () => void (await Promise.all(services.map(({ service, name }) => this.startService(service, name)))),
    );
  }

  /** One service, also again after it ended. */
  async startService(service: ServiceKind, name: string): Promise<ManagedProcess> {
    const starting = this.launch({ service, name, id: `${service}-${name}` });
    this.starting.add(starting);
    try {
      const running = await starting;
      this.running.set(running.name, running);
      this.watch(running);
      this.say(
        `${service} ${name} is ready at https://localhost:${this.ports.operations[running.name]} (pid ${running.pid})`,
      );
      return running;
    } finally {
      this.starting.delete(starting);
    }
  }

  private async launch({ service, id }: ServiceInstance): Promise<ManagedProcess> {
    const port = this.ports.operations[id] as number;
    const main = path.join(repositoryRoot(), 'dist', 'apps', service, 'src', 'main.js');
    if (!existsSync(main)) throw new LocalError('not-built', `${this.shown(main)} does not exist: run npm run build`);
    const ops = this.certificate('ops', this.policy.ops[0]?.name ?? '');
    let reason = '';
    const started = ManagedProcess.start({
      name: id,
      command: process.execPath,
      args: ['--enable-source-maps', main, this.layout.configFile(id)],
      dir: this.layout.services,
      cwd: this.layout.state(id),
      stopSignal: 'SIGTERM',
      ports: [port],
      readyWithinMs: this.options.readyWithinMs ?? 60_000,
      abort: this.ending.signal,
      ready: async () => {
        const answer = await askReady(port, ops);
        reason = answer.reason || reason;
        return answer.ready;
      },
    });
    return started.catch((error: unknown) => {
      if (!(error instanceof LocalError) || error.code !== 'not-ready' || !reason) throw error;
      throw new LocalError('not-ready', `${error.message}; it says: ${reason}`, { cause: error });
    });
  }

  /** Stops everything, the last started first, and gives the folder free. */
  async stop(): Promise<void> {
    this.ending.abort();
    if (this.renewal) clearInterval(this.renewal);
    await Promise.allSettled(this.starting);
    for (const { id } of servicesOf(this.policy).toReversed()) await this.running.get(id)?.stop();
    this.running.clear();
    await this.engines?.postgres.stop();
    await this.engines?.nats.stop();
    this.engines = null;
    this.ending = new AbortController();
    rmSync(this.layout.owner, { force: true });
  }

  /** The nats-server process. Throws before `startInfra`. */
  get nats(): NatsProcess {
    return this.started().nats;
  }

  /** The Postgres process. Throws before `startInfra`. */
  get postgres(): PostgresProcess {
    return this.started().postgres;
  }

  /** A started service, e.g. to kill it. */
  service(service: ServiceKind, name: string): ManagedProcess {
    const running = this.running.get(`${service}-${name}`);
    if (!running) throw new Error(`${service} ${name} was not started`);
    return running;
  }

  /** Connection parameters for `pg` as the database's superuser. */
  superuser(database: string = DATABASE): Promise<ClientConfig> {
    return postgresLogin(this.postgresPlace(database), this.login('admin', 'deploy'));
  }

  /** Connection parameters for `pg` as the role of a service (`ops` reads). */
  database(service: Service, name: string): Promise<ClientConfig> {
    return postgresLogin(this.postgresPlace(DATABASE), this.login(service, name));
  }

  /** Connection parameters for NATS: `producer` `billing`, `ops` `ops`, … */
  natsLogin(service: Service, name: string): NatsLogin {
    const { identity, files } = this.login(service, name);
    return {
      servers: [`tls://localhost:${this.ports.nats}`],
      name: identity.commonName,
      tls: natsTlsOptions(files),
      inboxPrefix: identity.inboxPrefix ?? '',
    };
  }

  /** Certificate files of an identity of the policy. */
  certificate(service: Service, name: string): CertificateFiles {
    return this.files(this.identity(service, name));
  }

  /** Renews what has less than a third of its lifetime left and hands it to the engines; services watch their files themselves. */
  async renewCertificates(): Promise<void> {
    await this.issueCertificates();
    this.engines?.nats.reload();
    this.engines?.postgres.reload();
  }

  private async issueCertificates(): Promise<void> {
    const pki = await DevPki.open(this.layout.pki);
    for (const name of ['nats', 'postgres', ...servicesOf(this.policy).map(({ id }) => id)])
      await pki.ensureServer(name);
    for (const identity of identitiesOf(this.policy)) await pki.ensureClient(identity);
  }

  private async startEngines(): Promise<[NatsProcess, PostgresProcess]> {
    const { layout, ports, policy } = this;
    const { hba, ident } = renderPostgres(policy, { database: DATABASE });
    const server = (name: string) => filesIn(path.join(layout.pki, 'server', name));
    const storeDir = path.join(layout.nats, 'store');
    const config = renderNats(policy, { ...server('nats'), serverName: 'local', port: ports.nats, storeDir });
    const nats = await startNatsServer({ dir: layout.nats, config, port: ports.nats, bin: await findNatsServer() });
    try {
      return [
        nats,
        await startPostgres({ dir: layout.postgres, port: ports.postgres, tls: server('postgres'), hba, ident }),
      ];
    } catch (error) {
      await nats.stop();
      throw error;
    }
  }

  private login(service: Service, name: string): Login {
    const identity = this.identity(service, name);
    return { identity, files: this.files(identity) };
  }

  private postgresPlace(database: string): DatabasePlace {
    return { host: 'localhost', port: this.ports.postgres, database };
  }

  private identity(service: Service, name: string): Identity {
    return identityOf(this.policy.domain, service, name);
  }

  private files({ commonName }: Identity): CertificateFiles {
    return filesIn(path.join(this.layout.pki, 'client', commonName));
  }

  private started(): { nats: NatsProcess; postgres: PostgresProcess } {
    if (!this.engines) throw new Error('nats-server and Postgres were not started');
    return this.engines;
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
      const how = `${running.name} ended (${signal ?? `code ${code}`}): ${running.logTail(1)} (log: ${this.shown(running.logFile)})`;
      return asked.aborted ? undefined : this.say(how);
    });
  }

  private say(line: string): void {
    this.options.say?.(line);
  }

  private shown(file: string): string {
    const relative = path.relative(process.cwd(), file);
    return relative.startsWith('..') ? file : relative || '.';
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
  if (!existsSync(layout.marker)) replaceFile(layout.marker, '{"version":1}\n', 0o644);
}

function ownerIn(file: string): ProcessIdentity | null {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { owner: ProcessIdentity | null }).owner;
  } catch {
    return null;
  }
}
