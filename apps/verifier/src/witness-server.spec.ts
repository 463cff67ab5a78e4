import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request, type RequestOptions } from 'node:https';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  COSIGNATURE_KEY,
  cosignaturesIn,
  formatAddCheckpoint,
  parseSignatureLines,
  sha256,
  type Finding,
  type SigningKey,
} from '@everseal/audit-core';
import { RateLimit } from '@everseal/process';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { MaterialWatch } from '@everseal/tls';
import { ForeignLog } from '../../../libs/audit-core/src/foreign-log.fixture.js';
import { testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { Authority, CertificateFolder } from '../../../libs/tls/src/certificates.fixture.js';
import { WitnessedLog } from './witnessed-log.js';
import { WitnessServer } from './witness-server.js';

const NOW = Date.UTC(2026, 5, 1);
const log = ForeignLog.of('log.example.org/one', 20);
const other = ForeignLog.of('log.example.org/two', 20);
const fork = log.forked(3);
const key = testKey('audit.example.com/verifier/v1', COSIGNATURE_KEY);
const nextKey = testKey('audit.example.com/verifier/v1-next', COSIGNATURE_KEY);

let authority: Authority;
let certificates: CertificateFolder;
let folder: TemporaryFolder;
let witness: SpecWitness;

beforeAll(async () => {
  authority = await Authority.create('servers');
  certificates = await CertificateFolder.create();
});
afterAll(() => certificates.remove());
beforeEach(async () => {
  folder = temporaryFolder('witness');
  witness = await SpecWitness.start();
});
afterEach(async () => {
  await witness.stop();
  folder.remove();
});

interface Got {
  status: number;
  type: string | undefined;
  headers: Readonly<Record<string, unknown>>;
  body: string;
}

interface Over {
  keys?: SigningKey[];
  burst?: number;
  clients?: Authority;
  tls12?: boolean;
}

/** A witness over real HTTPS, with its state in `folder`. */
class SpecWitness {
  private readonly agent = new Agent({ keepAlive: true });

  private constructor(
    readonly server: WitnessServer,
    readonly logs: readonly WitnessedLog[],
    readonly reports: { finding: Finding; evidence: Record<string, string> }[],
    readonly material: MaterialWatch,
    readonly faults: Error[],
  ) {}

  static async start({ keys = [key], burst = 1_000, clients, tls12 = false }: Over = {}): Promise<SpecWitness> {
    const files = await certificates.write('witness', await authority.issueServer(), clients);
    const material = await MaterialWatch.open(files, 'server', Date.now);
    const reports: SpecWitness['reports'] = [];
    const faults: Error[] = [];
    const parts = {
      folder: folder.path,
      keys: () => keys,
      now: () => NOW,
      report: (finding: Finding, evidence: Record<string, string>) => void reports.push({ finding, evidence }),
    };
    const logs = [log, other].map(({ origin, verifier }) => new WitnessedLog({ origin, keys: [verifier] }, parts));
    const server = new WitnessServer({
      logs,
      place: { host: '127.0.0.1', port: 0, tls12, connections: 64 },
      material,
      rate: new RateLimit(0.001, burst, () => performance.now()),
      logger: { info: () => {}, warn: () => {}, error: () => {} },
      onAnswer: () => {},
      onFault: (error) => void faults.push(error),
    });
    await server.listen();
    return new SpecWitness(server, logs, reports, material, faults);
  }

  async stop(): Promise<void> {
    this.agent.destroy();
    await this.server.close();
  }

  /** As after a restart of the process. */
  async restart(over: Over = {}): Promise<void> {
    await this.stop();
    witness = await SpecWitness.start(over);
  }

  send(body: string | Buffer, over: RequestOptions = {}): Promise<Got> {
    return new Promise((resolve, reject) => {
      const options: RequestOptions = { ca: authority.pem, method: 'POST', path: '/add-checkpoint', agent: this.agent };
      const place = { host: 'localhost', port: this.server.port };
      const sent = request({ ...place, ...options, ...over }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          const { statusCode = 0, headers } = answer;
          resolve({
            status: statusCode,
            type: headers['content-type'],
            headers,
            body: Buffer.concat(chunks).toString(),
          });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** Gets the witness to a size. */
  async reach(size: number, of = log): Promise<void> {
    const { status } = await this.send(of.request(0, size));
    expect(status).toBe(200);
  }
}

const TEXT = 'text/plain; charset=utf-8';
const SIZE = 'text/x.tlog.size';
const clock = { now: NOW / 1_000, tolerance: 0 };

describe('add-checkpoint over HTTPS', () => {
  it.each<[string, number, string, number, string, RegExp]>([
    ['the first checkpoint', 0, log.request(0, 5), 200, TEXT, /^— .*\n$/],
    ['one that extends it', 5, log.request(5, 8), 200, TEXT, /^— .*\n$/],
    ['the same again', 5, log.request(5, 5), 200, TEXT, /^— .*\n$/],
    ['an empty log', 0, log.request(0, 0), 200, TEXT, /^— .*\n$/],
    ['an empty body', 5, '', 400, TEXT, /old size/],
    ['a body that is none', 5, 'old 5\nAAAA\n\nx\n', 400, TEXT, /hash|note/],
    ['old above the checkpoint', 5, log.request(0, 4).replace('old 0', 'old 5'), 400, TEXT, /larger/],
    ['a key that is not known', 5, log.resigned().request(5, 8), 403, TEXT, /known key/],
    ['a false signature', 5, log.request(5, 8).replace('\n8\n', '\n7\n'), 403, TEXT, /does not verify/],
    ['a log that is not known', 5, ForeignLog.of('log.example.org/three', 8).request(0, 8), 404, TEXT, /not know/],
    ['old below the witness', 5, log.request(3, 8), 409, SIZE, /^5\n$/],
    ['old from nothing, to find the size', 5, log.request(0, 8), 409, SIZE, /^5\n$/],
    ['old above the witness', 5, log.request(6, 8), 409, SIZE, /^5\n$/],
    ['a checkpoint below the witness', 5, log.request(3, 3), 409, SIZE, /^5\n$/],
    ['another root of the same size', 5, fork.request(5, 5), 409, TEXT, /^$/],
    ['another root of the same size from nothing', 5, fork.request(0, 5), 409, SIZE, /^5\n$/],
    ['no proof', 5, formatAddCheckpoint({ old: 5, proof: [], checkpoint: log.checkpoint(8) }), 422, TEXT, /proof/],
    ['another history', 5, fork.request(5, 8), 422, TEXT, /proof/],
    [
      'a proof from nothing',
      0,
      formatAddCheckpoint({ old: 0, proof: [log.root(1)], checkpoint: log.checkpoint(8) }),
      422,
      TEXT,
      /proof/,
    ],
    ['64 hashes', 5, log.request(5, 8).replace('\n', `\n${`${'A'.repeat(43)}=\n`.repeat(64)}`), 400, TEXT, /hashes/],
    ['a body that is too long', 5, `${log.request(5, 8)}${'x'.repeat(65_536)}`, 413, TEXT, /65536/],
  ])('%s', async (_, size, body, status, type, said) => {
    if (size > 0) await witness.reach(size);
    expect(await witness.send(body)).toMatchObject({ status, type, body: expect.stringMatching(said) });
    // Whatever was refused changed nothing: the next honest step from there is taken.
    if (status !== 200) expect((await witness.send(log.request(size, 9))).status).toBe(200);
  });

  it('answers other methods, paths and too many requests without reading them', async () => {
    expect(await witness.send('', { method: 'GET' })).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    for (const path_ of ['/', '/add-checkpoint/', '/add-checkpoint?a', '/metrics']) {
      expect((await witness.send('', { path: path_ })).status).toBe(404);
    }
    await witness.restart({ burst: 2 });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await witness.send('')).status);
    expect(statuses).toEqual([400, 400, 429]);
    expect((await witness.send('')).headers['retry-after']).toMatch(/^[0-9]+$/);
  });

  it('takes a body without a length, and no more of it than its bound', async () => {
    const chunked = { headers: { 'Transfer-Encoding': 'chunked' } };
    expect((await witness.send(log.request(0, 5), chunked)).status).toBe(200);
    expect((await witness.send(Buffer.alloc(500_000, 'x'), chunked)).status).toBe(413);
    const cut = await witness.send(Buffer.alloc(8_000_000, 'x'), chunked).catch((error: Error) => error);
    // The answer, or a connection that was closed while we wrote on.
    if (!(cut instanceof Error)) expect(cut.status).toBe(413);
    expect((await witness.send(log.request(5, 8))).status).toBe(200);
  });

  it('signs with every key while it rotates them, dated now', async () => {
    await witness.restart({ keys: [nextKey, key] });
    const { body } = await witness.send(log.request(0, 5));
    const verifiers = [key.verifier, nextKey.verifier];
    expect(cosignaturesIn(Buffer.from(body), log.checkpoint(5), verifiers, clock)).toHaveLength(2);
  });
});

describe('what a witness remembers', () => {
  it('is on disk before the cosignature leaves, and holds after a restart', async () => {
    await witness.reach(5);
    await witness.reach(7, other);
    const notes = readdirSync(folder.path).filter((name) => name.endsWith('.note'));
    expect(notes).toHaveLength(2);
    await witness.restart();
    expect(witness.logs.map(({ size }) => size)).toEqual([5, 7]);
    expect(await witness.send(fork.request(0, 8))).toMatchObject({ status: 409, body: '5\n' });
    expect((await witness.send(fork.request(5, 8))).status).toBe(422);
    expect((await witness.send(log.request(5, 8))).status).toBe(200);
  });

  it('is not what others put under the checkpoint', async () => {
    const stranger = testKey('stranger.example.org/w', COSIGNATURE_KEY);
    const { body } = await witness.send(log.request(0, 5));
    const line = body.replace(key.name, stranger.name);
    await witness.send(log.request(5, 8, `${log.checkpoint(8)}${line}`));
    const [file] = readdirSync(folder.path).filter((name) => name.endsWith('.note'));
    const note = readFileSync(path.join(folder.path, file!), 'utf8');
    expect(note).toContain(key.name);
    expect(note).not.toContain(stranger.name);
  });

  it('decides among requests that come at once: one history is cosigned, whoever comes first', async () => {
    await witness.reach(5);
    const bodies = [6, 7, 8, 9].flatMap((size) => [log.request(5, size), fork.request(5, size)]);
    const answers = await Promise.all(bodies.map((body) => witness.send(body, { agent: false })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.every(({ status }) => [200, 409, 422].includes(status))).toBe(true);
    const won = answers.findIndex(({ status }) => status === 200);
    expect(won % 2).toBe(0);
    expect(witness.logs[0]!.size).toBe(6 + won / 2);
  });

  it.each<[string, (file: string) => void]>([
    ['is gone', (file) => rmSync(file)],
    ['is cut', (file) => writeFileSync(file, readFileSync(file).subarray(0, 40))],
    ['has a root changed', (file) => writeFileSync(file, readFileSync(file, 'utf8').replace(/\n5\n./, '\n5\nA'))],
    ['is that of another log', (file) => writeFileSync(file, other.checkpoint(5))],
    ['was signed by nobody known', (file) => writeFileSync(file, fork.resigned().checkpoint(5))],
  ])('is asked for when its file %s: then the log is refused, others are not', async (_, spoil) => {
    await witness.reach(5);
    await witness.reach(7, other);
    const mine = path.join(folder.path, `${sha256(Buffer.from(log.origin)).toString('hex')}.note`);
    const kept = readFileSync(mine);
    spoil(mine);
    await witness.restart();
    expect(witness.logs[0]!.problem).toContain(mine);
    // Control: a witness that begins anew would sign this second history.
    expect((await witness.send(fork.request(0, 8))).status).toBe(503);
    expect((await witness.send(other.request(7, 8))).status).toBe(200);
    writeFileSync(mine, kept);
    await witness.restart();
    expect((await witness.send(log.request(5, 8))).status).toBe(200);
  });

  it('control: in a folder that was lost as a whole the second history is signed; lost-keys.spec.ts is about that', async () => {
    await witness.reach(5);
    for (const name of readdirSync(folder.path)) rmSync(path.join(folder.path, name));
    await witness.restart();
    expect((await witness.send(fork.request(0, 8))).status).toBe(200);
  });

  it('begins with its file when the process died before the origin was written down', async () => {
    await witness.reach(5);
    rmSync(path.join(folder.path, 'origins.json'));
    await witness.restart();
    expect(witness.logs[0]!.size).toBe(5);
    expect(existsSync(path.join(folder.path, 'origins.json'))).toBe(true);
  });

  it('is read under a new key of ours by the signature of the log, and under a new one of the log by ours', async () => {
    await witness.reach(5);
    await witness.restart({ keys: [nextKey] });
    expect((await witness.send(log.request(5, 8))).status).toBe(200);
  });

  it('cosigns nothing when it cannot be written, and without a key that may be used', async () => {
    await witness.restart({ keys: [] });
    expect((await witness.send(log.request(0, 5))).status).toBe(503);
    await witness.restart();
    folder.remove();
    expect((await witness.send(log.request(0, 5))).status).toBe(503);
    expect(witness.faults).toHaveLength(1);
    expect(witness.logs[0]!.size).toBe(0);
  });
});

describe('a log that shows two histories', () => {
  it('is reported with both checkpoints, each signed by it', async () => {
    await witness.reach(5);
    await witness.send(fork.request(5, 5));
    expect(witness.reports).toMatchObject([{ finding: { code: 'log.forked', index: 5 } }]);
    const { first, second } = witness.reports[0]!.evidence as { first: string; second: string };
    expect(first.startsWith(log.checkpoint(5))).toBe(true);
    expect(second).toBe(fork.checkpoint(5));
    expect(parseSignatureLines(first.split('\n\n')[1]!)).toHaveLength(2);
  });

  it('is not what somebody made of its public checkpoints', async () => {
    await witness.reach(5);
    await witness.send(formatAddCheckpoint({ old: 5, proof: [log.root(2)], checkpoint: log.checkpoint(8) }));
    await witness.send(log.resigned().forked(2).request(5, 5));
    expect(witness.reports).toEqual([]);
  });
});

describe('the listener', () => {
  it('speaks TLS 1.3, and 1.2 only where it is to', async () => {
    const old: RequestOptions = { agent: false, maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' };
    await expect(witness.send('', old)).rejects.toThrow();
    await witness.restart({ tls12: true });
    expect((await witness.send('', old)).status).toBe(400);
    await expect(witness.send('', { ...old, ciphers: 'ECDHE-ECDSA-AES128-SHA' })).rejects.toThrow();
  });

  it('takes up a renewed certificate without a restart', async () => {
    const renewed = await authority.issueServer();
    await certificates.write('witness', renewed);
    await witness.material.check();
    const serial = new Promise<string>((resolve) => {
      const sent = request(
        { host: 'localhost', port: witness.server.port, ca: authority.pem, agent: false },
        (answer) => {
          answer.resume();
        },
      );
      sent.on('socket', (socket) =>
        socket.on('secureConnect', () => {
          resolve((socket as TLSSocket).getPeerCertificate().serialNumber);
        }),
      );
      sent.end();
    });
    expect(await serial).toBe(renewed.serial);
  });

  it('asks for client certificates where roots of such are given; control: with one it answers', async () => {
    const clients = await Authority.create('clients');
    await witness.restart({ clients });
    await expect(witness.send('', { agent: false })).rejects.toThrow();
    const { cert, key: private_ } = await clients.issue();
    expect((await witness.send('', { agent: false, cert, key: private_ })).status).toBe(400);
  });
});
