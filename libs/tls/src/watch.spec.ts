import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Authority, CertificateFolder } from './certificates.fixture.js';
import { httpsServerOptions, natsTlsOptions, postgresTlsOptions } from './connection-options.js';
import type { Material, MaterialFiles } from './material.js';
import { TlsError } from './tls-error.js';
import { MaterialWatch } from './watch.js';

let folder: CertificateFolder;
let clients: Authority;
let servers: Authority;
let files: MaterialFiles;
let renewed: Material[];
let problems: Error[];

beforeAll(async () => {
  folder = await CertificateFolder.create();
  clients = await Authority.create('clients root');
  servers = await Authority.create('servers root');
});
afterAll(() => folder.remove());
beforeEach(async () => {
  files = await folder.write('client', await clients.issue(), servers);
  renewed = [];
  problems = [];
});

async function open(now: () => number = Date.now): Promise<MaterialWatch> {
  const watch = await MaterialWatch.open(files, 'client', now);
  watch.listen({
    onRenewed: (material) => void renewed.push(material),
    onProblem: (error) => void problems.push(error),
  });
  return watch;
}

const codes = () => problems.map((problem) => (problem instanceof TlsError ? problem.code : problem.message));

describe('MaterialWatch', () => {
  it('hands over a renewed pair once', async () => {
    const watch = await open();
    await watch.check();
    expect(renewed).toHaveLength(0);
    const leaf = await clients.issue();
    await folder.write('client', leaf, servers);
    await Promise.all([watch.check(), watch.check()]);
    await watch.check();
    expect(renewed.map((material) => material.facts.serial)).toEqual([leaf.serial]);
    expect(watch.current.facts.serial).toBe(leaf.serial);
  });

  it('keeps the old pair while only half of the new one is there, and says so once', async () => {
    const watch = await open();
    const before = watch.current;
    const leaf = await clients.issue();
    await writeFile(files.certFile, leaf.cert);
    await watch.check();
    await watch.check();
    expect(watch.current).toBe(before);
    expect(codes()).toEqual(['tls.key-mismatch']);
    await writeFile(files.keyFile, leaf.key);
    await watch.check();
    expect(watch.current.facts.serial).toBe(leaf.serial);
    expect(renewed).toHaveLength(1);
  });

  it('reports that the pair in use has expired, and takes the new one afterwards', async () => {
    let now = Date.now();
    const watch = await open(() => now);
    now += 8 * 86_400_000;
    await watch.check();
    await watch.check();
    expect(codes()).toEqual(['tls.expired']);
    const leaf = await clients.issue({ notAfter: new Date(now + 86_400_000) });
    await folder.write('client', leaf, servers);
    await watch.check();
    expect(watch.current.facts.serial).toBe(leaf.serial);
  });

  it('looks by itself once started, and not after stop', async () => {
    const watch = await open();
    const done = new Promise<void>((resolve) => watch.listen({ onRenewed: () => resolve(), onProblem: () => {} }));
    watch.start(5);
    await folder.write('client', await clients.issue(), servers);
    await done;
    watch.stop();
    await watch.check();
    expect(watch.current.facts.serial).toBe(renewed.at(-1)?.facts.serial);
  });

  it('goes on telling the others when one listener throws', async () => {
    const watch = await MaterialWatch.open(files, 'client', Date.now);
    const seen: string[] = [];
    watch.listen({
      onRenewed: () => {
        throw new Error('cannot reconnect');
      },
      onProblem: (error) => void seen.push(error.message),
    });
    watch.listen({ onRenewed: () => void seen.push('told'), onProblem: () => {} });
    await folder.write('client', await clients.issue(), servers);
    await watch.check();
    expect(seen).toEqual(['cannot reconnect', 'told']);
  });

  it('does not open with bad material', async () => {
    await writeFile(files.keyFile, (await clients.issue()).key);
    await expect(open()).rejects.toMatchObject({ code: 'tls.key-mismatch' });
  });
});

describe('connection options', () => {
  it('gives node-postgres an object whose copies are always the newest pair', async () => {
    const watch = await open();
    const ssl = postgresTlsOptions(() => watch.current);
    // What node-postgres does with it: makes `key` non-enumerable, then copies the rest for every connection.
    Object.defineProperty(ssl, 'key', { enumerable: false });
    const copy = () => ({ ...ssl, key: ssl.key });
    const first = copy();
    const leaf = await clients.issue();
    await folder.write('client', leaf, servers);
    await watch.check();
    expect(first.cert.toString()).not.toBe(leaf.cert);
    expect(copy()).toMatchObject({ minVersion: 'TLSv1.3', rejectUnauthorized: true });
    expect(copy().cert.toString()).toBe(leaf.cert);
    expect(copy().key.toString()).toBe(leaf.key);
  });

  it('gives nats.js paths, and refuses to go without an authority', () => {
    expect(natsTlsOptions(files)).toMatchObject({ ...files, handshakeFirst: true, minVersion: 'TLSv1.3' });
    expect(() => natsTlsOptions({ certFile: 'a', keyFile: 'b' })).toThrow('no caFile');
  });
});

describe('an HTTPS server over a renewal', () => {
  let server: Server;
  let port: number;
  let serverFiles: MaterialFiles;
  let watch: MaterialWatch;

  beforeEach(async () => {
    serverFiles = await folder.write('https', await servers.issueServer(), clients);
    watch = await MaterialWatch.open(serverFiles, 'server', Date.now);
    server = createServer(httpsServerOptions(watch.current), (_request, response) => response.end('ok'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  /** The serial number the server shows, or the error that ends the connection before it answers. */
  function serialServed(options: ConnectionOptions = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: 'localhost', ca: servers.pem, ...options });
      socket.once('error', reject);
      socket.once('secureConnect', () => {
        const { serialNumber } = socket.getPeerCertificate();
        // A TLS 1.3 server refuses a client's certificate only after the client's side of the handshake is done, so
        // wait for an answer to be sure that it was let in.
        socket.once('data', () => {
          resolve(serialNumber);
          socket.destroy();
        });
        socket.once('close', () => reject(new Error('closed without an answer')));
        socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      });
    });
  }

  it('serves the new certificate and still lets nothing in that it refused before', async () => {
    const leaf = await clients.issue();
    const ours = { cert: leaf.cert, key: leaf.key };
    expect(await serialServed(ours)).toBe(watch.current.facts.serial);
    const next = await servers.issueServer();
    watch.listen({
      onRenewed: (material) => server.setSecureContext(httpsServerOptions(material)),
      onProblem: (error) => problems.push(error),
    });
    await folder.write('https', next, clients);
    await watch.check();
    expect(await serialServed(ours)).toBe(next.serial);
    await expect(serialServed()).rejects.toThrow();
    await expect(serialServed({ ...ours, maxVersion: 'TLSv1.2' })).rejects.toThrow();
    expect(problems).toEqual([]);
  });

  it('control: a reload without the full set lets TLS 1.2 in', async () => {
    const leaf = await clients.issue();
    const { cert, key, ca } = watch.current;
    server.setSecureContext({ cert, key, ca });
    await expect(serialServed({ cert: leaf.cert, key: leaf.key, maxVersion: 'TLSv1.2' })).resolves.toBe(
      watch.current.facts.serial,
    );
  });
});
