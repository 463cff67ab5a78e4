/** Certificates as others read them: OpenSSL's command line, another X.509 library. NATS (Go) and Postgres do so in their own specs. */
import 'reflect-metadata';
import { execFileSync, spawnSync } from 'node:child_process';
import { createPublicKey, webcrypto, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as x509 from '@peculiar/x509';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Authority, newKey, type LeafPlan } from './authority.js';
import { integer, time } from './der.js';

const NOW = Date.parse('2026-11-22T10:00:00.000Z');
const CLIENT: LeafPlan = {
  commonName: 'sealer-s1',
  purpose: 'client',
  names: [{ type: 'url', value: 'spiffe://audit.example.com/svc/sealer/s1' }],
};
const SERVER: LeafPlan = {
  commonName: 'nats',
  purpose: 'server',
  names: [
    { type: 'dns', value: 'nats.audit.example.com' },
    { type: 'ip', value: '10.0.200.7' },
  ],
};

let dir: string;
beforeEach(() => void (dir = mkdtempSync(path.join(tmpdir(), 'everseal-authority-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const open = (): Authority => Authority.open(path.join(dir, 'root'), 'Root of a spec é', NOW);
const issue = (plan: LeafPlan): string => open().issue(plan, newKey(), NOW);

/** What `openssl verify` says of a leaf under a root, for a purpose. */
function verified(rootFile: string, leaf: string, purpose: 'sslclient' | 'sslserver'): string {
  const file = path.join(dir, 'leaf.pem');
  writeFileSync(file, leaf);
  const at = String(NOW / 1_000);
  const args = ['verify', '-x509_strict', '-attime', at, '-purpose', purpose, '-CAfile', rootFile, file];
  const { stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  return `${stdout}${stderr}`.replace(`${file}: `, '').trim();
}

describe('a leaf', () => {
  it('says what was planned, to Node and to another library', () => {
    const client = new X509Certificate(issue(CLIENT));
    expect(client.subject).toBe('CN=sealer-s1');
    expect(client.issuer).toBe('CN=Root of a spec é');
    expect(client.subjectAltName).toBe('URI:spiffe://audit.example.com/svc/sealer/s1');
    expect(client.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect([client.ca, client.serialNumber.length]).toEqual([false, 32]);
    expect([Date.parse(client.validFrom), Date.parse(client.validTo)]).toEqual([NOW - 300_000, NOW + 7 * 86_400_000]);
    expect(new X509Certificate(issue(SERVER)).subjectAltName).toBe('DNS:nats.audit.example.com, IP Address:10.0.200.7');
    const read = new x509.X509Certificate(issue(CLIENT));
    const critical = read.extensions.filter((one) => one.critical).map(({ type }) => type);
    expect(read.extensions.map(({ type }) => type)).toEqual([
      '2.5.29.19',
      '2.5.29.15',
      '2.5.29.37',
      '2.5.29.17',
      '2.5.29.14',
      '2.5.29.35',
    ]);
    expect(critical).toEqual(['2.5.29.19', '2.5.29.15', '2.5.29.37']);
    expect(read.getExtension(x509.KeyUsagesExtension)?.usages).toBe(x509.KeyUsageFlags.digitalSignature);
  });

  it('is what a strict OpenSSL takes for its purpose and under its root, and for nothing else', () => {
    const root = open();
    expect(verified(root.file, issue(CLIENT), 'sslclient')).toBe('OK');
    expect(verified(root.file, issue(SERVER), 'sslserver')).toBe('OK');
    expect(verified(root.file, issue(CLIENT), 'sslserver')).toContain('purpose');
    expect(verified(root.file, issue(SERVER), 'sslclient')).toContain('purpose');
    const other = Authority.open(path.join(dir, 'other'), 'Root of a spec é', NOW);
    expect(verified(other.file, issue(CLIENT), 'sslclient')).not.toBe('OK');
    // A leaf is no authority: the path length of the root is 0, and its own constraint says so.
    const text = execFileSync('openssl', ['x509', '-noout', '-text', '-in', root.file], { encoding: 'utf8' });
    expect(text).toContain('CA:TRUE, pathlen:0');
    expect(text).toContain('Certificate Sign, CRL Sign');
  });

  it('has another serial number each time', () => {
    const serials = Array.from({ length: 50 }, () => new X509Certificate(issue(CLIENT)).serialNumber);
    expect(new Set(serials).size).toBe(50);
  });

  it('comes of a root that another library has made as well', async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const root = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: '41',
      name: [{ O: ['Example'] }, { CN: ['Another root'] }],
      notBefore: new Date(NOW - 1_000),
      notAfter: new Date(NOW + 86_400_000 * 30),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    mkdirSync(path.join(dir, 'root'));
    const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
    writeFileSync(path.join(dir, 'root', 'cert.pem'), root.toString('pem'));
    writeFileSync(path.join(dir, 'root', 'key.pem'), key, { mode: 0o600 });
    const authority = open();
    const leaf = authority.issue(CLIENT, newKey(), NOW);
    expect(new X509Certificate(leaf).verify(createPublicKey(authority.pem))).toBe(true);
    expect(verified(authority.file, leaf, 'sslclient')).toBe('OK');
  });
});

describe('the encoding', () => {
  it('has one form for numbers and times', () => {
    expect(integer(Buffer.from([0x7f])).toString('hex')).toBe('02017f');
    for (const bytes of [[], [0x80], [0, 1]]) expect(() => integer(Buffer.from(bytes))).toThrow(RangeError);
    expect(time(NOW).subarray(2).toString()).toBe('261122100000Z');
    expect(time(Date.parse('2049-12-31T23:59:59Z')).subarray(2).toString()).toBe('491231235959Z');
    expect(time(Date.parse('2050-01-01T00:00:00Z')).toString('hex').slice(0, 4)).toBe('180f');
  });
});
