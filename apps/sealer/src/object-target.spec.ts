/** The object store against a real S3-compatible server with Object Lock, and against servers that mean no good. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { objectStoreMissing, temporaryFolder, TestObjectStore } from '@everseal/testing';
import { ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { toAnchor } from './anchor-lab.fixture.js';
import { AnchorContradiction } from './anchor-target.js';
import { readObjectCredentials } from './object-credentials.js';
import { ObjectTarget, type ObjectTargetOptions } from './object-target.js';

const missing = objectStoreMissing();
if (missing !== null) process.stderr.write(`object-target.spec: ${missing}\n`);
const describeStore = missing === null ? describe : describe.skip;
const NEVER = new AbortController().signal;
const DAY_MS = 86_400_000;
const START_MS = 90_000;

describeStore('an object store with Object Lock', () => {
  let store: TestObjectStore;
  let s3: S3Client;
  const targets: ObjectTarget[] = [];

  beforeAll(async () => {
    store = await TestObjectStore.start();
    await store.bucket('locked');
    await store.bucket('open', false);
    s3 = store.client();
  }, START_MS);
  afterAll(async () => {
    s3?.destroy();
    await Promise.all(targets.map((made) => made.close()));
    await store?.stop();
  });

  function target(over: Partial<ObjectTargetOptions> = {}): ObjectTarget {
    const { endpoint, credentials } = store;
    const made = new ObjectTarget({
      name: 'vault',
      endpoint,
      region: 'us-east-1',
      bucket: 'locked',
      prefix: '',
      pathStyle: true,
      retainDays: 30,
      credentials,
      timeoutMs: 30_000,
      now: Date.now,
      ...over,
    });
    targets.push(made);
    return made;
  }

  const keyOf = (prefix: string, size: number): string =>
    `${prefix}${ORIGIN}/checkpoints/${String(size).padStart(16, '0')}`;

  it('holds a checkpoint and the key sets, locked, and read back', async () => {
    const checkpoint = toAnchor(7);
    expect(await target({ prefix: 'a/' }).anchor(checkpoint, NEVER)).toEqual(checkpoint.note);
    const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket: 'locked', Prefix: 'a/' }));
    expect(Versions.map(({ Key }) => Key?.replace(/[0-9a-f]{64}/, '…'))).toEqual([
      keyOf('a/', 7),
      `a/${ORIGIN}/keys/…`,
    ]);
    for (const { Key } of Versions) {
      const head = await s3.send(new HeadObjectCommand({ Bucket: 'locked', Key }));
      expect(head.ObjectLockMode).toBe('COMPLIANCE');
      expect(head.ObjectLockRetainUntilDate!.getTime() - Date.now()).toBeGreaterThan(29 * DAY_MS);
    }
    // The key is not enough to take it away.
    const [{ VersionId }] = Versions as [{ VersionId: string }];
    await expect(
      s3.send(new DeleteObjectCommand({ Bucket: 'locked', Key: keyOf('a/', 7), VersionId })),
    ).rejects.toThrow(/Access Denied|locked|retention/i);
  });

  it('is asked again after an answer that was lost, and writes nothing twice', async () => {
    const checkpoint = toAnchor(9);
    await target({ prefix: 'b/' }).anchor(checkpoint, NEVER);
    expect(await target({ prefix: 'b/' }).anchor(checkpoint, NEVER)).toEqual(checkpoint.note);
    const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket: 'locked', Prefix: 'b/' }));
    expect(Versions.length).toBe(2);
  });

  it('contradicts another history', async () => {
    await target({ prefix: 'c/' }).anchor(toAnchor(5), NEVER);
    const other = target({ prefix: 'c/' }).anchor(toAnchor(5, 'other'), NEVER);
    await expect(other).rejects.toThrow(AnchorContradiction);
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'locked', Key: keyOf('c/', 5) }));
    expect(await Body!.transformToString()).toBe(toAnchor(5).note.toString());
  });

  it('does not count what is not locked: a bucket without Object Lock, an object that stood there before', async () => {
    await expect(target({ bucket: 'open' }).anchor(toAnchor(3), NEVER)).rejects.toThrow(/object store|not locked/);
    const { note, keySets } = toAnchor(4);
    await s3.send(new PutObjectCommand({ Bucket: 'locked', Key: keyOf('d/', 4), Body: note }));
    await expect(target({ prefix: 'd/' }).anchor({ ...toAnchor(4), keySets: keySets.slice(1) }, NEVER)).rejects.toThrow(
      /not locked in COMPLIANCE/,
    );
  });

  it('says what a bucket that is not there, or a server that is away, answered', async () => {
    await expect(target({ bucket: 'nowhere' }).anchor(toAnchor(3), NEVER)).rejects.toThrow(/NoSuchBucket/);
    await expect(target({ endpoint: 'http://127.0.0.1:1' }).anchor(toAnchor(3), NEVER)).rejects.toThrow(/ECONNREFUSED/);
    const checkpoint = toAnchor(3);
    expect(await target({ prefix: 'e/' }).anchor(checkpoint, NEVER)).toEqual(checkpoint.note);
  });
});

/** A server that means us no good, in the place of an object store. */
describe('a store that', () => {
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  /** Bytes that it got rid of. */
  let sent: number;
  beforeAll(async () => {
    server = createServer((request, response) => answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  async function anchored(timeoutMs: number): Promise<unknown> {
    sent = 0;
    const made = new ObjectTarget({
      name: 'vault',
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: 'us-east-1',
      bucket: 'locked',
      prefix: '',
      pathStyle: true,
      retainDays: 30,
      credentials: { accessKeyId: 'spec', secretAccessKey: 'spec' },
      timeoutMs,
      now: Date.now,
    });
    try {
      return await made.anchor({ ...toAnchor(7), keySets: [] }, NEVER);
    } catch (error) {
      return error;
    } finally {
      await made.close();
    }
  }

  function endless(response: ServerResponse): void {
    const more = (): void => {
      if (response.destroyed) return;
      sent += 65_536;
      response.write(Buffer.alloc(65_536, 'x'), () => setImmediate(more));
    };
    more();
  }

  const change = (response: ServerResponse): void =>
    void response.writeHead(101, { connection: 'upgrade', upgrade: 'x' }).end();
  const get = (given: (response: ServerResponse) => void) => (request: IncomingMessage, response: ServerResponse) => {
    request.resume();
    if (request.method === 'PUT') response.writeHead(200).end();
    else given(response);
  };
  const locked = {
    'x-amz-object-lock-mode': 'COMPLIANCE',
    'x-amz-object-lock-retain-until-date': '2099-01-01T00:00:00Z',
  };

  it.each<[string, typeof answer, RegExp]>([
    ['changes the protocol instead of taking a note', (_, response) => change(response), /not done within 1500 ms/],
    ['changes it instead of giving one', get(change), /not done within 1500 ms/],
    ['gives the note slowly', get((response) => void response.writeHead(200, locked).write('x')), /not done within/],
  ])('%s is given up after its time; control: one that gives it', async (_, listener, problem) => {
    answer = listener;
    expect(await anchored(1_500)).toMatchObject({ message: expect.stringMatching(problem) });
    answer = get((response) => void response.writeHead(200, locked).end(toAnchor(7).note));
    expect(await anchored(1_500)).toEqual(toAnchor(7).note);
  });

  const MOST = 1_048_576;
  it.each<[string, typeof answer, RegExp]>([
    ['an object without a length', get((response) => endless(response.writeHead(200, locked))), /holds something else/],
    ['a refusal', (_, response) => endless(response.writeHead(500)), /longer than 1048576 bytes/],
    ['a receipt', (_, response) => endless(response.writeHead(200)), /longer than 1048576 bytes/],
  ])('gives %s without an end is not read on, nor kept in memory', async (_, listener, problem) => {
    answer = listener;
    expect(await anchored(60_000)).toMatchObject({ message: expect.stringMatching(problem) });
    // What was read, and what the system's socket buffers hold.
    expect(sent).toBeLessThan(20 * MOST);
  });

  it('gives as much as a note may have is read; control of the bound', async () => {
    answer = get((response) => void response.writeHead(200, locked).end(Buffer.alloc(MOST, 'x')));
    expect(await anchored(60_000)).toMatchObject({ message: expect.stringMatching(/another note/) });
  });
});

describe('the key pair for it', () => {
  it('comes from a file that nobody else may read', () => {
    const folder = temporaryFolder('credentials');
    const file = path.join(folder.path, 'vault.json');
    const pair = { accessKeyId: 'one', secretAccessKey: 'two' };
    writeFileSync(file, JSON.stringify(pair), { mode: 0o600 });
    expect(readObjectCredentials(file)).toEqual(pair);
    chmodSync(file, 0o640);
    expect(() => readObjectCredentials(file)).toThrow(/chmod 600/);
    chmodSync(file, 0o600);
    for (const text of ['', '{}', '{"accessKeyId":"one"}', '{"accessKeyId":"one","secretAccessKey":"two","more":1}']) {
      writeFileSync(file, text);
      expect(() => readObjectCredentials(file)).toThrow(/holds no JSON object/);
    }
    folder.remove();
  });
});
