/**
 * Transport and certificates of a whole installation: nothing answers in the clear, an expired certificate gets in nowhere, everything is
 * renewed under load without losing an event, and a key that others may read is not used.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ConnectionOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DevPki, repositoryRoot, servicesOf, startNatsServer, waitUntil, type ServiceKind } from '@everseal/local';
import { identityOf } from '@everseal/policy';
import { clearText, InstalledSystem, listeningPorts, temporaryFolder, withDescendants } from '@everseal/testing';
import pg from 'pg';
import { CertificateDrill } from '../soak/src/certificate-drill.js';
import { runTool } from '../soak/src/stored-alerts.js';

const START_MS = 240_000;
const TEST_MS = 300_000;
const WITHIN_MS = 60_000;
/** Long enough to connect with while everything else is busy. */
const SHORT_LIFE_MS = 8_000;
const MOST_TRIES = 5;

let system: InstalledSystem;
beforeAll(async () => {
  system = await InstalledSystem.start({ policyFile: path.join(repositoryRoot(), 'everseal.yaml') });
}, START_MS);
afterAll(() => system.stop(), START_MS);

const serialIn = (kind: string, name: string): string =>
  new X509Certificate(readFileSync(path.join(system.installation.layout.pki, kind, name, 'cert.pem'))).serialNumber;

describe('the ports of an installation', () => {
  it(
    'are those that it says, and none of them answers in the clear',
    async () => {
      const { installation } = system;
      const { nats, postgres, operations, api } = installation.ports;
      const readers = Object.values(api).flatMap(({ certificate, open }) => [certificate, open]);
      const said = [nats, postgres, ...Object.values(operations), ...readers].sort((a, b) => a - b);
      const services = servicesOf(installation.policy).map(({ service, name }) => installation.service(service, name));
      const pids = [installation.nats.pid, installation.postgres.pid, ...services.map(({ pid }) => pid)];
      expect(listeningPorts(withDescendants(pids))).toEqual(said);
      const findings = await Promise.all(said.map(clearText));
      expect(findings.flat()).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'control: plain HTTP, plain NATS and a Postgres that trusts its network are found',
    async () => {
      const http = createServer((_, response) => response.end('hello'));
      await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
      const folder = temporaryFolder('plain-nats');
      const nats = await startNatsServer({ dir: folder.path, config: 'listen: "127.0.0.1:-1"\n' });
      try {
        const { port } = http.address() as AddressInfo;
        expect(listeningPorts([process.pid])).toContain(port);
        expect(await clearText(port)).toContainEqual(
          expect.stringContaining(`port ${port} answers HTTP: "HTTP/1.1 200`),
        );
        expect(await clearText(nats.port)).toContainEqual(expect.stringContaining('answers NATS: "INFO {'));
      } finally {
        await nats.stop();
        folder.remove();
        await new Promise((resolve) => http.close(resolve));
      }
      const { layout, postgres } = system.installation;
      const hba = path.join(layout.postgres, 'pg_hba.conf');
      const rendered = readFileSync(hba, 'utf8');
      const isOpen = async (): Promise<boolean> =>
        (await clearText(postgres.port)).some((one) => one.includes('answers Postgres'));
      try {
        writeFileSync(hba, `host all all 127.0.0.1/32 trust\n${rendered}`);
        postgres.kill('SIGHUP');
        await waitUntil(isOpen, { what: 'Postgres open to its network', timeoutMs: WITHIN_MS });
      } finally {
        writeFileSync(hba, rendered);
        postgres.kill('SIGHUP');
      }
      await waitUntil(async () => !(await isOpen()), { what: 'Postgres closed again', timeoutMs: WITHIN_MS });
    },
    TEST_MS,
  );
});

interface Visit {
  /** The first bytes that came, or why none did. */
  answer: string;
  reused: boolean;
  sessions: Buffer[];
}

/** Connects, says `hello` if there is something to say, and leaves at the first answer. */
function visit(options: ConnectionOptions, hello?: Buffer): Promise<Visit> {
  return new Promise((resolve) => {
    const seen: Visit = { answer: '', reused: false, sessions: [] };
    const socket = connect({ host: 'localhost', minVersion: 'TLSv1.3', ...options });
    socket.on('session', (session: Buffer) => seen.sessions.push(session));
    socket.on('secureConnect', () => {
      seen.reused = socket.isSessionReused();
      if (hello) socket.write(hello);
    });
    socket.on('data', (chunk: Buffer) => {
      seen.answer ||= chunk.toString('latin1');
      socket.end();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => (seen.answer ||= error.code ?? error.message));
    socket.on('close', () => resolve(seen));
  });
}

/** A StartupMessage of protocol 3.0, as the role of ops. */
function startup(): Buffer {
  const fields = Buffer.from('user\0everseal_reader\0database\0everseal\0\0');
  const head = Buffer.alloc(8);
  head.writeUInt32BE(fields.length + 8);
  head.writeUInt32BE(3 << 16, 4);
  return Buffer.concat([head, fields]);
}

describe('a client certificate that has expired', () => {
  it(
    'gets in nowhere, with a session of before or without; the control is the same session before',
    async () => {
      const { layout, ports, policy } = system.installation;
      const { commonName, uri } = identityOf(policy.domain, 'ops', 'ops');
      const pki = await DevPki.open(layout.pki);
      const nats: ConnectionOptions = { port: ports.nats };
      const postgres: ConnectionOptions = { port: ports.postgres, ALPNProtocols: ['postgresql'] };
      for (let tries = 1; ; tries++) {
        const notAfter = Date.now() + SHORT_LIFE_MS;
        const names = [{ type: 'url', value: uri }] as const;
        const plan = { commonName, purpose: 'client', names, notAfter } as const;
        const { certFile, keyFile, caFile } = await pki.ensure(path.join(layout.pki, 'short', String(tries)), plan);
        const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile), ca: readFileSync(caFile) };
        const atNats = await visit({ ...tls, ...nats });
        const session = atNats.sessions.at(-1)!;
        const resumed = await visit({ ...tls, ...nats, session });
        const atPostgres = await visit({ ...tls, ...postgres }, startup());
        if (Date.now() >= notAfter && tries < MOST_TRIES) continue; // it took too long, on a busy machine
        expect(atNats.answer).toMatch(/^INFO /);
        expect(resumed).toMatchObject({ reused: true, answer: expect.stringMatching(/^INFO /) });
        expect(atPostgres).toMatchObject({ answer: expect.stringMatching(/^R/), sessions: [] });
        while (Date.now() < notAfter + 1_500) await sleep(100);
        for (const later of [
          { ...tls, ...nats, session },
          { ...tls, ...nats },
        ]) {
          expect(await visit(later)).toMatchObject({ answer: expect.stringContaining('CERTIFICATE_EXPIRED') });
        }
        const late = await visit({ ...tls, ...postgres, session }, startup());
        expect(late).toMatchObject({ answer: expect.stringContaining('CERTIFICATE_EXPIRED') });
        return;
      }
    },
    TEST_MS,
  );
});

describe('certificates of an installation under load', () => {
  it(
    'are all renewed, keys included, and no event is lost or refused',
    async () => {
      const drill = await CertificateDrill.start(system);
      try {
        await drill.renew(true);
        const outcome = await drill.judge();
        expect(outcome.findings).toEqual([]);
        expect(outcome.receipted).toBeGreaterThan(0);
      } finally {
        await drill.stop();
      }
      // Postgres sees the new certificate at the next connection.
      const client = new pg.Client(await system.installation.logins.postgres('ops', 'ops'));
      await client.connect();
      const { rows } = await client.query<{ serial: string }>(
        'SELECT client_serial::text AS serial FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
      );
      await client.end();
      expect(BigInt(rows[0]!.serial)).toBe(BigInt(`0x${serialIn('client', 'ops-ops')}`));
    },
    TEST_MS,
  );

  it(
    'are taken up by engines and services when the command-line tool renews them',
    async () => {
      const before = serialIn('server', 'nats');
      const dir = system.installation.layout.dir;
      const policy = ['--policy', path.join(repositoryRoot(), 'everseal.yaml')];
      const renewed = await runTool(dir, ['certs', 'renew', '--all', '--new-key', ...policy]);
      expect(renewed).toMatchObject({ code: 0, err: '' });
      expect(serialIn('server', 'nats')).not.toBe(before);
      const { code, out } = await runTool(dir, ['certs', 'list', '--json']);
      const rows = out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { name: string; served: string | null; state: string });
      const servers = rows.filter(({ served }) => served !== null).map(({ name, served }) => `${name} ${served}`);
      expect(servers.sort()).toEqual(
        ['follower-f1', 'ingest-a', 'nats', 'postgres', 'reader-r1', 'sealer-s1', 'verifier-v1'].map(
          (name) => `server/${name} yes`,
        ),
      );
      expect(code).toBe(rows.some(({ state }) => state.startsWith('tls.')) ? 5 : 0); // the short ones of above
    },
    TEST_MS,
  );
});

describe('a private key that others may read', () => {
  const KEYS: readonly [ServiceKind, string, string][] = [
    ['ingest', 'a', 'keys/alerts-ingest-a.skey'],
    ['sealer', 's1', 'keys/log-main.skey'],
    ['verifier', 'v1', 'keys/verifier-v1.skey'],
    ['reader', 'r1', 'pki/client/reader-r1/key.pem'],
    ['follower', 'f1', 'pki/client/follower-f1/key.pem'],
  ];

  // The last of the file: nothing is started again. That they start with closed keys is what everything above is the control of.
  it(
    'is used by no service: each says so in one line and does not start',
    async () => {
      const { installation } = system;
      const failures = KEYS.map(async ([service, name, key]) => {
        await installation.service(service, name).stop();
        chmodSync(path.join(installation.layout.dir, key), 0o640);
        return installation.startService(service, name).then(
          () => 'it runs',
          (error: Error) => error.message,
        );
      });
      const said = await Promise.all(failures);
      for (const [i, [, , key]] of KEYS.entries()) {
        expect({ key, said: said[i] }).toEqual({ key, said: expect.stringMatching(/mode 0640.*chmod 600/) });
        expect(said[i]).toContain(path.basename(key));
      }
    },
    TEST_MS,
  );
});
