/**
 * Tamper act T28: TLS that is made weaker, a certificate of another issuer, one that lapses. Each act is done for real to a
 * server that is scanned over the network, and cleared when it is undone. The control of every act is the look before it, and
 * the same act at an endpoint that nobody watches.
 */
import { createServer, type Server, type ServerOptions } from 'node:https';
import { constants } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DER_TAG, writeDer, type EndpointPosture } from '@everseal/audit-core';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { parseEndpoint, type ClientIdentity } from '@everseal/tls-posture';
import { WrongAuthority, type Identity } from '../../../libs/tls-posture/src/wrong-certificates.fixture.js';
import { SpecBook } from './alert-book.fixture.js';
import { PostureGuard, type PostureGuardOptions, type WatchedEndpoint } from './posture-guard.js';
import { PostureMemory } from './posture-memory.js';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;
const EVERY = HOUR;
const GRACE = 120 * SECOND;
const AEAD = 'ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256';
const WEAK = ':@SECLEVEL=0';
const URI = 'spiffe://audit.example.com/svc/verifier/v1';

let folder: TemporaryFolder;
let root: WrongAuthority;
let other: WrongAuthority;
let clients: WrongAuthority;
let own: ClientIdentity;
let leaf: Identity;
let server: SpecServer;
let alerts: SpecBook;
/** How far this verifier's clocks are ahead, milliseconds. */
let off: { day: number; steady: number };
let sealed: Buffer[];

/** An HTTPS server that wants certificates; it can be started anew, at its port, with other options. */
class SpecServer {
  private running: Server | null = null;
  private readonly sockets = new Set<Socket>();
  private port = 0;

  get url(): string {
    return `https+mtls://localhost:${this.port}`;
  }

  async start(options: ServerOptions = {}): Promise<void> {
    await this.stop();
    const good = { ...leaf, ca: clients.pem, requestCert: true, rejectUnauthorized: true, ciphers: AEAD };
    const safe = { minVersion: 'TLSv1.3', secureOptions: constants.SSL_OP_NO_TICKET } as const;
    const fresh = createServer({ ...good, ...safe, ...options }, (_, response) => response.end());
    fresh
      .on('tlsClientError', () => undefined)
      .on('connection', (socket: Socket) => {
        this.sockets.add(socket);
        socket.on('close', () => this.sockets.delete(socket)).on('error', () => undefined);
      });
    await new Promise<void>((resolve) => fresh.listen(this.port, 'localhost', resolve));
    this.port = (fresh.address() as AddressInfo).port;
    this.running = fresh;
  }

  async stop(): Promise<void> {
    const { running } = this;
    this.running = null;
    for (const socket of this.sockets) socket.destroy();
    if (running) await new Promise((resolve) => running.close(resolve));
  }
}

beforeAll(async () => {
  [root, other, clients] = (await Promise.all(
    ['servers', 'others', 'clients'].map((name) => WrongAuthority.root(name)),
  )) as [WrongAuthority, WrongAuthority, WrongAuthority];
  own = await clients.issue({ commonName: 'verifier-v1', uri: URI, dns: [], purposes: ['client'] });
});
beforeEach(async () => {
  folder = temporaryFolder('posture');
  alerts = new SpecBook();
  off = { day: 0, steady: 0 };
  sealed = [];
  leaf = await root.issue();
  server = new SpecServer();
  await server.start();
  write('roots.pem', root.pem);
  write('server.pem', leaf.cert);
});
afterEach(async () => {
  await server.stop();
  alerts.remove();
  folder.remove();
});

const file = (name: string): string => path.join(folder.path, name);
const write = (name: string, content: string): void => writeFileSync(file(name), content);

function watched(more: Partial<WatchedEndpoint> = {}, url = server.url): WatchedEndpoint {
  const files = { certFile: null, caFile: file('roots.pem') };
  return { endpoint: parseEndpoint(url), service: null, pins: [], identity: () => own, ...files, ...more };
}

function guard(options: Partial<PostureGuardOptions> = {}): PostureGuard {
  return new PostureGuard(alerts.book, new PostureMemory(file('posture.json')), {
    domain: 'audit.example.com',
    verifier: 'v1',
    endpoints: [watched()],
    certFiles: [],
    revocationLists: [],
    minimum: 'A',
    everyMs: EVERY,
    firstAfterMs: 0,
    graceMs: GRACE,
    patienceMs: 20_000,
    claims: { commonName: 'verifier-v1', uri: URI },
    now: () => Date.now() + off.day,
    steady: () => off.steady,
    random: () => 0.5,
    newId: () => `id-${sealed.length}`,
    seal: (event) => sealed.push(event) > 0,
    ledgers: [{ origin: 'audit.example.com/main', memory: () => ({ size: 4_711, height: 12 }) }],
    ...options,
  });
}

/** Codes that stand after a scan of everything. */
async function scanned(watching: PostureGuard): Promise<string[]> {
  watching.rescan();
  await watching.look();
  return alerts.open;
}

/** Codes that stand after so much time. */
async function after(watching: PostureGuard, ms: number): Promise<string[]> {
  off.steady += ms;
  off.day += ms;
  await watching.look();
  return alerts.open;
}

interface WrittenPosture {
  id: string;
  data: { outcome: string; ledgers: unknown[]; endpoints: EndpointPosture[] };
}

const written = (): WrittenPosture[] => sealed.map((event) => JSON.parse(event.toString()) as WrittenPosture);

describe('T28: TLS that is made weaker', () => {
  const acts: [string, () => Promise<ServerOptions>, string][] = [
    [
      'TLS 1.1 is allowed',
      () => Promise.resolve({ minVersion: 'TLSv1.1', ciphers: `${AEAD}:ECDHE-ECDSA-AES128-SHA${WEAK}` }),
      'protocol.tls11',
    ],
    [
      'a suite with CBC is allowed',
      () => Promise.resolve({ minVersion: 'TLSv1.2', ciphers: `${AEAD}:ECDHE-ECDSA-AES128-SHA` }),
      'suite.cbc',
    ],
    ['another issuer than the trusted one', () => other.issue(), 'certificate.incomplete'],
    ['a certificate for another host', () => root.issue({ dns: ['elsewhere.example.com'] }), 'certificate.name'],
    ['clients without a certificate come in', () => Promise.resolve({ rejectUnauthorized: false }), 'clients.nobody'],
  ];
  it.each(acts)('T28: %s: raises tls.posture and nothing else, until it is undone', async (_, act, finding) => {
    const watching = guard();
    expect(await scanned(watching)).toEqual([]);
    await server.start(await act());
    expect(new Set(await scanned(watching))).toEqual(new Set(['tls.posture']));
    const raised = (await alerts.sent()).filter(({ state }) => state === 'raised');
    expect(raised.map(({ found }) => found)).toContainEqual(expect.stringContaining(finding));
    for (const { detail, ledger } of raised) {
      expect(detail).toContain(server.url);
      expect(ledger).toBe('audit.example.com');
    }
    await scanned(watching);
    expect((await alerts.sent()).filter(({ state }) => state === 'raised')).toHaveLength(raised.length);
    await server.start();
    expect(await scanned(watching)).toEqual([]);
  });

  it.each(acts)('T28: %s: control, where nobody watches the endpoint nothing is found', async (_, act) => {
    await server.start(await act());
    expect(await scanned(guard({ endpoints: [] }))).toEqual([]);
  });

  it('T28: what is still good enough is said once, and stands until somebody has looked into it', async () => {
    const watching = guard({ minimum: 'A-' });
    expect(await scanned(watching)).toEqual([]);
    await server.start({ minVersion: 'TLSv1.2', ciphers: `${AEAD}:ECDHE-ECDSA-AES128-SHA` });
    expect(await scanned(watching)).toEqual(['tls.posture']);
    expect((await alerts.lastRaised()).detail).toContain(
      'weaker than before: a suite without authenticated encryption',
    );
    await server.start();
    expect(await scanned(watching)).toEqual(['tls.posture']);
    expect(await scanned(guard({ minimum: 'A-' }))).toEqual(['tls.posture']);
    expect(alerts.book.open[0]).toMatchObject({ stands: true });
  });
});

describe('T28: a certificate', () => {
  it('T28: that nears its end raises tls.expiry, at each stage one, until it is renewed', async () => {
    // Valid for 8 days, of which one is over.
    const watching = guard({ endpoints: [watched()] });
    expect(await scanned(watching)).toEqual([]);
    expect(await after(watching, 4 * DAY)).toEqual([]);
    expect(await after(watching, DAY + HOUR)).toEqual(['tls.expiry']);
    expect((await alerts.lastRaised()).found).toBe('less than a quarter of its lifetime is left');
    expect(await after(watching, DAY)).toEqual(['tls.expiry']);
    expect((await alerts.lastRaised()).found).toBe('less than a sixth of its lifetime is left');
    expect(await after(watching, DAY)).toEqual(['tls.expiry']);
    expect(await alerts.lastRaised()).toMatchObject({
      found: 'lapsed',
      detail: expect.stringContaining(`CN=localhost`),
    });
    // The clock is ours alone: for OpenSSL, which checks the client's, it is still today.
    await server.start(await root.issue({ to: 30 }));
    expect(await scanned(watching)).toEqual([]);
  });

  it('T28: of our own, and a root, are watched in their files', async () => {
    write('own.pem', String(own.cert));
    const watching = guard({ endpoints: [], certFiles: [file('own.pem'), file('roots.pem')] });
    expect(await scanned(watching)).toEqual([]);
    expect(await after(watching, 6 * DAY)).toEqual(['tls.expiry']);
    expect((await alerts.lastRaised()).detail).toContain(file('own.pem'));
    expect(await after(watching, 3_500 * DAY)).toEqual(['tls.expiry', 'tls.expiry']);
    rmSync(file('own.pem'));
    expect((await scanned(watching)).toSorted()).toEqual(['tls.expiry', 'tls.posture']);
  });

  it('of another trusted issuer stands as a record, unless it is the one in the files', async () => {
    write('roots.pem', `${root.pem}${other.pem}`);
    const [open, known] = [guard(), guard({ endpoints: [watched({ certFile: file('server.pem') })] })];
    expect(await scanned(open)).toEqual([]);
    const next = await other.issue();
    await server.start(next);
    write('server.pem', next.cert);
    expect(await scanned(known)).toEqual([]);

    await server.start();
    write('server.pem', leaf.cert);
    expect(await scanned(known)).toEqual([]);
    await server.start(next);
    expect(await scanned(open)).toEqual(['tls.posture']);
    expect((await alerts.lastRaised()).detail).toContain('another issuer than before: CN=others');
    expect(alerts.book.open[0]).toMatchObject({ stands: true });
  });

  it('of which two services have the key', async () => {
    const second = new SpecServer();
    await second.start();
    const both = (name: string): WatchedEndpoint[] => [
      watched({ service: 'reader-r1' }),
      watched({ service: name }, second.url),
    ];
    expect(await scanned(guard({ endpoints: both('reader-r1') }))).toEqual([]);
    const watching = guard({ endpoints: both('postgres') });
    expect(await scanned(watching)).toEqual(['tls.posture']);
    expect((await alerts.lastRaised()).detail).toBe('postgres, reader-r1 serve with one and the same key');
    await second.start(await root.issue());
    expect(await scanned(watching)).toEqual([]);
    await second.stop();
  });
});

describe('a renewal', () => {
  it('is looked at at once, and is no alarm while the server has time to take it up', async () => {
    const watching = guard({ endpoints: [watched({ certFile: file('server.pem') })] });
    expect(await scanned(watching)).toEqual([]);
    const renewed = await root.issue();
    write('server.pem', renewed.cert);
    expect(await after(watching, SECOND)).toEqual([]);
    expect(written().at(-1)?.data.endpoints[0]?.findings).toContain('certificate.stale');
    await server.start(renewed);
    expect(await after(watching, SECOND)).toEqual([]);
    expect(await after(watching, 2 * GRACE)).toEqual([]);
    expect(await alerts.sent()).toEqual([]);
  });

  it('that the server does not take up is tls.posture, until it does', async () => {
    const watching = guard({ endpoints: [watched({ certFile: file('server.pem') })] });
    await scanned(watching);
    const renewed = await root.issue();
    write('server.pem', renewed.cert);
    expect(await after(watching, SECOND)).toEqual([]);
    expect(await after(watching, GRACE)).toEqual(['tls.posture']);
    expect((await alerts.lastRaised()).found).toContain('certificate.stale');
    await server.start(renewed);
    expect(await after(watching, SECOND)).toEqual([]);
  });
});

describe('an endpoint that is away', () => {
  it('for the time of a restart is no alarm', async () => {
    const watching = guard();
    expect(await scanned(watching)).toEqual([]);
    await server.stop();
    expect(await scanned(watching)).toEqual([]);
    expect(await after(watching, GRACE - 1)).toEqual([]);
    await server.start();
    expect(await after(watching, SECOND)).toEqual([]);
    expect(await after(watching, 2 * GRACE)).toEqual([]);
    expect(await alerts.sent()).toEqual([]);
  });

  it('for longer is tls.posture, and clears nothing else', async () => {
    const watching = guard();
    await server.start({ minVersion: 'TLSv1.2', ciphers: `${AEAD}:ECDHE-ECDSA-AES128-SHA` });
    expect(await scanned(watching)).toEqual(['tls.posture']);
    await server.stop();
    await scanned(watching);
    expect(await after(watching, GRACE)).toEqual(['tls.posture', 'tls.posture']);
    expect((await alerts.lastRaised()).found).toContain('endpoint.unreachable');
    await server.start();
    expect(await after(watching, SECOND)).toEqual([]);
  });
});

describe('a revocation list', () => {
  it('that is near its end by the rule of certificates, or cannot be read, is tls.expiry', async () => {
    const watching = guard({ endpoints: [], revocationLists: [file('clients.crl')] });
    const times = ['261129000000Z', '261206000000Z'].map((text) => writeDer(DER_TAG.utcTime, Buffer.from(text)));
    const names = [writeDer(DER_TAG.sequence), writeDer(DER_TAG.sequence)];
    const list = writeDer(DER_TAG.sequence, writeDer(DER_TAG.sequence, ...names, ...times));
    const endless = writeDer(DER_TAG.sequence, writeDer(DER_TAG.sequence, ...names, times[0]!));
    const pem = (der: Buffer): string =>
      `-----BEGIN X509 CRL-----\n${der.toString('base64')}\n-----END X509 CRL-----\n`;
    // As Postgres wants it: one for each authority of a chain.
    writeFileSync(file('clients.crl'), pem(endless) + pem(list));
    off.day = Date.UTC(2026, 11, 4) - Date.now();
    expect(await scanned(watching)).toEqual([]);
    expect(await after(watching, DAY + HOUR)).toEqual(['tls.expiry']);
    expect((await alerts.lastRaised()).detail).toContain('less than a sixth of its lifetime is left');
    off.day += DAY;
    expect(await after(watching, SECOND)).toEqual(['tls.expiry']);
    expect((await alerts.lastRaised()).detail).toContain('lapsed');
    writeFileSync(file('clients.crl'), 'no list');
    expect(await after(watching, SECOND)).toEqual(['tls.expiry']);
    expect((await alerts.lastRaised()).detail).toContain('cannot be read');
  });
});

describe('when', () => {
  it('it is due, give or take a fifth, when a file changes, and when somebody asks', async () => {
    const watching = guard({ firstAfterMs: 60 * SECOND });
    await after(watching, 59 * SECOND);
    expect(sealed).toHaveLength(0);
    await after(watching, SECOND);
    expect(sealed).toHaveLength(1);
    await after(watching, EVERY - SECOND);
    expect(sealed).toHaveLength(1);
    await after(watching, SECOND);
    expect(sealed).toHaveLength(2);
    write('roots.pem', `${root.pem}${other.pem}`);
    await after(watching, SECOND);
    expect(sealed).toHaveLength(3);
    await scanned(watching);
    expect(sealed).toHaveLength(4);
    for (const [random, at] of [
      [0, 0.8],
      [1, 1.2],
    ] as const) {
      const jittered = guard({ random: () => random, firstAfterMs: 0 });
      await jittered.look();
      const before = sealed.length;
      await after(jittered, EVERY * at - SECOND);
      expect(sealed).toHaveLength(before);
      await after(jittered, 2 * SECOND);
      expect(sealed).toHaveLength(before + 1);
    }
  });
});

describe('what is written down', () => {
  it('is every endpoint, and how far each ledger was', async () => {
    await scanned(guard());
    const [event] = written();
    expect(event!.data).toMatchObject({
      outcome: expect.stringMatching(/^A/),
      ledgers: [{ origin: 'audit.example.com/main', entries: 4_711, block: 12 }],
      endpoints: [
        {
          url: server.url,
          protocols: ['TLS 1.3'],
          suites: ['TLS_AES_128_GCM_SHA256'],
          certificate: { fingerprint: leaf.fingerprint, issuer: 'CN=servers' },
          clients: { nobody: 'refused', stranger: 'refused', plaintext: 'refused' },
        },
      ],
    });
  });

  it('waits while the system ledger takes nothing, and goes there once', async () => {
    let takes = false;
    const watching = guard({ seal: (event) => takes && sealed.push(event) > 0 });
    await scanned(watching);
    expect(sealed).toHaveLength(0);
    takes = true;
    await watching.look();
    await watching.look();
    expect(sealed).toHaveLength(1);
  });

  it('is a partial scan as well, when it is not as before', async () => {
    const watching = guard();
    await scanned(watching);
    await server.stop();
    await scanned(watching);
    expect(written().map(({ data }) => data.outcome.charAt(0))).toEqual(['A', 'F']);
    await after(watching, SECOND);
    expect(sealed).toHaveLength(2);
    await server.start();
    await after(watching, SECOND);
    expect(written().at(-1)?.data.endpoints).toMatchObject([{ url: server.url, protocols: ['TLS 1.3'] }]);
    await after(watching, SECOND);
    expect(sealed).toHaveLength(3);
  });
});
