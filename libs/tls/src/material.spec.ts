import { chmod, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Authority, CertificateFolder } from './certificates.fixture.js';
import type { LeafOptions } from './certificates.fixture.js';
import { renewalState } from './certificate-facts.js';
import { loadMaterial } from './material.js';
import type { MaterialFiles } from './material.js';

const DAY = 86_400_000;
let folder: CertificateFolder;
let clients: Authority;
let servers: Authority;

beforeAll(async () => {
  folder = await CertificateFolder.create();
  clients = await Authority.create('clients root');
  servers = await Authority.create('servers root');
});
afterAll(() => folder.remove());

const load = (files: MaterialFiles, purpose: 'client' | 'server' = 'client', now = Date.now()) =>
  loadMaterial(files, purpose, now);

async function clientFiles(options: LeafOptions = {}): Promise<MaterialFiles> {
  return folder.write('client', await clients.issue(options), servers);
}

describe('loadMaterial', () => {
  it('describes what it loaded', async () => {
    const leaf = await clients.issue({ commonName: 'sealer-s1' });
    const { facts } = await load(await folder.write('good', leaf, servers));
    expect(facts).toMatchObject({
      commonName: 'sealer-s1',
      serial: leaf.serial,
      issuer: 'CN=clients root',
      purposes: ['client'],
      names: ['URI:spiffe://audit.example.com/svc/ingest/a'],
      uris: ['spiffe://audit.example.com/svc/ingest/a'],
    });
    expect(facts.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });

  it('gives a digest that changes with any of the files', async () => {
    const files = await clientFiles();
    const first = await load(files);
    expect((await load(files)).digest).toBe(first.digest);
    await writeFile(files.caFile!, `${servers.pem}${clients.pem}`);
    expect((await load(files)).digest).not.toBe(first.digest);
  });

  it('refuses a key that group or others may touch; the control with 0600 loads', async () => {
    const files = await clientFiles();
    for (const mode of [0o640, 0o604, 0o620, 0o601, 0o644]) {
      await chmod(files.keyFile, mode);
      await expect(load(files)).rejects.toMatchObject({ code: 'tls.key-exposed' });
    }
    await chmod(files.keyFile, 0o600);
    await expect(load(files)).resolves.toBeDefined();
    await chmod(files.keyFile, 0o400);
    await expect(load(files)).resolves.toBeDefined();
  });

  it('refuses a key of another certificate', async () => {
    const files = await clientFiles();
    await writeFile(files.keyFile, (await clients.issue()).key);
    await expect(load(files)).rejects.toMatchObject({ code: 'tls.key-mismatch' });
  });

  it('refuses what is not valid now, up to the very millisecond', async () => {
    const notBefore = new Date('2026-11-01T00:00:00.000Z');
    const notAfter = new Date('2026-11-08T00:00:00.000Z');
    const files = await clientFiles({ notBefore, notAfter });
    const at = (ms: number) => load(files, 'client', ms);
    await expect(at(notBefore.getTime() - 1)).rejects.toMatchObject({ code: 'tls.not-yet-valid' });
    await expect(at(notBefore.getTime())).resolves.toBeDefined();
    await expect(at(notAfter.getTime() - 1)).resolves.toBeDefined();
    await expect(at(notAfter.getTime())).rejects.toMatchObject({ code: 'tls.expired' });
  });

  it('refuses any other extended key usage than the one the place needs', async () => {
    for (const purposes of [[], ['server']] as const) {
      const files = await clientFiles({ purposes: [...purposes] });
      await expect(load(files)).rejects.toMatchObject({ code: 'tls.purpose' });
    }
    for (const purposes of [[], ['client'], ['client', 'server']] as const) {
      const files = await folder.write('server', await servers.issueServer({ purposes: [...purposes] }), clients);
      await expect(load(files, 'server')).rejects.toMatchObject({ code: 'tls.purpose' });
    }
  });

  it('takes a client certificate for both ends, which cannot stand as a server', async () => {
    const files = await clientFiles({ purposes: ['server', 'client'] });
    await expect(load(files)).resolves.toBeDefined();
    await expect(load(files, 'server')).rejects.toMatchObject({ code: 'tls.purpose' });
    const names = [
      { type: 'url', value: 'spiffe://audit.example.com/svc/sealer/s1' },
      { type: 'dns', value: 'nats.audit.example.com' },
    ] as const;
    const both = await clientFiles({ purposes: ['server', 'client'], names: [...names] });
    await expect(load(both)).rejects.toMatchObject({ code: 'tls.names' });
  });

  it('refuses a client certificate with any name beside its spiffe URI', async () => {
    const spiffe = { type: 'url', value: 'spiffe://audit.example.com/svc/sealer/s1' } as const;
    const bad: LeafOptions['names'][] = [
      [spiffe, { type: 'dns', value: 'ingest.audit.example.com' }],
      [{ type: 'dns', value: 'ingest.audit.example.com' }],
      [{ type: 'url', value: 'https://audit.example.com/' }],
      [spiffe, { type: 'url', value: 'spiffe://audit.example.com/svc/ingest/a' }],
      // One name that reads like two when the list is split carelessly.
      [{ type: 'url', value: 'spiffe://audit.example.com/x, URI:spiffe://audit.example.com/y' }, spiffe],
    ];
    for (const names of bad) {
      await expect(load(await clientFiles({ names }))).rejects.toMatchObject({ code: 'tls.names' });
    }
  });

  it('reads a name with a comma as one name', async () => {
    const value = 'spiffe://audit.example.com/x, DNS:ingest.audit.example.com';
    const { facts } = await load(await clientFiles({ names: [{ type: 'url', value }] }));
    expect(facts.names).toEqual([`URI:${value}`]);
  });

  it('refuses a server certificate without a DNS name or address', async () => {
    const good = await folder.write('server', await servers.issueServer());
    await expect(load(good, 'server')).resolves.toMatchObject({ ca: undefined });
    const bad = await servers.issueServer({ names: [{ type: 'url', value: 'spiffe://audit.example.com/nats' }] });
    await expect(load(await folder.write('bad', bad), 'server')).rejects.toMatchObject({ code: 'tls.names' });
  });

  it('refuses what is no PEM, no authority, too large or not there', async () => {
    const files = await clientFiles();
    const other = async (change: Partial<MaterialFiles>) => load({ ...files, ...change });
    const put = (name: string, text: string) => folder.put(name, text);
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    await expect(other({ certFile: join('nowhere.crt') })).rejects.toMatchObject({ code: 'tls.unreadable' });
    await expect(other({ certFile: folder.path })).rejects.toMatchObject({ code: 'tls.unreadable' });
    await expect(other({ certFile: await put('a', 'hello') })).rejects.toMatchObject({
      code: 'tls.certificate-malformed',
    });
    await expect(other({ certFile: await put('b', broken) })).rejects.toMatchObject({
      code: 'tls.certificate-malformed',
    });
    await expect(other({ keyFile: await put('c', 'hello') })).rejects.toMatchObject({ code: 'tls.key-malformed' });
    await expect(other({ caFile: await put('d', '') })).rejects.toMatchObject({ code: 'tls.authority-malformed' });
    await expect(other({ caFile: files.certFile })).rejects.toMatchObject({ code: 'tls.authority-malformed' });
    await expect(other({ certFile: await put('e', 'x'.repeat(262_145)) })).rejects.toMatchObject({
      code: 'tls.too-large',
    });
  });
});

describe('renewalState', () => {
  it('measures against the life of the certificate', async () => {
    const notBefore = new Date('2026-11-01T00:00:00.000Z');
    const { facts } = await load(
      await clientFiles({ notBefore, notAfter: new Date(notBefore.getTime() + 6 * DAY) }),
      'client',
      notBefore.getTime(),
    );
    const after = (days: number) => renewalState(facts, notBefore.getTime() + days * DAY);
    expect([after(0), after(3.9), after(4.1), after(4.9), after(5.1), after(6)]).toEqual([
      'fresh',
      'fresh',
      'due',
      'due',
      'late',
      'expired',
    ]);
  });
});

function join(name: string): string {
  return `${folder.path}/${name}`;
}
