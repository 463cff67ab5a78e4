import { spawn } from 'node:child_process';
import { chmodSync, cpSync, lstatSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { repositoryRoot } from '@everseal/local';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { stringify } from 'yaml';
import { runProgram } from './program.js';
import { Terminal } from './terminal.js';

const DAY = 86_400_000;

let folder: TemporaryFolder;
let now: number;
/** Ends `--watch`, as Ctrl-C does. */
let stop: AbortController;
beforeEach(() => {
  folder = temporaryFolder('certs');
  now = Date.now();
  stop = new AbortController();
  cpSync(path.join(repositoryRoot(), 'everseal.yaml'), at('everseal.yaml'));
});
afterEach(() => folder.remove());

const at = (...names: string[]): string => path.join(folder.path, ...names);
const certificate = (...names: string[]): X509Certificate => new X509Certificate(readFileSync(at('pki', ...names)));

interface Ran {
  code: number;
  out: string;
  err: string;
}

let onOutput: (text: string) => void = () => {};

async function certs(...args: string[]): Promise<Ran> {
  let [out, err] = ['', ''];
  const output = { write: (text: string) => ((out += text), onOutput(text)) };
  const errors = { write: (text: string) => (err += text) };
  const host = {
    terminal: new Terminal(output, errors, false),
    stdin: (async function* () {})(),
    now: () => now,
    signal: stop.signal,
    dir: folder.path,
  };
  const code = await runProgram(['certs', ...args], host);
  return { code, out, err };
}

const withPolicy = (...args: string[]): Promise<Ran> => certs(...args, '--policy', at('everseal.yaml'));

interface Listed {
  name: string;
  kind: string;
  serial: string;
  state: string;
  left: number;
  served: string | null;
  problem: string;
}

async function listed(...args: string[]): Promise<{ code: number; rows: Listed[] }> {
  const { code, out } = await certs('list', '--json', ...args);
  return { code, rows: out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Listed])) };
}

async function issueAll(): Promise<void> {
  await certs('init');
  expect(await withPolicy('issue', 'nats', 'postgres', 'ingest-a', 'sealer-s1')).toMatchObject({ code: 0 });
}

describe('everseal certs', () => {
  it('makes an authority once, and issues to the names of the policy alone', async () => {
    expect(await withPolicy('issue', 'nats')).toMatchObject({ code: 2, err: expect.stringContaining('certs init') });
    expect(await certs('init')).toMatchObject({ code: 0 });
    expect(await certs('init')).toMatchObject({ code: 2, err: expect.stringContaining('has an authority already') });
    expect(await withPolicy('issue', 'sealer-s9')).toMatchObject({
      code: 2,
      err: expect.stringContaining('no "sealer-s9"'),
    });
    await withPolicy('issue', 'ingest-a');
    expect(certificate('client', 'ingest-a', 'cert.pem').subjectAltName).toBe(
      'URI:spiffe://audit.example.com/svc/ingest/a',
    );
    expect(certificate('server', 'ingest-a', 'cert.pem').subjectAltName).toContain('DNS:localhost');
    const serial = certificate('client', 'ingest-a', 'cert.pem').serialNumber;
    expect((await withPolicy('issue', 'ingest-a', '--kind', 'client')).out).toContain(`is good, ${serial}`);
  });

  it('renews what is past two thirds of its life, for the hosts and the lifetime that it had', async () => {
    await certs('init');
    await withPolicy('issue', 'nats', '--host', 'nats.example.com', '10.0.0.7');
    await withPolicy('issue', 'sealer-s1', '--kind', 'client', '--hours', '48');
    const names = certificate('server', 'nats', 'cert.pem').subjectAltName;
    expect(names).toContain('DNS:nats.example.com');
    expect(await withPolicy('renew')).toMatchObject({ code: 0, out: '', err: 'nothing is due\n' });
    now += 1.5 * DAY;
    expect((await withPolicy('renew')).out).toMatch(/^client sealer-s1: [0-9A-F]{32}, until .*\n$/);
    now += 3.5 * DAY;
    const due = await withPolicy('renew');
    expect(due.code).toBe(0);
    expect(due.out.split('\n').map((line) => line.split(':')[0])).toEqual(['server nats', '']);
    expect(certificate('server', 'nats', 'cert.pem').subjectAltName).toBe(names);
  });

  it('renews at once what is named, or everything; with new keys in one step', async () => {
    await issueAll();
    const key = readFileSync(at('pki', 'client', 'sealer-s1', 'key.pem'));
    const serial = certificate('client', 'sealer-s1', 'cert.pem').serialNumber;
    await withPolicy('renew', 'sealer-s1', '--kind', 'client');
    expect(certificate('client', 'sealer-s1', 'cert.pem').serialNumber).not.toBe(serial);
    expect(readFileSync(at('pki', 'client', 'sealer-s1', 'key.pem'))).toEqual(key);
    const all = await withPolicy('renew', '--all', '--new-key');
    expect(all.out.trim().split('\n')).toHaveLength(6);
    expect(readFileSync(at('pki', 'client', 'sealer-s1', 'key.pem'))).not.toEqual(key);
    expect(lstatSync(at('pki', 'client', 'sealer-s1', 'key.pem')).isSymbolicLink()).toBe(true);
    expect(statSync(at('pki', 'client', 'sealer-s1', 'key.pem')).mode & 0o777).toBe(0o600);
    expect((await listed()).rows.every(({ problem }) => problem === '')).toBe(true);
    // And again, from the linked form.
    await withPolicy('renew', '--all');
    expect(lstatSync(at('pki', 'client', 'sealer-s1', 'cert.pem')).isSymbolicLink()).toBe(true);
    expect((await withPolicy('renew', '--watch', '--all')).code).toBe(2);
  });

  it('goes on looking until it is stopped, also when a look fails', async () => {
    await issueAll();
    const policy = readFileSync(at('everseal.yaml'));
    writeFileSync(at('everseal.yaml'), 'domain: [');
    const renewed: string[] = [];
    onOutput = (text) => {
      renewed.push(text);
      if (renewed.length === 6) stop.abort();
    };
    setTimeout(() => {
      writeFileSync(at('everseal.yaml'), policy);
      now += 5 * DAY;
    }, 200);
    try {
      const watched = await withPolicy('renew', '--watch', '--every', '1');
      expect(watched.code).toBe(0);
      expect(watched.err).toContain('not renewed:');
      expect(renewed).toHaveLength(6);
    } finally {
      onOutput = () => {};
    }
  });

  it('lists life and state of each, and what cannot be used', async () => {
    await issueAll();
    const fresh = await listed();
    expect(fresh.code).toBe(0);
    expect(fresh.rows.map(({ name, kind, state }) => `${kind} ${name} ${state}`).sort()).toEqual([
      'authority clients-root fresh',
      'authority servers-root fresh',
      'client client/ingest-a fresh',
      'client client/sealer-s1 fresh',
      'server server/ingest-a fresh',
      'server server/nats fresh',
      'server server/postgres fresh',
      'server server/sealer-s1 fresh',
    ]);
    const table = await certs('list');
    expect(table.out.split('\n')[0]).toBe('name\tkind\tserial\tnot after\tleft\tstate\tserved');
    chmodSync(at('pki', 'server', 'nats', 'key.pem'), 0o640);
    now += 5 * DAY;
    const bad = await listed();
    expect(bad.code).toBe(5);
    const states = Object.fromEntries(bad.rows.map(({ name, state }) => [name, state]));
    expect(states).toMatchObject({ 'server/nats': 'tls.key-exposed', 'client/sealer-s1': 'due' });
    now += 3 * DAY;
    expect((await listed()).rows.find(({ name }) => name === 'client/sealer-s1')?.state).toBe('tls.expired');
  });

  it('lists the folders of other tools', async () => {
    await issueAll();
    const source = (file: string): string => at('pki', 'client', 'sealer-s1', file);
    const layouts = {
      kubernetes: ['tls.crt', 'tls.key', 'ca.crt'],
      spire: ['svid.pem', 'svid_key.pem', 'bundle.pem'],
      step: ['sealer-s1.crt', 'sealer-s1.key', 'root.pem'],
    };
    for (const [tool, names] of Object.entries(layouts)) {
      mkdirSync(at(tool));
      for (const [i, name] of names.entries()) cpSync(source(['cert.pem', 'key.pem', 'ca.pem'][i]!), at(tool, name));
    }
    const { code, rows } = await listed(at('kubernetes'), at('spire'), at('step'));
    expect(code).toBe(0);
    expect(rows.map(({ name, kind, state }) => `${name} ${kind} ${state}`)).toEqual([
      'kubernetes client fresh',
      'spire client fresh',
      'sealer-s1.crt client fresh',
    ]);
    expect(await certs('list', at('nowhere'))).toMatchObject({ code: 2 });
    expect(await certs('list', path.dirname(at('everseal.yaml')), '--pki', 'x')).toMatchObject({ code: 0 });
  });

  it('revokes by the next generation of a name: policy, certificate and key are new, its folder is not', async () => {
    await issueAll();
    const key = readFileSync(at('pki', 'client', 'sealer-s1', 'key.pem'));
    const before = readFileSync(at('everseal.yaml'), 'utf8').split('\n');
    expect(await withPolicy('revoke', 'sealer-s9')).toMatchObject({ code: 2 });
    const revoked = await withPolicy('revoke', 'sealer-s1');
    expect(revoked).toMatchObject({ code: 0, err: expect.stringContaining('SIGHUP') });
    const after = readFileSync(at('everseal.yaml'), 'utf8').split('\n');
    expect(after.filter((line) => !before.includes(line))).toEqual(['    generation: 2']);
    expect(after).toHaveLength(before.length + 1);
    const fresh = certificate('client', 'sealer-s1', 'cert.pem');
    expect([fresh.subject, fresh.subjectAltName]).toEqual([
      'CN=sealer-s1.2',
      'URI:spiffe://audit.example.com/svc/sealer/s1/2',
    ]);
    expect(readFileSync(at('pki', 'client', 'sealer-s1', 'key.pem'))).not.toEqual(key);
    const again = await withPolicy('revoke', 'sealer-s1');
    expect(again.out).toContain('generation 3 of sealer-s1');
  });
});

describe('a server that goes on with its old certificate', () => {
  let server: Server;
  let served: { cert: Buffer; key: Buffer };
  beforeEach(async () => {
    await issueAll();
    const file = (name: string): Buffer => readFileSync(at('pki', 'server', 'nats', name));
    served = { cert: file('cert.pem'), key: file('key.pem') };
    server = createServer(served);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    mkdirSync(at('config'));
    const ledgers = [{ name: 'main', genesisFile: 'x' }];
    const settings = { domain: 'audit.example.com', ledgers, nats: { servers: [`tls://localhost:${port}`] } };
    writeFileSync(at('config', 'cli.yaml'), stringify(settings));
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  const nats = (rows: Listed[]): string | null | undefined => rows.find(({ name }) => name === 'server/nats')?.served;

  it('is found by list; one that has taken the new one up is not', async () => {
    expect(nats((await listed()).rows)).toBe('yes');
    const program = "process.on('SIGHUP', () => console.log('told')); setInterval(() => {}, 1000); console.log('up')";
    const engine = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    let told = 0;
    const isUp = new Promise<void>((resolve) => {
      engine.stdout.on('data', (chunk: Buffer) => {
        resolve();
        if (!chunk.toString().includes('told')) return;
        told++;
        const file = (name: string): Buffer => readFileSync(at('pki', 'server', 'nats', name));
        server.setSecureContext({ cert: file('cert.pem'), key: file('key.pem') });
      });
    });
    try {
      await isUp;
      writeFileSync(at('pid'), `${engine.pid}\n`);
      const renewed = await withPolicy('renew', 'nats', '--hup', at('pid'));
      expect(renewed).toMatchObject({ code: 0, err: '' });
      expect(told).toBe(1);
    } finally {
      engine.kill();
    }
    expect(nats((await listed()).rows)).toBe('yes');
    // Nobody tells it: the file is new, what it serves is not.
    server.setSecureContext(served);
    const old = await listed();
    expect({ code: old.code, served: nats(old.rows) }).toEqual({ code: 5, served: 'another' });
    expect((await certs('list')).err).toContain('SIGHUP');
  });
});
