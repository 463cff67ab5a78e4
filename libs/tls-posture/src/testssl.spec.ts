/**
 * A second opinion: what testssl.sh finds at the same endpoints, one hardened and one as weak as OpenSSL can be made, must be
 * what we find there. Versions, suites of each version, certificate, extensions; a difference fails.
 *
 * It takes a minute, and testssl.sh is not everywhere (`apt-get install testssl.sh`): without it nothing is compared.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort, waitUntil } from '@everseal/local';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { parseEndpoint } from './endpoint.js';
import type { Observation } from './observation.js';
import { scan } from './scan.js';
import { TLS_VERSIONS, type TlsVersion } from './tls-version.js';
import { WrongAuthority, type LeafPlan } from './wrong-certificates.fixture.js';

const WITHIN_MS = 290_000;
const PROGRAM = ['testssl.sh', 'testssl'].find((name) => spawnSync('which', [name]).status === 0);
const VERSION_IDS: Readonly<Record<TlsVersion, [string, string]>> = {
  SSLv3: ['SSLv3', 'ssl3'],
  'TLS 1.0': ['TLS1', 'tls1'],
  'TLS 1.1': ['TLS1_1', 'tls1_1'],
  'TLS 1.2': ['TLS1_2', 'tls1_2'],
  'TLS 1.3': ['TLS1_3', 'tls1_3'],
};

/** What both say, in the same words. */
interface Opinion {
  versions: Record<string, boolean>;
  suites: Record<string, string[]>;
  fingerprint: string;
  key: string;
  hash: string;
  notAfter: string;
  isForHost: boolean;
  isTrusted: boolean;
  /** Before TLS 1.3: secure renegotiation, extended master secret, tickets. */
  extensions: boolean[];
}

let folder: TemporaryFolder;
let root: WrongAuthority;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = temporaryFolder('testssl');
  root = await WrongAuthority.root('servers root');
  writeFileSync(path.join(folder.path, 'root.pem'), root.pem);
});
afterAll(async () => {
  for (const child of children) {
    const ended = new Promise((resolve) => child.once('close', resolve));
    if (child.kill('SIGKILL')) await ended;
  }
  folder.remove();
});

/** openssl s_server with a certificate; its port. */
async function serve(name: string, plan: LeafPlan, args: readonly string[]): Promise<number> {
  const { cert, key } = await root.issue(plan);
  const file = (kind: string): string => path.join(folder.path, `${name}.${kind}.pem`);
  writeFileSync(file('cert'), cert);
  writeFileSync(file('key'), key);
  const port = await freePort();
  const certificate = ['-cert', file('cert'), '-key', file('key')];
  const server = spawn('openssl', ['s_server', '-accept', `127.0.0.1:${port}`, '-www', ...certificate, ...args]);
  children.push(server);
  let said = '';
  server.stdout.on('data', (data: Buffer) => (said += data.toString()));
  server.stderr.resume();
  await waitUntil(() => said.includes('ACCEPT'), { what: 'openssl s_server', timeoutMs: 30_000 });
  return port;
}

async function ours(port: number): Promise<Opinion> {
  const endpoint = parseEndpoint(`https://localhost:${port}`);
  const seen = await scan(endpoint, { roots: [root.trusted], now: Date.now, patienceMs: 30_000 });
  expect([seen.unreachable, seen.unanswered]).toEqual([null, []]);
  return opinionOf(seen);
}

function opinionOf({ versions, suites, chain, legacy }: Observation): Opinion {
  const leaf = chain!.sent[0]!;
  const all = Object.keys(TLS_VERSIONS) as TlsVersion[];
  return {
    versions: Object.fromEntries(all.map((version) => [version, versions[version] === 'offered'])),
    suites: Object.fromEntries(all.map((version) => [version, (suites[version] ?? []).toSorted()])),
    fingerprint: leaf.fingerprint,
    key: `${leaf.keyType} ${leaf.keyBits}`,
    hash: leaf.signatureHash,
    notAfter: new Date(leaf.notAfter).toISOString().slice(0, 16),
    isForHost: chain!.isForHost,
    isTrusted: chain!.path === 'trusted',
    extensions: [legacy!.secureRenegotiation, legacy!.extendedMasterSecret, legacy!.tickets],
  };
}

async function theirs(port: number): Promise<Opinion> {
  const report = path.join(folder.path, `${port}.json`);
  const checks = ['-p', '-E', '-S'];
  const quiet = ['--quiet', '--color', '0', '--warnings', 'off', '--nodns', 'none'];
  const files = ['--add-ca', path.join(folder.path, 'root.pem'), '--jsonfile', report];
  const child = spawn(PROGRAM!, [...quiet, ...checks, ...files, `localhost:${port}`], { stdio: 'ignore' });
  children.push(child);
  await new Promise((resolve) => child.once('close', resolve));
  expect(existsSync(report)).toBe(true);
  const found = JSON.parse(readFileSync(report, 'utf8')) as { id: string; finding: string }[];
  const of = (id: string): string => found.find((one) => one.id === id)?.finding ?? `no ${id}`;
  const all = Object.entries(VERSION_IDS);
  const [kind = '', bits = ''] = of('cert_keySize').split(' ');
  return {
    versions: Object.fromEntries(all.map(([version, [id]]) => [version, of(id).startsWith('offered')])),
    suites: Object.fromEntries(
      all.map(([version, [, id]]) => {
        const names = found
          .filter((one) => one.id.startsWith(`cipher-${id}_x`))
          .map(({ finding }) => lastWord(finding));
        return [version, names.toSorted()];
      }),
    ),
    fingerprint: of('cert_fingerprintSHA256').toLowerCase(),
    key: `${kind.toLowerCase()} ${bits}`,
    hash: /sha\d+/.exec(of('cert_signatureAlgorithm').toLowerCase())?.[0] ?? of('cert_signatureAlgorithm'),
    notAfter: of('cert_notAfter').replace(' ', 'T'),
    isForHost: of('cert_trust').startsWith('Ok via SAN'),
    isTrusted: of('cert_chain_of_trust').startsWith('passed'),
    extensions: [65_281, 23, 35].map((number) => of('TLS_extensions').includes(`/#${number}'`)),
  };
}

const lastWord = (text: string): string => text.trim().split(/\s+/).at(-1) ?? '';

/** One of each kind: testssl.sh takes seconds for each that it finds. */
const WEAK =
  'ECDHE-RSA-AES128-SHA:AES256-GCM-SHA384:DHE-RSA-AES256-SHA:AECDH-AES128-SHA:AES128-SHA:NULL-SHA256:@SECLEVEL=0';
const SERVERS: [string, LeafPlan, string[]][] = [
  ['hardened', {}, ['-min_protocol', 'TLSv1.2', '-cipher', 'ECDHE+AESGCM:ECDHE+CHACHA20']],
  [
    'weak',
    { key: 'rsa-2048', hash: 'SHA-384', dns: ['other.example.com'] },
    ['-min_protocol', 'TLSv1.1', '-cipher', WEAK],
  ],
];

describe('testssl.sh', () => {
  if (PROGRAM === undefined) {
    it.skip('is not installed: nothing is compared', () => undefined);
    return;
  }
  it(
    'finds what we find',
    async () => {
      await Promise.all(
        SERVERS.map(async ([name, plan, args]) => {
          const port = await serve(name, plan, args);
          const mine = await ours(port);
          const other = await theirs(port);
          expect({ name, ...mine }).toEqual({ name, ...other });
          expect(mine.suites['TLS 1.2']!.length).toBeGreaterThan(2);
        }),
      );
    },
    WITHIN_MS,
  );
});
