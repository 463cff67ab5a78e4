/**
 * Real nats-servers and Postgres servers that are configured wrong on purpose, and the grade that each gets. Every case names
 * all findings; the servers that are as they should be are the control. See wrong-servers.spec.ts for everything that does
 * not need these engines.
 */
import { copyFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type CertificateFiles,
  DevPki,
  freePort,
  type NatsProcess,
  startNatsServer,
  startPostgres,
} from '@everseal/local';
import { temporaryFolder, TestPostgres, type TemporaryFolder, type TestPostgresOptions } from '@everseal/testing';
import { parseCertificates } from './certificate.js';
import { parseEndpoint } from './endpoint.js';
import { worstOf, type Grade } from './grade.js';
import { judge } from './judge.js';
import type { Observation } from './observation.js';
import type { Expectations } from './rules.js';
import { scan } from './scan.js';

const PATIENCE_MS = 20_000;

let folder: TemporaryFolder;
let pki: DevPki;
let server: CertificateFiles;
let client: CertificateFiles;

beforeAll(async () => {
  folder = temporaryFolder('wrong-engines');
  pki = await DevPki.open(path.join(folder.path, 'pki'));
  server = await pki.ensureServer('engine');
  client = await pki.ensureClient({ commonName: 'postgres', uri: 'spiffe://audit.example.com/admin/postgres' });
});
afterAll(() => folder.remove());

interface Expected {
  grade: Grade;
  findings: string[];
  expected?: Partial<Expectations>;
}

/** All findings, but for the missing post-quantum group, which is the build's. */
async function expectPosture(url: string, { grade, findings, expected }: Expected): Promise<Observation> {
  const endpoint = parseEndpoint(url);
  const roots = parseCertificates(readFileSync(pki.serversRootFile, 'utf8'));
  const identity = { cert: readFileSync(client.certFile), key: readFileSync(client.keyFile) };
  const seen = await scan(endpoint, { roots, identity, now: Date.now, patienceMs: PATIENCE_MS });
  const posture = judge(seen, { endpoint, pins: [], onDisk: null, now: Date.now(), ...expected });
  const told = posture.findings.filter(({ id }) => id !== 'group.classical');
  expect(told).toEqual(findings.map((id) => expect.objectContaining({ id })));
  const isClassical = told.length < posture.findings.length;
  expect(posture.grade).toBe(isClassical ? worstOf([grade, 'A']) : grade);
  return seen;
}

describe('nats-server', () => {
  const tls = (more: string, { certFile, keyFile } = server): string =>
    `tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${pki.clientsRootFile}", ${more} }\n`;
  const GOOD = 'verify: true, min_version: "1.3"';

  async function run<T>(config: string, use: (nats: NatsProcess) => Promise<T>): Promise<T> {
    const nats = await startNatsServer({
      dir: path.join(folder.path, `nats-${Math.random().toString(36).slice(2)}`),
      config: `listen: "127.0.0.1:-1"\n${config}`,
    });
    try {
      return await use(nats);
    } finally {
      await nats.stop();
    }
  }

  const cases: [string, string, () => string, Grade, string[]][] = [
    ['as it should be', 'nats+tlsfirst', () => tls(`${GOOD}, handshake_first: true`), 'A+', []],
    ['that says INFO first', 'nats', () => tls(GOOD), 'A-', ['nats.info-first']],
    [
      'that says INFO when it waits too long for TLS',
      'nats+tlsfirst',
      () => tls(`${GOOD}, handshake_first: auto`),
      'A-',
      ['nats.info-first'],
    ],
    [
      'that wants no certificate',
      'nats+tlsfirst',
      () => tls('min_version: "1.3", handshake_first: true'),
      'F',
      ['clients.nobody', 'clients.stranger'],
    ],
    [
      'that wants a password instead of a certificate',
      'nats+tlsfirst',
      () => `${tls('min_version: "1.3", handshake_first: true')}authorization { user: a, password: "b" }\n`,
      'F',
      ['clients.own'],
    ],
    ['without TLS', 'nats', () => '', 'F', ['endpoint.unreachable', 'plaintext.accepted']],
    [
      'that goes on without TLS',
      'nats',
      () => `${tls(GOOD)}allow_non_tls: true\n`,
      'F',
      ['plaintext.accepted', 'nats.info-first'],
    ],
    [
      'with a suite with CBC',
      'nats+tlsfirst',
      () =>
        tls(
          'verify: true, handshake_first: true, cipher_suites: ["TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"], allow_insecure_cipher_suites: true',
        ),
      'A-',
      ['suite.cbc'],
    ],
  ];
  it.each(cases)('%s', async (_, scheme, config, grade, findings) => {
    await run(config(), async ({ port }) => {
      await expectPosture(`${scheme}://localhost:${port}`, { grade, findings });
    });
  });

  it('whose certificate has lapsed, and one for another host', async () => {
    const hour = 3_600_000;
    const names = [{ type: 'dns', value: 'localhost' }] as const;
    const lapsed = {
      commonName: 'nats',
      purpose: 'server',
      names,
      notBefore: Date.now() - 9 * hour,
      notAfter: Date.now() - hour,
    } as const;
    const good = `${GOOD}, handshake_first: true`;
    const files = await pki.ensure(path.join(folder.path, 'lapsed'), lapsed);
    await run(tls(good, files), async ({ port }) => {
      await expectPosture(`nats+tlsfirst://localhost:${port}`, { grade: 'T', findings: ['certificate.expired'] });
    });
    const other = {
      commonName: 'nats',
      purpose: 'server',
      names: [{ type: 'dns', value: 'other.example.com' }],
    } as const;
    const elsewhere = await pki.ensure(path.join(folder.path, 'elsewhere'), other);
    await run(tls(good, elsewhere), async ({ port }) => {
      await expectPosture(`nats+tlsfirst://localhost:${port}`, { grade: 'M', findings: ['certificate.name'] });
    });
  });

  it('that was not told of its renewed certificate, until it is', async () => {
    const files = await pki.ensure(path.join(folder.path, 'renewed'), {
      commonName: 'nats',
      purpose: 'server',
      names: [{ type: 'dns', value: 'localhost' }],
    });
    await run(tls(`${GOOD}, handshake_first: true`, files), async (nats) => {
      const url = `nats+tlsfirst://localhost:${nats.port}`;
      copyFileSync(server.certFile, files.certFile);
      copyFileSync(server.keyFile, files.keyFile);
      const onDisk = parseCertificates(readFileSync(files.certFile, 'utf8'))[0]!.fingerprint256;
      const expected = { onDisk: onDisk.replaceAll(':', '').toLowerCase() };
      await expectPosture(url, { grade: 'A-', findings: ['certificate.stale'], expected });
      nats.reload();
      const deadline = Date.now() + 20_000;
      while (!nats.logTail(5).includes('Reloaded server configuration') && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await expectPosture(url, { grade: 'A+', findings: [], expected });
    });
  });
});

describe('Postgres', () => {
  async function run(options: TestPostgresOptions, use: (port: number) => Promise<void>): Promise<void> {
    const own = temporaryFolder('wrong-postgres');
    const postgres = await TestPostgres.start({ folder: own, pki, ...options });
    try {
      await use(postgres.port);
    } finally {
      await postgres.stop();
      own.remove();
    }
  }
  const url = (port: number, scheme = 'postgres', role = 'postgres'): string =>
    `${scheme}://${role}@localhost:${port}/postgres`;
  const PLAIN = 'host all somebody 127.0.0.1/32 trust\n';

  it('as it should be, both ways; the role that is named comes in with its certificate', async () => {
    await run({}, async (port) => {
      for (const scheme of ['postgres', 'postgres+direct']) {
        const seen = await expectPosture(url(port, scheme), { grade: 'A+', findings: [] });
        expect(seen).toMatchObject({
          own: { outcome: 'let-in' },
          nobody: { outcome: 'refused', by: 'application', said: expect.stringMatching(/^28000 /) },
          stranger: { outcome: 'refused', by: 'tls' },
          plaintext: { outcome: 'refused', by: 'application', said: expect.stringMatching(/^28000 /) },
        });
      }
    });
  });

  it('that trusts whoever comes over TLS, or without', async () => {
    const hba = `hostssl all anybody 127.0.0.1/32 trust\nhostssl all asked 127.0.0.1/32 scram-sha-256\n${PLAIN}`;
    await run({ hba }, async (port) => {
      // Anybody in a certificate's stead; a certificate of a foreign issuer does not pass the handshake.
      await expectPosture(url(port, 'postgres', 'anybody'), { grade: 'F', findings: ['clients.nobody'] });
      await expectPosture(url(port, 'postgres', 'asked'), { grade: 'F', findings: ['clients.nobody'] });
      const findings = ['plaintext.accepted', 'clients.nobody'];
      await expectPosture(url(port, 'postgres+direct', 'somebody'), { grade: 'F', findings });
    });
  });

  it('without roots for clients', async () => {
    const own = temporaryFolder('wrong-postgres');
    // Not TestPostgres: its superuser logs in with a certificate, which needs roots.
    const postgres = await startPostgres({
      dir: path.join(own.path, 'postgres'),
      port: await freePort(),
      tls: server,
      hba: 'hostssl all anybody 127.0.0.1/32 trust\n',
      settings: { ssl_ca_file: '' },
    });
    const findings = ['clients.nobody', 'clients.stranger'];
    await expectPosture(url(postgres.port, 'postgres', 'anybody'), { grade: 'F', findings }).finally(async () => {
      await postgres.stop();
      own.remove();
    });
  });

  it('without TLS, to people in the clear and to nobody', async () => {
    await run({ hba: PLAIN, settings: { ssl: 'off' } }, async (port) => {
      await expectPosture(url(port), { grade: 'F', findings: ['endpoint.unreachable'] });
      const findings = ['endpoint.unreachable', 'plaintext.accepted'];
      await expectPosture(url(port, 'postgres', 'somebody'), { grade: 'F', findings });
      await expectPosture(url(port, 'postgres+direct'), { grade: 'F', findings: ['endpoint.unreachable'] });
    });
  });

  it('with the suites that it has when nothing is set, and with TLS 1.2 alone', async () => {
    await run({ settings: { ssl_min_protocol_version: 'TLSv1.2' } }, async (port) => {
      await expectPosture(url(port), { grade: 'A-', findings: ['suite.cbc'] });
    });
    const settings = {
      ssl_min_protocol_version: 'TLSv1.2',
      ssl_max_protocol_version: 'TLSv1.2',
      ssl_ciphers: 'ECDHE+AESGCM',
    };
    await run({ settings }, async (port) => {
      await expectPosture(url(port), { grade: 'A-', findings: ['protocol.no-tls13'] });
    });
  });
});
