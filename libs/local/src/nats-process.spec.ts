import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type ConnectionOptions } from '@nats-io/transport-node';
import { type CertificateFiles, DevPki } from '@everseal/pki';
import { startNatsServer } from './nats-process.js';
import { identify } from './process-identity.js';

const USER = 'spiffe://audit.example.com/svc/ingest/a';

let dir: string;
let pki: DevPki;
let server: CertificateFiles;
let known: CertificateFiles;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-nats-'));
  pki = await DevPki.open(path.join(dir, 'pki'));
  server = await pki.ensureServer('nats');
  known = await pki.ensureClient({ commonName: 'ingest-a', uri: USER });
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function config(listen = '127.0.0.1:-1'): string {
  return `
    listen: "${listen}"
    tls {
      cert_file: "${server.certFile}", key_file: "${server.keyFile}", ca_file: "${server.caFile}"
      verify_and_map: true, handshake_first: true, min_version: "1.3"
    }
    authorization { users: [ { user: "${USER}" } ] }
  `;
}

async function greet(port: number, tls: ConnectionOptions['tls']): Promise<string> {
  const connection = await connect({ servers: `localhost:${port}`, tls, reconnect: false, timeout: 3_000 });
  const user = connection.info?.tls_required ? 'over TLS' : 'in plaintext';
  await connection.close();
  return user;
}

const tlsOf = ({ certFile, keyFile, caFile }: CertificateFiles) => ({
  certFile,
  keyFile,
  caFile,
  handshakeFirst: true,
});

describe('startNatsServer', () => {
  it('serves the holder of a known certificate and nobody else, and leaves nothing behind', async () => {
    const nats = await startNatsServer({ dir: path.join(dir, 'a'), config: config() });
    try {
      expect(await greet(nats.port, tlsOf(known))).toBe('over TLS');
      const stranger = await pki.ensureClient({
        commonName: 'ingest-x',
        uri: 'spiffe://audit.example.com/svc/ingest/x',
      });
      await expect(greet(nats.port, tlsOf(stranger))).rejects.toThrow(/authorization violation/i);
      await expect(greet(nats.port, { caFile: server.caFile, handshakeFirst: true })).rejects.toThrow();
      await expect(greet(nats.port, null)).rejects.toThrow();
      const foreign = await DevPki.open(path.join(dir, 'foreign'));
      const forged = await foreign.ensureClient({ commonName: 'ingest-a', uri: USER });
      await expect(greet(nats.port, { ...tlsOf(forged), caFile: known.caFile })).rejects.toThrow(/unknown ca/i);
    } finally {
      await nats.stop();
    }
    expect(identify(nats.pid)).toBeNull();
    expect(readdirSync(path.join(dir, 'a')).sort()).toEqual(['nats-server.log', 'nats.conf']);
  });

  it('starts again at the same port and folder after kill -9', async () => {
    const folder = path.join(dir, 'b');
    const first = await startNatsServer({ dir: folder, config: config() });
    first.kill();
    await first.process.exited;
    const second = await startNatsServer({ dir: folder, config: config(`127.0.0.1:${first.port}`) });
    expect(second.port).toBe(first.port);
    await second.stop();
  });

  it('says in one line what is wrong with a config', async () => {
    const start = startNatsServer({ dir: path.join(dir, 'c'), config: 'listen: "127.0.0.1:-1"\nno_such_setting: 1\n' });
    await expect(start).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringMatching(/nats\.conf:2:.*no_such_setting/),
    });
    expect(existsSync(path.join(dir, 'c', 'nats-server.pid'))).toBe(false);
  });

  it('names a binary that is not there', async () => {
    const start = startNatsServer({ dir: path.join(dir, 'd'), config: config(), bin: path.join(dir, 'nothing') });
    await expect(start).rejects.toMatchObject({ code: 'binary-missing' });
  });
});
