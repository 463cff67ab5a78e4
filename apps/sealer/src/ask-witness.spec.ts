import { createServer, type Server, type ServerOptions } from 'node:https';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  alertKeyName,
  COSIGNATURE_KEY,
  cosign,
  judgeAddCheckpoint,
  openAlert,
  parseAddCheckpoint,
  parseNote,
  readWitnessRequest,
  type SignatureLine,
  type WitnessedHead,
} from '@everseal/audit-core';
import { AlertBook, RetryLater } from '@everseal/process';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { loadMaterial } from '@everseal/tls';
import { ForeignLog } from '../../../libs/audit-core/src/foreign-log.fixture.js';
import { DOMAIN, testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { Authority, CertificateFolder } from '../../../libs/tls/src/certificates.fixture.js';
import { AskWitness, type WitnessedCheckpoint } from './ask-witness.js';
import { WitnessConnection, type WitnessTls } from './witness-connection.js';

const NOW = Date.UTC(2026, 5, 1);
const EVERY_MS = 10_000;
const OVERDUE_MS = 60_000;
const log = ForeignLog.of('audit.example.com/main', 20);
const fork = log.forked(3);
const key = testKey('north.example.org/w', COSIGNATURE_KEY);
const ALERT_KEY = testKey(alertKeyName(DOMAIN, 'sealer', 's1'));

let authority: Authority;
let certificates: CertificateFolder;
let folder: TemporaryFolder;
let server: Server;
let answer: RequestListener;
let requests: { old: number; size: number }[];
let sockets: Set<Duplex>;
const connections: WitnessConnection[] = [];

beforeAll(async () => {
  authority = await Authority.create('servers');
  certificates = await CertificateFolder.create();
  await certificates.put('roots.crt', authority.pem);
  const { cert, key: private_ } = await authority.issueServer();
  server = createServer({ cert, key: private_ }, (request, response) => answer(request, response));
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await certificates.remove();
});
beforeEach(() => {
  folder = temporaryFolder('ask');
  requests = [];
  sockets = new Set();
});
afterEach(() => {
  connections.splice(0).forEach((connection) => connection.close());
  folder.remove();
});

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Answers every request alike. */
function always(
  status: number,
  body: string | Buffer | ((note: string) => string),
  type = 'text/plain',
): RequestListener {
  return async (request, response) => {
    const { old, checkpoint } = parseAddCheckpoint(await bodyOf(request));
    requests.push({ old, size: Number(checkpoint.split('\n')[1]) });
    response.writeHead(status, { 'Content-Type': type });
    response.end(typeof body === 'function' ? body(checkpoint) : body);
  };
}

const signed =
  (seconds = NOW / 1_000, by = key) =>
  (note: string) =>
    `${cosign(parseNote(note).text, by, seconds)}\n`;

/** A witness by the book, with what it has cosigned so far. */
function honest(latest: WitnessedHead | null = null): RequestListener {
  const known = { origin: log.origin, keys: [log.verifier] };
  return async (request: IncomingMessage, response: ServerResponse) => {
    const read = readWitnessRequest(await bodyOf(request));
    if ('status' in read) throw new Error(read.body);
    const { old, checkpoint } = read.request;
    requests.push({ old, size: Number(checkpoint.split('\n')[1]) });
    const judged = judgeAddCheckpoint(read.request, known, latest);
    if (judged.status === 200) latest = judged.checkpoint;
    response.writeHead(judged.status, { 'Content-Type': judged.status === 409 ? 'text/x.tlog.size' : 'text/plain' });
    response.end(judged.status === 200 ? signed()(checkpoint) : judged.body);
  };
}

/** Asks on behalf of a log. */
class Asking {
  readonly stored: { size: number; line: SignatureLine }[] = [];
  readonly alerts: AlertBook;
  readonly sent: Buffer[] = [];
  steady = 0;
  readonly witness: AskWitness;

  constructor(
    readonly of = log,
    tls: Partial<WitnessTls> = {},
    timeoutMs = 20_000,
  ) {
    const file = path.join(folder.path, 'alerts.json');
    this.alerts = new AlertBook(
      file,
      `${DOMAIN}/sealer/s1`,
      ALERT_KEY,
      () => NOW,
      async (_, message) => {
        this.sent.push(message);
        return true;
      },
    );
    const url = `https://localhost:${(server.address() as AddressInfo).port}/w`;
    const trust = { caFile: path.join(certificates.path, 'roots.crt'), identity: () => null, tls12: false, ...tls };
    const connection = new WitnessConnection(url, trust, timeoutMs);
    connections.push(connection);
    this.witness = new AskWitness({
      origin: log.origin,
      place: { name: 'north', url, keys: [key.verifier] },
      send: (body) => connection.addCheckpoint(body),
      store: async (size, line) => void this.stored.push({ size, line }),
      alerts: this.alerts,
      log: { info: () => {}, warn: () => {}, error: () => {} },
      now: () => NOW,
      steady: () => this.steady,
      everyMs: EVERY_MS,
      overdueMs: OVERDUE_MS,
    });
  }

  checkpoint(size: number): WitnessedCheckpoint {
    return { size, note: this.of.checkpoint(size), prove: async (old) => this.of.proof(old, size) };
  }

  /** A round about the checkpoint of this size, after the pause that is due. */
  async ask(size: number, longest = size): Promise<void> {
    this.steady += EVERY_MS;
    await this.witness.round(this.checkpoint(size), longest);
  }

  get open(): string[] {
    return this.alerts.open.map(({ code }) => code);
  }
}

describe('a witness that is asked', () => {
  it('is asked from the size that it names itself, and then from the one that it cosigned', async () => {
    answer = honest({ size: 5, root: log.root(5) });
    const asking = new Asking();
    await asking.ask(8);
    expect(requests).toEqual([
      { old: 0, size: 8 },
      { old: 5, size: 8 },
    ]);
    await asking.ask(12);
    expect(requests.slice(2)).toEqual([{ old: 8, size: 12 }]);
    expect(asking.stored.map(({ size, line }) => [size, line.name])).toEqual([
      [8, key.name],
      [12, key.name],
    ]);
    expect(asking.witness.record).toEqual({ size: 12, at: NOW, overdue: false, failures: 0 });
  });

  it('is asked once about a checkpoint that it cosigned, and again after a while about one that it did not', async () => {
    answer = honest();
    const asking = new Asking();
    await asking.ask(8);
    await asking.ask(8);
    expect(requests).toHaveLength(1);
    answer = always(503, '');
    await asking.ask(9);
    await asking.witness.round(asking.checkpoint(9), 9);
    expect(requests).toHaveLength(2);
    answer = honest({ size: 8, root: log.root(8) });
    await asking.ask(9);
    expect(asking.stored.map(({ size }) => size)).toEqual([8, 9]);
  });

  it('that has the checkpoint already signs it again, as after a restart of ours', async () => {
    answer = honest({ size: 8, root: log.root(8) });
    const asking = new Asking();
    await asking.ask(8);
    expect(requests).toEqual([
      { old: 0, size: 8 },
      { old: 8, size: 8 },
    ]);
    expect(asking.stored).toHaveLength(1);
  });

  it('is asked on one connection, and on a new one where that broke while it was idle', async () => {
    answer = honest();
    const asking = new Asking();
    await asking.ask(5);
    await asking.ask(6);
    expect(sockets.size).toBe(1);
    const [socket] = sockets;
    const closed = new Promise((resolve) => socket!.once('close', resolve));
    socket!.destroy();
    await closed;
    await asking.ask(7);
    expect(asking.stored.map(({ size }) => size)).toEqual([5, 6, 7]);
  });
});

describe('an answer that is none', () => {
  const later = 'x'.repeat(200_000);
  it.each<[string, RequestListener, number]>([
    ['400', always(400, 'malformed\n'), 1],
    ['403', always(403, 'unknown log\n'), 1],
    ['404', always(404, ''), 1],
    ['409 with words', always(409, 'conflict'), 1],
    ['409 with the size that was sent', always(409, '0\n', 'text/x.tlog.size'), 1],
    ['409 with another size each time', alternately(4, 5), 3],
    ['429', always(429, '', 'text/plain'), 1],
    ['500', always(500, '<html>'), 1],
    ['a redirect', always(307, ''), 1],
    [
      'a change of the protocol',
      (_, response) => void response.writeHead(101, { Connection: 'upgrade', Upgrade: 'tlog' }).end(),
      0,
    ],
    ['200 without a line', always(200, ''), 1],
    ['200 with a page', always(200, '<html>'), 1],
    ['a cosignature of something else', always(200, () => signed()(log.checkpoint(7))), 1],
    [
      'a cosignature by a stranger',
      always(200, (note) => signed(NOW / 1_000, testKey('x/w', COSIGNATURE_KEY))(note)),
      1,
    ],
    ['a cosignature from an hour ago', always(200, (note) => signed(NOW / 1_000 - 3_600)(note)), 1],
    ['an answer without end', always(200, later), 1],
    ['a connection that is cut', (request) => void request.socket.destroy(), 0],
  ])(
    '%s: nothing is stored, and it is overdue after a while; an honest answer clears that',
    async (_, listener, sent) => {
      answer = listener;
      const asking = new Asking();
      await asking.ask(8);
      expect(requests).toHaveLength(sent);
      expect([asking.stored, asking.open]).toEqual([[], []]);
      asking.steady += OVERDUE_MS;
      await asking.ask(9);
      expect([asking.stored, asking.open]).toEqual([[], ['witness.overdue']]);
      expect(asking.witness.record).toMatchObject({ size: 0, overdue: true });
      answer = honest();
      await asking.ask(9);
      expect(asking.open).toEqual([]);
      expect(asking.stored).toHaveLength(1);
    },
  );

  it('keeps it overdue over a restart of ours, until it cosigns or another asks it', async () => {
    answer = always(503, '');
    const before = new Asking();
    await before.ask(8);
    before.steady += OVERDUE_MS;
    await before.ask(8);
    expect(before.open).toEqual(['witness.overdue']);
    const after = new Asking();
    await after.ask(8);
    expect([after.open, after.witness.record.overdue]).toEqual([['witness.overdue'], true]);
    answer = honest();
    await after.ask(8);
    expect(after.open).toEqual([]);
    // Control: a sealer that begins anew has nothing to be overdue.
    answer = always(503, '');
    await after.ask(9);
    expect(after.open).toEqual([]);
    after.steady += OVERDUE_MS;
    await after.ask(9);
    const standby = new Asking();
    standby.witness.idle();
    expect(standby.open).toEqual([]);
  });

  it('is one that does not come in time', async () => {
    answer = () => {};
    const asking = new Asking(log, {}, 300);
    await asking.ask(8);
    expect(asking.witness.record.failures).toBe(1);
    answer = honest();
    await asking.ask(8);
    expect(asking.stored).toHaveLength(1);
  });

  it('is one that is not waited for when we stop', async () => {
    const asked = new Promise<void>((resolve) => (answer = () => resolve()));
    const asking = new Asking(log, {}, 1_000_000);
    const round = asking.ask(8);
    await asked;
    connections.forEach((connection) => connection.close());
    await round;
    expect(asking.witness.record.failures).toBe(1);
  });

  it('is a proof that we cannot make: the loop tries again, and says nothing about the witness', async () => {
    answer = honest({ size: 5, root: log.root(5) });
    const asking = new Asking();
    const prove = (): Promise<never> => Promise.reject(new RetryLater('proof.broken', 'tiles'));
    await expect(asking.witness.round({ ...asking.checkpoint(8), prove }, 8)).rejects.toMatchObject({ fate: 'retry' });
    expect(asking.open).toEqual([]);
  });
});

function alternately(...sizes: number[]): RequestListener {
  let next = 0;
  return (request, response) => {
    always(409, `${sizes[next++ % sizes.length]}\n`, 'text/x.tlog.size')(request, response);
  };
}

describe('a witness that knows another history', () => {
  it.each<[string, ForeignLog, number, RequestListener]>([
    ['refuses the proof', fork, 8, honest({ size: 5, root: log.root(5) })],
    ['has another root of the same size', fork, 8, honest({ size: 8, root: log.root(8) })],
    ['says so with a size', fork, 8, always(409, '8\n', 'text/x.tlog.size')],
    ['has more than the log ever had', log, 8, honest({ size: 12, root: log.root(12) })],
  ])('%s: an alert with the request and the answer, until somebody acknowledges it', async (_, of, size, listener) => {
    answer = listener;
    const asking = new Asking(of);
    await asking.ask(size);
    expect(asking.open).toEqual(['witness.dissent']);
    expect(asking.stored).toEqual([]);
    await asking.alerts.flush();
    const { json } = openAlert(asking.sent[0]!, [ALERT_KEY.verifier]);
    const alert = JSON.parse(json.toString()) as { evidence: Record<string, string>; stands: boolean };
    expect(alert).toMatchObject({ stands: true, evidence: { witness: 'north', status: expect.stringMatching(/^4/) } });
    expect(alert.evidence['request']).toContain(of.checkpoint(size));
    // Once, however often it says so; and an answer as if nothing had been does not clear it.
    await asking.ask(size + 1);
    answer = always(200, signed());
    await asking.ask(size + 2);
    expect(asking.open).toEqual(['witness.dissent']);
  });

  it('control: one that is merely ahead of the checkpoint, or behind it, raises nothing', async () => {
    answer = honest({ size: 12, root: log.root(12) });
    const asking = new Asking();
    await asking.ask(8, 15);
    expect(asking.open).toEqual([]);
    await asking.ask(15);
    expect(asking.stored.map(({ size }) => size)).toEqual([15]);
  });
});

describe('the connection', () => {
  it('is made to nobody whose certificate is not of the roots; control: the same with the right ones', async () => {
    answer = honest();
    const stranger = await Authority.create('strangers');
    const caFile = await certificates.put('strangers.crt', stranger.pem);
    for (const tls of [{ caFile }, { caFile: null }, { caFile: path.join(folder.path, 'none') }]) {
      const asking = new Asking(log, tls);
      await asking.ask(8);
      expect([asking.stored.length, asking.witness.record.failures]).toEqual([0, 1]);
    }
    expect(requests).toEqual([]);
    const asking = new Asking();
    await asking.ask(8);
    expect(asking.stored).toHaveLength(1);
  });

  /** What comes of one request to a server of its own. */
  async function sendTo(options: ServerOptions, tls: Partial<WitnessTls>): Promise<number | null> {
    answer = honest();
    const { cert, key: private_ } = await authority.issueServer();
    const listener: RequestListener = (request, response) => answer(request, response);
    const other = createServer({ cert, key: private_, ...options }, listener);
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const url = `https://localhost:${(other.address() as AddressInfo).port}`;
    const trust = { caFile: path.join(certificates.path, 'roots.crt'), identity: () => null, tls12: false };
    const connection = new WitnessConnection(url, { ...trust, ...tls }, 20_000);
    const { status } = await connection.addCheckpoint(log.request(0, 8));
    connection.close();
    await new Promise((resolve) => other.close(resolve));
    return status;
  }

  it('is not made below TLS 1.3, unless it may', async () => {
    expect(await sendTo({ maxVersion: 'TLSv1.2' }, {})).toBeNull();
    expect(await sendTo({ maxVersion: 'TLSv1.2' }, { tls12: true })).toBe(200);
  });

  it('shows a certificate of ours where there is one', async () => {
    const clients = await Authority.create('clients');
    const files = await certificates.write('client', await clients.issue(), clients);
    const asks = { ca: clients.pem, requestCert: true, rejectUnauthorized: true };
    const material = await loadMaterial(files, 'client', Date.now());
    expect(await sendTo(asks, { identity: () => material })).toBe(200);
    expect(await sendTo(asks, {})).toBeNull();
  });
});
