import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadMaterial } from '@everseal/tls';
import { DevPki } from './dev-pki.js';

const DAY_MS = 86_400_000;
const SEALER = { commonName: 'sealer-s1', uri: 'spiffe://audit.example.com/svc/sealer/s1' };

let dir: string;
let now: number;
const clock = () => now;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-pki-'));
  now = Date.now();
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const certificateIn = (file: string) => new X509Certificate(readFileSync(file));

describe('DevPki', () => {
  it('issues what the services accept: a client for its URI, a server for its names, one purpose each', async () => {
    const pki = await DevPki.open(dir, clock);
    const client = await pki.ensureClient(SEALER);
    const server = await pki.ensureServer('nats');
    const { facts } = await loadMaterial(client, 'client', now);
    expect(facts.purposes).toEqual(['client']);
    expect(certificateIn(client.certFile).subject).toBe('CN=sealer-s1');
    expect(certificateIn(client.certFile).subjectAltName).toBe(`URI:${SEALER.uri}`);
    expect(certificateIn(server.certFile).subjectAltName).toBe('DNS:localhost, DNS:nats, IP Address:127.0.0.1');
    await expect(loadMaterial(server, 'server', now)).resolves.toBeDefined();
    await expect(loadMaterial(client, 'server', now)).rejects.toMatchObject({ code: 'tls.purpose' });
    await expect(loadMaterial(server, 'client', now)).rejects.toMatchObject({ code: 'tls.purpose' });
    const week = certificateIn(client.certFile);
    expect(Date.parse(week.validTo) - now).toBeLessThanOrEqual(7 * DAY_MS);
  });

  it('keeps servers and clients apart: each end trusts the root of the other', async () => {
    const pki = await DevPki.open(dir, clock);
    const client = await pki.ensureClient(SEALER);
    const server = await pki.ensureServer('nats');
    const [clientsRoot, serversRoot] = [pki.clientsRootFile, pki.serversRootFile].map(certificateIn);
    expect(certificateIn(client.certFile).verify(clientsRoot!.publicKey)).toBe(true);
    expect(certificateIn(client.certFile).verify(serversRoot!.publicKey)).toBe(false);
    expect(certificateIn(server.certFile).verify(serversRoot!.publicKey)).toBe(true);
    expect(readFileSync(client.caFile)).toEqual(readFileSync(pki.serversRootFile));
    expect(readFileSync(server.caFile)).toEqual(readFileSync(pki.clientsRootFile));
    expect(clientsRoot!.ca).toBe(true);
    expect(certificateIn(client.certFile).ca).toBe(false);
  });

  it('closes every key to others and leaves no temporary file', async () => {
    const pki = await DevPki.open(dir, clock);
    await pki.ensureClient(SEALER);
    const files = readdirSync(dir, { recursive: true }) as string[];
    for (const key of files.filter((file) => file.endsWith('key.pem')))
      expect(statSync(path.join(dir, key)).mode & 0o777).toBe(0o600);
    expect(files.filter((file) => file.endsWith('key.pem'))).toHaveLength(3);
    expect(files.filter((file) => file.includes('.new'))).toEqual([]);
  });

  it('changes nothing while a third of the lifetime is left, then renews the certificate and keeps the key', async () => {
    const first = await (await DevPki.open(dir, clock)).ensureClient(SEALER);
    const [certificate, key] = [readFileSync(first.certFile), readFileSync(first.keyFile)];
    now += 4.5 * DAY_MS;
    await (await DevPki.open(dir, clock)).ensureClient(SEALER);
    expect(readFileSync(first.certFile)).toEqual(certificate);
    now += 0.5 * DAY_MS;
    await (await DevPki.open(dir, clock)).ensureClient(SEALER);
    expect(readFileSync(first.certFile)).not.toEqual(certificate);
    expect(readFileSync(first.keyFile)).toEqual(key);
    expect(Date.parse(certificateIn(first.certFile).validTo)).toBeGreaterThan(now + 6 * DAY_MS);
  });

  it('issues anew what says something else, is of another root, or is of another key', async () => {
    const pki = await DevPki.open(dir, clock);
    const files = await pki.ensureClient(SEALER);
    const renewed = async (): Promise<boolean> => {
      const before = readFileSync(files.certFile, 'utf8');
      await pki.ensureClient(SEALER);
      return readFileSync(files.certFile, 'utf8') !== before;
    };
    expect(await renewed()).toBe(false);
    const folder = path.dirname(files.certFile);
    const names = [{ type: 'url' as const, value: 'spiffe://audit.example.com/svc/sealer/s2' }];
    await pki.ensure(folder, { commonName: SEALER.commonName, purpose: 'client', names });
    expect(await renewed()).toBe(true);
    const foreign = await (await DevPki.open(path.join(dir, 'foreign'), clock)).ensureClient(SEALER);
    writeFileSync(files.certFile, readFileSync(foreign.certFile));
    expect(await renewed()).toBe(true);
    rmSync(files.keyFile);
    expect(await renewed()).toBe(true);
  });

  it('refuses a root whose key was exchanged', async () => {
    await DevPki.open(dir, clock);
    writeFileSync(path.join(dir, 'clients-root', 'key.pem'), readFileSync(path.join(dir, 'servers-root', 'key.pem')));
    await expect(DevPki.open(dir, clock)).rejects.toMatchObject({ code: 'tls.key-mismatch' });
  });
});
