import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DevPki, freePort, waitUntil } from '@everseal/local';
import { temporaryFolder } from '@everseal/testing';
import type { TemporaryFolder } from '@everseal/testing';
import { z } from 'zod';
import { StopProcess } from './failure.js';
import { OperationsModule } from '@everseal/operations';
import { runService } from './run-service.js';
import type { ProcessHandle, ServiceContext, ServicePlan } from './run-service.js';
import { logSettings, operationsSettings } from './service-settings.js';

const schema = z.strictObject({
  name: z.string().describe('Name of this instance.'),
  log: logSettings,
  operations: operationsSettings,
});
type Settings = z.output<typeof schema>;

@Module({})
class TestModule {
  static with({ health, metrics }: ServiceContext<Settings>): DynamicModule {
    return { module: TestModule, imports: [OperationsModule.with(health, metrics)] };
  }
}

/** Stands for the process: signals come from the test, exit is noted. */
class FakeProcess implements ProcessHandle {
  readonly exits: number[] = [];
  readonly errors: string[] = [];
  readonly lines: { level: string; msg: string }[] = [];
  private readonly listeners = new Map<string, (value: unknown) => void>();
  readonly stderr = { write: (text: string) => void this.errors.push(text) };
  readonly logTo = { write: (line: string) => void this.lines.push(JSON.parse(line)) };
  on(event: string, listener: (value: unknown) => void): void {
    this.listeners.set(event, listener);
  }
  exit(code: number): void {
    this.exits.push(code);
  }
  emit(event: string, value?: unknown): void {
    this.listeners.get(event)?.(value);
  }
  get fatal(): string[] {
    return this.lines.filter(({ level }) => level === 'fatal').map(({ msg }) => msg);
  }
}

let folder: TemporaryFolder;
let pki: DevPki;
let port: number;
let fake: FakeProcess;
let apps: NestFastifyApplication[];

beforeAll(async () => {
  folder = temporaryFolder('service');
  pki = await DevPki.open(join(folder.path, 'pki'));
});
afterAll(() => folder.remove());
beforeEach(async () => {
  port = await freePort();
  fake = new FakeProcess();
  apps = [];
});
afterEach(() => Promise.all(apps.map((app) => app.close())));

/** Writes the settings of one run and gives its file. */
async function settingsFile(operations: Record<string, unknown> = {}): Promise<string> {
  const { certFile, keyFile } = await pki.ensureServer('ingest-a');
  const file = join(folder.path, 'ingest.yaml');
  writeFileSync(file, JSON.stringify({ name: 'a', operations: { port, certFile, keyFile, ...operations } }));
  return file;
}

async function compose(context: ServiceContext<Settings>): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({ https: context.https });
  const app = await NestFactory.create<NestFastifyApplication>(TestModule.with(context), adapter, context.nest);
  apps.push(app);
  return app;
}

async function run(plan: Partial<ServicePlan<Settings>> = {}): Promise<void> {
  const file = 'settingsFile' in plan ? plan.settingsFile : await settingsFile();
  await runService({ service: 'ingest', schema, compose, ...plan, settingsFile: file }, fake);
}

/** Status, body and the certificate's serial number. */
function get(path: string): Promise<{ status: number; body: string; serial: string }> {
  return new Promise((resolve, reject) => {
    const options = { host: 'localhost', port, path, ca: readFileSync(pki.serversRootFile), agent: false };
    const asked = request(options, (response) => {
      const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate();
      let body = '';
      response.on('data', (chunk) => (body += String(chunk)));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, serial: serialNumber }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

const started = () => waitUntil(() => fake.lines.some(({ msg }) => msg === 'ingest a is running'), { what: 'running' });
const ended = () => waitUntil(() => fake.exits.length > 0, { what: 'an exit' });

describe('runService', () => {
  it('serves its operations over HTTPS and ends with 0 when asked to', async () => {
    await run();
    await started();
    const { status, body } = await get('/ready');
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ status: 'ready', conditions: [{ name: 'started', ok: true }] });
    expect((await get('/metrics')).body).toMatch(
      /everseal_https_certificate_expiry_seconds\{.*instance_name="a"\} 1\d{9}\n/,
    );
    fake.emit('SIGTERM');
    await ended();
    expect(fake.exits).toEqual([0]);
    expect(fake.fatal).toEqual([]);
    await expect(get('/ready')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('serves a renewed certificate without a restart', async () => {
    const file = await settingsFile();
    const { certFile } = await pki.ensureServer('ingest-a');
    await run({ settingsFile: file, lookAtCertificateMs: 10 });
    await started();
    const { serial } = await get('/live');
    rmSync(certFile);
    await pki.ensureServer('ingest-a');
    const seen = await waitUntil(
      async () => {
        const now = await get('/live');
        return now.serial !== serial && now;
      },
      { what: 'the new certificate' },
    );
    expect(seen.status).toBe(200);
    fake.emit('SIGTERM');
    await ended();
  });

  it('ends in order, with the reason, when a part of it must stop', async () => {
    let stop: (error: Error) => void = () => {};
    await run({
      compose: (context) => {
        stop = context.stop;
        return compose(context);
      },
    });
    await started();
    stop(new StopProcess('lease.lost', 'another sealer holds the lease'));
    stop(new Error('and then this'));
    await ended();
    expect(fake.exits).toEqual([1]);
    expect(fake.fatal).toEqual(['another sealer holds the lease']);
    expect(fake.errors).toEqual(['everseal ingest a: another sealer holds the lease\n']);
  });

  it('ends without waiting for ever for what does not end', async () => {
    await run({
      stopWithin: 50,
      compose: async (context) => {
        const app = await compose(context);
        return { listen: (to, host) => app.listen(to, host), getHttpServer: () => app.getHttpServer(), close: hang };
      },
    });
    await started();
    fake.emit('SIGTERM');
    await ended();
    expect(fake.exits).toEqual([1]);
  });

  it('ends at once at the second signal', async () => {
    await run({
      stopWithin: 50,
      compose: async (context) => {
        const app = await compose(context);
        return { listen: (to, host) => app.listen(to, host), getHttpServer: () => app.getHttpServer(), close: hang };
      },
    });
    await started();
    fake.emit('SIGINT');
    expect(fake.exits).toEqual([]);
    fake.emit('SIGINT');
    expect(fake.exits).toEqual([1]);
    await waitUntil(() => fake.exits.length === 2, { what: 'the end of the first stop' });
  });

  it.each(['uncaughtException', 'unhandledRejection'])(
    'ends at once after an %s, whose effect nobody knows',
    async (event) => {
      await run();
      await started();
      fake.emit(event, new TypeError('x is not a function'));
      expect(fake.exits).toEqual([1]);
      expect(fake.fatal).toEqual(['x is not a function']);
    },
  );

  it('is not ready while it stops', async () => {
    let health: ServiceContext<Settings>['health'] | undefined;
    await run({
      compose: (context) => {
        health = context.health;
        return compose(context);
      },
    });
    await started();
    fake.emit('SIGTERM');
    expect(health?.ready()).toMatchObject({ ok: false });
    await ended();
  });
});

describe('runService when it cannot start', () => {
  /** The one sentence on standard error, and the exit code. */
  async function failure(plan: Partial<ServicePlan<Settings>>): Promise<[string, number]> {
    await run(plan);
    expect(fake.errors).toHaveLength(1);
    expect(fake.fatal).toHaveLength(1);
    expect(fake.exits).toHaveLength(1);
    return [fake.errors[0]!.trimEnd(), fake.exits[0]!];
  }

  it('says that the port is in use', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(port, '127.0.0.1', resolve));
    expect((holder.address() as AddressInfo).port).toBe(port);
    expect(await failure({})).toEqual([
      `everseal ingest a: 127.0.0.1:${port} is in use: stop what listens there, or set another operations.port`,
      78,
    ]);
    await new Promise((resolve) => holder.close(resolve));
  });

  it('says what is wrong in the settings, or that there are none', async () => {
    const file = join(folder.path, 'bad.yaml');
    writeFileSync(file, 'name: a\nport: 3\n');
    const [text, code] = await failure({ settingsFile: file });
    expect(text.split('\n')).toEqual([
      'everseal ingest: bad.yaml:1: operations: missing: set it',
      'bad.yaml:2: port: unknown setting: remove it; there is name, log, operations',
    ]);
    expect(code).toBe(78);
    fake = new FakeProcess();
    expect(await failure({ settingsFile: undefined })).toEqual([
      'everseal ingest: no settings file: name it, ingest <file.yaml>',
      78,
    ]);
  });

  it('refuses a private key that others may read; the control starts', async () => {
    const { keyFile } = await pki.ensureServer('ingest-a');
    const settings = await settingsFile();
    chmodSync(keyFile, 0o640);
    const [text, code] = await failure({ settingsFile: settings });
    expect(text).toBe(`everseal ingest a: private key ${keyFile} has mode 0640: run chmod 600 on it, and renew it`);
    expect(code).toBe(78);
    chmodSync(keyFile, 0o600);
    fake = new FakeProcess();
    await run();
    await started();
    fake.emit('SIGTERM');
    await ended();
  });

  it('tells the failure of the composition, with what the app had to say', async () => {
    const unreachable = Object.assign(
      new Error('no connection to NATS at tls://localhost:4222: nothing listens there'),
      {
        code: 'nats.unreachable',
        fate: 'stop',
      },
    );
    expect(await failure({ compose: () => Promise.reject(unreachable) })).toEqual([
      'everseal ingest a: no connection to NATS at tls://localhost:4222: nothing listens there',
      1,
    ]);
  });

  it.each([
    [
      { code: 'ENOENT', path: '/var/lib/everseal' },
      '/var/lib/everseal does not exist: create it, or correct the settings',
      78,
    ],
    [
      { code: 'EACCES', path: '/var/lib/x' },
      'no permission for /var/lib/x: give it to the user this service runs as',
      78,
    ],
    [{ code: 'EACCES', address: '::', port: 80 }, 'no permission to listen on :::80: choose a port above 1023', 78],
    [{ code: 'ENOSPC', path: '/spool/1' }, 'no space left for /spool/1: make room; nothing was lost', 1],
    [{ code: 'EROFS', path: '/spool' }, '/spool is on a read-only file system: name a folder that can be written', 78],
    [{ code: 'EMFILE' }, 'too many open files: raise the limit (ulimit -n)', 1],
  ])('explains %j', async (system, sentence, code) => {
    const error = Object.assign(new Error('system error'), system);
    expect(await failure({ compose: () => Promise.reject(error) })).toEqual([`everseal ingest a: ${sentence}`, code]);
  });

  it('closes what was composed when it is asked to stop meanwhile', async () => {
    let closed = 0;
    await run({
      compose: async (context) => {
        const app = await compose(context);
        fake.emit('SIGTERM');
        return {
          listen: () => Promise.reject(new Error('must not listen')),
          getHttpServer: () => app.getHttpServer(),
          close: async () => void (closed += 1),
        };
      },
    });
    await ended();
    expect(closed).toBe(1);
    expect(fake.exits).toEqual([0]);
  });
});

function hang(): Promise<void> {
  return new Promise(() => {});
}
