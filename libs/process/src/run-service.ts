/**
 * The life of a service process, the same for every app: settings, certificate, composition, listening, stopping.
 *
 *   read settings → load the HTTPS certificate → compose (connects to everything) → listen → run … → stop, in order
 *
 * Every way out ends with exactly one fatal line (JSON on standard output, plain text on standard error) and an exit code
 * (explain-failure.ts), or with none and code 0 when it was asked to stop. Stopping has a time bound: what has not ended
 * by then is cut off, which every part of Everseal must survive anyway. A second signal ends it at once. After a promise
 * rejection or an exception that nobody expected the process ends without stopping in order: its state is not known.
 *
 * Nest is not imported here; main.ts creates the app, and what this file needs of it is ServiceApp.
 */
import { httpsServerOptions, MaterialWatch } from '@everseal/tls';
import type { HttpsServerOptions } from '@everseal/tls';
import type { Registry } from 'prom-client';
import type { z } from 'zod';
import { EXIT_FAILURE, explainFailure } from './explain-failure.js';
import { Health } from './health.js';
import { createLogger } from './logger.js';
import type { Logger } from './logger.js';
import { createMetrics, exposeNumber } from './metrics.js';
import { NestLogger } from './nest-logger.js';
import { ConfigError, readConfig } from './read-config.js';
import type { ServiceSettings } from './service-settings.js';

/** What a NestFastifyApplication is to this file. */
export interface ServiceApp {
  listen(port: number, host: string): Promise<unknown>;
  /** Runs the shutdown hooks in Nest's order. */
  close(): Promise<void>;
  /** The HTTPS server that the adapter made from `context.https`. */
  getHttpServer(): object;
}

/** What an app is composed from. */
export interface ServiceContext<S extends ServiceSettings> {
  settings: S;
  logger: Logger;
  health: Health;
  metrics: Registry;
  /** For the Fastify adapter: `new FastifyAdapter({ https: context.https })`. */
  https: HttpsServerOptions;
  /** For `NestFactory.create(module, adapter, context.nest)`; without abortOnError Nest would end the process itself. */
  nest: { logger: NestLogger; abortOnError: false };
  /** Ends the process because of this failure, in order. Only the first call counts. */
  stop: (error: Error) => void;
}

export interface ServicePlan<S extends ServiceSettings> {
  /** Kind of service, e.g. 'ingest'; the instance's name is in its settings. */
  service: string;
  settingsFile: string | undefined;
  schema: z.ZodType<S>;
  /** Builds the whole service; connects to what it needs. A rejection ends the process. */
  compose: (context: ServiceContext<S>) => Promise<ServiceApp>;
  /** Milliseconds for an orderly stop; default 15,000. */
  stopWithin?: number;
  /** Milliseconds between two looks at the HTTPS certificate's files; default 5,000. */
  lookAtCertificateMs?: number;
}

/** The parts of a process that a service's life touches. */
export interface ProcessHandle {
  on(event: string, listener: (value: unknown) => void): unknown;
  exit(code: number): void;
  stderr: { write(text: string): unknown };
  /** Where log lines go; standard output when left out. */
  logTo?: { write(line: string): void };
}

const THIS_PROCESS: ProcessHandle = {
  on: (event, listener) => process.on(event, listener),
  exit: (code) => process.exit(code),
  stderr: process.stderr,
};

const STOP_WITHIN_MS = 15_000;

/** Runs until the process ends. Resolves once the service listens, or has failed to. */
export async function runService<S extends ServiceSettings>(
  plan: ServicePlan<S>,
  host: ProcessHandle = THIS_PROCESS,
): Promise<void> {
  const life = new ServiceLife(plan, host);
  life.watchProcess();
  await life.start();
}

class ServiceLife<S extends ServiceSettings> {
  private logger: Logger;
  private app: ServiceApp | undefined;
  private certificate: MaterialWatch | undefined;
  private readonly health = new Health();
  private ending: Promise<void> | undefined;
  private label: string;

  constructor(
    private readonly plan: ServicePlan<S>,
    private readonly host: ProcessHandle,
  ) {
    this.label = plan.service;
    // Until the settings say the name and the level.
    this.logger = createLogger(plan.service, '', 'info', host.logTo);
  }

  watchProcess(): void {
    for (const signal of ['SIGTERM', 'SIGINT']) {
      this.host.on(signal, () => {
        if (this.ending !== undefined) this.host.exit(EXIT_FAILURE);
        else this.end(0, () => this.logger.info({ signal }, 'asked to stop'));
      });
    }
    for (const event of ['uncaughtException', 'unhandledRejection']) {
      this.host.on(event, (error) => {
        this.tell(error);
        this.host.exit(EXIT_FAILURE);
      });
    }
  }

  async start(): Promise<void> {
    try {
      const context = await this.prepare();
      const started = this.health.condition('started', 'the service is starting');
      this.app = await this.plan.compose(context);
      if (this.ending !== undefined) return await this.app.close();
      this.renewCertificate(this.app);
      const { host, port } = context.settings.operations;
      await this.app.listen(port, host);
      started.ok();
      this.logger.info({ host, port }, `${this.label} is running`);
    } catch (error) {
      this.fail(error);
      await this.ending;
    }
  }

  private async prepare(): Promise<ServiceContext<S>> {
    const { service, settingsFile, schema } = this.plan;
    if (settingsFile === undefined) {
      const problem = { line: 0, path: '', message: `name it, ${service} <file.yaml>` };
      throw new ConfigError('config.unreadable', 'no settings file', [problem]);
    }
    const settings = readConfig(settingsFile, schema);
    this.label = `${service} ${settings.name}`;
    this.logger = createLogger(service, settings.name, settings.log.level, this.host.logTo);
    this.health.onReadyChange((ready, failing) => {
      if (ready) this.logger.info({}, 'ready');
      else this.logger.warn({ failing }, `not ready: ${failing.map(({ reason }) => reason).join('; ')}`);
    });
    const certificate = await MaterialWatch.open(settings.operations, 'server', Date.now);
    this.certificate = certificate;
    const metrics = createMetrics(service, settings.name, this.health);
    exposeNumber(metrics, 'everseal_https_certificate_expiry_seconds', 'Unix time the HTTPS certificate ends', () =>
      Math.floor(certificate.current.facts.notAfter.getTime() / 1000),
    );
    return {
      settings,
      logger: this.logger,
      health: this.health,
      metrics,
      https: httpsServerOptions(certificate.current),
      nest: { logger: new NestLogger(this.logger), abortOnError: false },
      stop: (error) => this.fail(error),
    };
  }

  private renewCertificate(app: ServiceApp): void {
    const server = app.getHttpServer();
    if (!isHttpsServer(server)) throw new Error('main.ts must make its adapter with https: context.https');
    this.certificate?.listen({
      onRenewed: (material) => {
        server.setSecureContext(httpsServerOptions(material));
        this.logger.info({ certificate: material.facts }, 'serving a renewed certificate');
      },
      onProblem: (err) => this.logger.error({ err }, `HTTPS certificate: ${err.message}`),
    });
    this.certificate?.start(this.plan.lookAtCertificateMs);
  }

  private fail(error: unknown): void {
    this.end(explainFailure(error).exitCode, () => this.tell(error));
  }

  /** The first reason to end wins; it alone is told. */
  private end(exitCode: number, announce: () => void): void {
    if (this.ending !== undefined) return;
    announce();
    this.ending = this.closeAndExit(exitCode);
  }

  private async closeAndExit(exitCode: number): Promise<void> {
    const inTime = await this.closeAll();
    if (!inTime) this.logger.error({}, 'stopped without waiting for everything to end');
    this.host.exit(inTime ? exitCode : exitCode || EXIT_FAILURE);
  }

  /** @returns false when the time bound cut it off, or closing failed */
  private async closeAll(): Promise<boolean> {
    this.health.stopping();
    this.certificate?.stop();
    let timer: NodeJS.Timeout | undefined;
    const bound = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), this.plan.stopWithin ?? STOP_WITHIN_MS);
    });
    const closed = (this.app?.close() ?? Promise.resolve()).then(
      () => true,
      (err: unknown) => {
        this.logger.error({ err }, 'error while stopping');
        return false;
      },
    );
    const inTime = await Promise.race([closed, bound]);
    clearTimeout(timer);
    return inTime;
  }

  private tell(error: unknown): void {
    const { what, help } = explainFailure(error);
    const sentence = help === '' ? what : `${what}: ${help}`;
    this.logger.fatal({ err: error }, sentence);
    this.host.stderr.write(`everseal ${this.label}: ${sentence}\n`);
  }
}

function isHttpsServer(server: object): server is { setSecureContext(options: HttpsServerOptions): void } {
  return 'setSecureContext' in server && typeof server.setSecureContext === 'function';
}
