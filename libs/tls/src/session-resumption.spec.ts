/**
 * A session that is resumed skips the client's certificate: Node takes one back whose certificate has expired meanwhile (the control
 * shows it). So no server of ours hands sessions out, on TLS 1.3 or 1.2.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect, type ConnectionOptions, type SecureVersion } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Authority, CertificateFolder, type Leaf } from './certificates.fixture.js';
import { httpsServerOptions, type HttpsServerOptions } from './connection-options.js';
import { loadMaterial, type Material } from './material.js';
import { publicServerOptions } from './public-server-options.js';

/** Long enough to connect with, on a machine that does other things as well. */
const LIFE_MS = 4_000;
const MOST_TRIES = 5;

let folder: CertificateFolder;
let clients: Authority;
let servers: Authority;
let material: Material;
beforeAll(async () => {
  folder = await CertificateFolder.create();
  clients = await Authority.create('clients root');
  servers = await Authority.create('servers root');
  const files = await folder.write('https', await servers.issueServer(), clients);
  material = await loadMaterial(files, 'server', Date.now());
});
afterAll(() => folder.remove());

interface Visit {
  answer: string;
  reused: boolean;
  /** Sessions that the server handed out. */
  sessions: Buffer[];
}

/** One request; `answer` is the status line, or why there is none. */
function visit(port: number, options: ConnectionOptions): Promise<Visit> {
  return new Promise((resolve) => {
    const seen: Visit = { answer: '', reused: false, sessions: [] };
    const socket = connect({ port, host: 'localhost', ca: servers.pem, ...options });
    socket.on('session', (session: Buffer) => seen.sessions.push(session));
    socket.on('secureConnect', () => {
      seen.reused = socket.isSessionReused();
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    });
    socket.on('data', (chunk: Buffer) => (seen.answer += chunk.toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => (seen.answer ||= error.code ?? error.message));
    socket.on('close', () => resolve({ ...seen, answer: seen.answer.split('\r\n')[0]! }));
  });
}

/** Comes with a certificate that lives for seconds, and again with the session of that visit once it has expired. */
async function comeAgain(port: number, maxVersion: SecureVersion): Promise<{ first: Visit; again: Visit }> {
  for (let tries = 1; ; tries++) {
    const notAfter = new Date(Date.now() + LIFE_MS);
    const leaf: Leaf = await clients.issue({ notAfter });
    const options = { cert: leaf.cert, key: leaf.key, maxVersion };
    const first = await visit(port, options);
    if (!first.answer.includes('200') && tries < MOST_TRIES) continue; // it had expired before it was shown
    while (Date.now() <= notAfter.getTime() + 1_000) await sleep(100);
    const session = first.sessions.at(-1);
    return { first, again: await visit(port, session === undefined ? options : { ...options, session }) };
  }
}

async function serving<T>(options: HttpsServerOptions, work: (port: number) => Promise<T>): Promise<T> {
  const server: Server = createServer(options, (_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await work((server.address() as AddressInfo).port);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

const operations = (): HttpsServerOptions => httpsServerOptions(material);
const api = (): HttpsServerOptions => publicServerOptions(material, { clients: 'certificate', tls12: true });

const without = (): HttpsServerOptions => ({ ...api(), secureOptions: 0 });
const PLACES = [
  ['the operations listener, TLS 1.3', operations, 'TLSv1.3'],
  ['the read API, TLS 1.3', api, 'TLSv1.3'],
  ['the read API, TLS 1.2', api, 'TLSv1.2'],
] as const;
const CONTROLS = [
  ['TLS 1.3', without, 'TLSv1.3'],
  ['TLS 1.2', without, 'TLSv1.2'],
] as const;

describe('a session whose client certificate has expired', () => {
  const visits = new Map<string, { first: Visit; again: Visit }>();
  // All at the same time: each waits until a certificate has expired.
  beforeAll(async () => {
    const all = [...PLACES, ...CONTROLS].map(async ([name, options, version]) => {
      visits.set(name, await serving(options(), (port) => comeAgain(port, version)));
    });
    await Promise.all(all);
  }, 120_000);

  it.each(PLACES)('is not resumed at %s', (...[name]) => {
    const { first, again } = visits.get(name)!;
    expect(first.answer).toBe('HTTP/1.1 200 OK');
    expect(again.reused).toBe(false);
    expect(again.answer).not.toContain('200');
  });

  it.each(CONTROLS)('control: is resumed where the server hands out tickets, %s', (...[name]) => {
    const { first, again } = visits.get(name)!;
    expect(first.answer).toBe('HTTP/1.1 200 OK');
    expect(again).toMatchObject({ reused: true, answer: 'HTTP/1.1 200 OK' });
  });
});
