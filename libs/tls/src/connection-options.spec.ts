import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect, createSecureContext, type EphemeralKeyInfo, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Authority, CertificateFolder } from './certificates.fixture.js';
import { httpsServerOptions, sessionSeconds } from './connection-options.js';
import { keyExchange } from './key-exchange.js';
import { loadMaterial } from './material.js';
import { servedCertificate } from './served-certificate.js';

describe('the key exchange', () => {
  it('is post-quantum from OpenSSL 3.5 on', () => {
    expect(['1.1.1w', '3.0.19', '3.4.9'].map(keyExchange)).toEqual(Array.from({ length: 3 }, () => 'X25519:P-256'));
    for (const version of ['3.5.0', '3.6.5', '4.0.0']) expect(keyExchange(version)).toBe('X25519MLKEM768:X25519:P-256');
    expect(() => createSecureContext({ ecdhCurve: keyExchange(process.versions.openssl) })).not.toThrow();
  });
});

describe('the life of a database session', () => {
  const lasting = (seconds: number): number =>
    sessionSeconds({ notBefore: new Date(0), notAfter: new Date(seconds * 1_000) });

  it('is below a third of the certificate, and an hour at most', () => {
    expect(lasting(7 * 86_400)).toBe(3_600);
    expect(lasting(3_600)).toBe(1_199);
    expect(lasting(2)).toBe(1);
    for (let seconds = 6; seconds < 40_000; seconds += 17) expect(lasting(seconds)).toBeLessThan(seconds / 3);
  });
});

describe('a server of ours', () => {
  let folder: CertificateFolder;
  beforeAll(async () => void (folder = await CertificateFolder.create()));
  afterAll(() => folder.remove());

  it('shows its certificate to who asks, and agrees on the first group that both have', async () => {
    const [servers, clients] = [await Authority.create('servers root'), await Authority.create('clients root')];
    const files = await folder.write('https', await servers.issueServer(), clients);
    const material = await loadMaterial(files, 'server', Date.now());
    const server = createServer(httpsServerOptions(material));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      expect(await servedCertificate({ host: 'localhost', port })).toEqual(material.facts);
      const leaf = await clients.issue();
      const socket = connect({ host: 'localhost', port, ca: servers.pem, cert: leaf.cert, key: leaf.key });
      await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
      const { name } = socket.getEphemeralKeyInfo() as EphemeralKeyInfo;
      expect(keyExchange(process.versions.openssl)).toMatch(new RegExp(`^${name}`));
      await endOf(socket);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    await expect(servedCertificate({ host: 'localhost', port })).rejects.toThrow('ECONNREFUSED');
  });
});

function endOf(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()).destroy());
}
