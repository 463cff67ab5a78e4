/** The engine is an HTTPS server here: what counts is what it shows in a handshake. The real ones are in test/system/certificates.spec.ts. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DevPki, type CertificateFiles } from '@everseal/pki';
import { servedCertificate } from '@everseal/tls';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { EngineCertificate } from './engine-certificate.js';
import { waitUntil } from './wait-until.js';

let folder: TemporaryFolder;
let files: CertificateFiles;
let server: Server;
let said: string[];
let kept: EngineCertificate | undefined;
beforeEach(async () => {
  folder = temporaryFolder('engine-certificate');
  files = await renew();
  said = [];
  server = createServer(contents());
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
});
afterEach(async () => {
  kept?.stop();
  await new Promise((resolve) => server.close(resolve));
  folder.remove();
});

const port = (): number => (server.address() as AddressInfo).port;
const contents = () => ({ cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) });
const served = async (): Promise<string> => (await servedCertificate({ host: 'localhost', port: port() })).serial;

async function renew(): Promise<CertificateFiles> {
  const pki = await DevPki.open(path.join(folder.path, 'pki'), Date.now, { leastLeft: 1, newKeys: true });
  return pki.ensureServer('engine');
}

async function keep(reload: () => void, withinMs?: number): Promise<EngineCertificate> {
  const plan = { name: 'engine', files, port: port(), reload, say: (line: string) => void said.push(line) };
  kept = await EngineCertificate.watch({ ...plan, ...(withinMs === undefined ? {} : { withinMs }) });
  return kept;
}

describe('the certificate of an engine', () => {
  it('is handed over when it was renewed, and again where the engine did not take it at first', async () => {
    let calls = 0;
    const certificate = await keep(() => {
      calls++;
      if (calls === 1) throw new Error('caught in the middle of a renewal');
      if (calls > 2) server.setSecureContext(contents());
    });
    const before = await served();
    await renew();
    await certificate.take();
    expect(await served()).not.toBe(before);
    expect(calls).toBeGreaterThanOrEqual(3);
  }, 60_000);

  it('is handed over when somebody else has renewed it', async () => {
    await keep(() => server.setSecureContext(contents()));
    const before = await served();
    await renew();
    await waitUntil(async () => (await served()) !== before, { what: 'the renewed certificate', timeoutMs: 60_000 });
    expect(said).toEqual([]);
  }, 90_000);

  it('control: is missed where the engine goes on with the old one and only its log knows', async () => {
    const certificate = await keep(() => {}, 1);
    await renew();
    await expect(certificate.take()).rejects.toMatchObject({
      code: 'not-renewed',
      message: expect.stringContaining('engine does not serve its renewed certificate'),
    });
    expect(said.join()).toContain('engine does not serve its renewed certificate');
  }, 60_000);
});
