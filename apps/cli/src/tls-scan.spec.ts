import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DevPki, type CertificateFiles } from '@everseal/local';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { httpsServerOptions, loadMaterial } from '@everseal/tls';
import { runProgram } from './program.js';
import { Terminal } from './terminal.js';

let folder: TemporaryFolder;
let pki: DevPki;
let ops: CertificateFiles;
let server: Server;
let port: number;

beforeAll(async () => {
  folder = temporaryFolder('tls-scan');
  pki = await DevPki.open(path.join(folder.path, 'pki'));
  ops = await pki.ensureClient({ commonName: 'ops-oncall', uri: 'spiffe://audit.example.com/ops/oncall' });
  const material = await loadMaterial(await pki.ensureServer('reader-r1'), 'server', Date.now());
  server = createServer(httpsServerOptions(material), (_, response) => response.end());
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  ({ port } = server.address() as AddressInfo);
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  folder.remove();
});

interface Ran {
  code: number;
  out: string;
  err: string;
}

async function everseal(...args: string[]): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const terminal = new Terminal(
    { write: (text) => void out.push(text) },
    { write: (text) => void err.push(text) },
    false,
  );
  const host = { terminal, stdin: (async function* () {})(), now: Date.now, signal: new AbortController().signal };
  const code = await runProgram(args, { ...host, dir: path.join(folder.path, 'nothing-here') });
  return { code, out: out.join(''), err: err.join('') };
}

const scan = (...args: string[]): Promise<Ran> => everseal('tls', 'scan', '--timeout', '20000', ...args);

function settings(): string {
  const file = path.join(folder.path, 'cli.yaml');
  const certificate = Object.entries(ops).map(([name, value]) => `${name}: ${value}`);
  writeFileSync(
    file,
    `domain: audit.example.com
ledgers: [{ name: main, genesisFile: genesis.note }]
nats: { servers: ['tls://localhost:${port}'] }
ops: { name: oncall, ${certificate.join(', ')} }
services: [{ service: reader, name: r1, url: 'https://localhost:${port}' }]
endpoints: ['https://localhost:${port}']
`,
  );
  return file;
}

describe('everseal tls scan', () => {
  it('grades what is named, with the reasons; the code says whether it is enough', async () => {
    const url = `https+mtls://localhost:${port}`;
    const good = await scan('--ca', pki.serversRootFile, '--minimum', 'A', url);
    expect(good).toMatchObject({ code: 0, out: expect.stringContaining(`${url}\tA`) });
    const untrusted = await scan('--ca', pki.clientsRootFile, url);
    expect(untrusted).toMatchObject({ code: 1, err: '1 endpoint below A\n' });
    expect(untrusted.out).toContain('[certificate.incomplete]');
    expect(await scan('--ca', pki.clientsRootFile, '--minimum', 'C', url)).toMatchObject({ code: 1 });
  });

  it('gives everything as JSON', async () => {
    const { out } = await scan('--ca', pki.serversRootFile, '--json', `https+mtls://localhost:${port}`);
    expect(JSON.parse(out)).toMatchObject({
      grade: expect.stringMatching(/^A/),
      url: `https+mtls://localhost:${port}`,
      versions: { 'TLS 1.2': 'refused', 'TLS 1.3': 'offered' },
      nobody: { outcome: 'refused', by: 'tls' },
      chain: { path: 'trusted', isForHost: true },
    });
  });

  it('looks at every endpoint of the settings, with their roots and their certificate', async () => {
    const { code, out } = await everseal('--config', settings(), 'tls', 'scan', '--json', '--timeout', '20000');
    const seen = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(seen.map(({ url }) => url)).toEqual([
      `nats+tlsfirst://localhost:${port}`,
      `https+mtls://localhost:${port}`,
      `https://localhost:${port}`,
    ]);
    expect(seen[1]).toMatchObject({ own: { outcome: 'let-in' } });
    // There is no NATS there: the operator's certificate is not let in.
    expect(seen[0]).toMatchObject({ grade: 'F', own: { outcome: 'refused' } });
    expect(code).toBe(1);
  });

  it('never takes what it cannot speak to for good', async () => {
    expect(await scan('--ca', pki.serversRootFile, 'postgres://localhost:1')).toMatchObject({
      code: 1,
      out: expect.stringContaining('[endpoint.unreachable]'),
    });
  });

  it('says what is wrong with the command line', async () => {
    for (const args of [
      [],
      ['localhost:443'],
      ['https://localhost:99999'],
      ['--minimum', 'G', 'https://localhost:1'],
      ['--pin', 'abc', 'https://localhost:1'],
      ['--cert', ops.certFile, 'https://localhost:1'],
    ]) {
      expect(await scan(...args)).toMatchObject({ code: 2 });
    }
  });
});
