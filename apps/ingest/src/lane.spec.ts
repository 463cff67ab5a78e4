/** Which frames does the lane hold? Every answer that lets ingest go on, and every one that must stop it. */
import { cpSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  equalHash,
  leafHash,
  openAlert,
  signFrame,
  SigningKey,
  ZERO_HASH,
  alertKeyName,
  NOTE_KEY,
} from '@everseal/audit-core';
import { waitUntil } from '@everseal/local';
import { LanePublisher, StreamReader } from '@everseal/messaging';
import { ALERTS, framesStream, framesSubject, provisionStreams } from '@everseal/policy';
import { buildFrame } from './frame-builder.js';
import { DOMAIN, KEYS, ORIGIN } from './announced-log.fixture.js';
import { event, IngestLab, type RunningIngest } from './ingest.fixture.js';
import { PendingRequest } from './pending-request.js';

let lab: IngestLab;
const running: RunningIngest[] = [];

beforeEach(async () => {
  lab = await IngestLab.start();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((ingest) => ingest.stop()));
  await lab.stop();
});

async function start(spool = 'spool-a'): Promise<RunningIngest> {
  const ingest = await lab.run('a', await lab.settings('a', spool));
  running.push(ingest);
  return ingest;
}

async function ready(spool?: string): Promise<RunningIngest> {
  const ingest = await start(spool);
  await ingest.ready();
  return ingest;
}

async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((ingest) => ingest.stop()));
}

async function accept(...ids: string[]): Promise<void> {
  const producer = await lab.producer();
  for (const id of ids) await producer.accepted(event(id));
}

const stopped = (ingest: RunningIngest) => waitUntil(() => ingest.code, { what: 'a stop' });
const folder = (name: string): string => lab.file(name);

/** A stream that lost everything, under the same name: its files are gone, and it is provisioned again. */
async function replaceStream(): Promise<void> {
  const { process } = lab.nats;
  process.kill('SIGKILL');
  await process.process.exited;
  rmSync(lab.file(path.join('nats', 'store')), { recursive: true, force: true });
  await lab.nats.restart('SIGKILL');
  await provisionStreams((await lab.link('provisioner', 'deploy')).nc, lab.policy);
}

describe('a lane is resolved', () => {
  it('at every start, without publishing anything twice', async () => {
    await ready();
    await accept('1', '2');
    await stopAll();
    await ready();
    await accept('3');
    expect((await lab.frames()).map(({ frame }) => frame.number)).toEqual([1, 2, 3]);
  });

  it('after the stream was replaced: the whole spool is published again, in order', async () => {
    const ingest = await ready();
    await accept('1', '2', '3');
    const before = await lab.frames();
    await replaceStream();
    await accept4(ingest);
    const frames = await lab.frames();
    expect(frames.map(({ frame }) => frame.number)).toEqual([1, 2, 3, 4]);
    expect(frames.slice(0, 3).map(({ message }) => message.bytes)).toEqual(before.map(({ message }) => message.bytes));
  });

  it('after it was replaced and part is sealed: only what is not covered is published again', async () => {
    const ingest = await ready();
    await accept('1', '2', '3');
    const second = (await lab.frames())[1];
    const index = lab.log.add(second?.message.note ?? Buffer.alloc(0));
    await lab.announce(lab.log.announcement([{ ingester: 'a', number: 2, index }]));
    await waitUntil(() => ingest.intake.spool.covered.number === 2, { what: 'release' });
    await replaceStream();
    await accept4(ingest);
    expect((await lab.frames()).map(({ frame }) => frame.number)).toEqual([3, 4]);
  });

  async function accept4(ingest: RunningIngest): Promise<void> {
    await waitUntil(() => ingest.link.connected && ingest.link.counts.reconnects > 0, { what: 'reconnect' });
    await waitUntil(
      async () => {
        const answer = await (await lab.producer()).send(event('4')).catch(() => null);
        return answer !== null && 'receipt' in answer;
      },
      { what: 'a receipt from the new stream', timeoutMs: 20_000, everyMs: 200 },
    );
  }
});

describe('ingest stops', () => {
  it('when the lane holds newer frames than its spool: an older copy was put back', async () => {
    const ingest = await ready();
    await accept('1');
    await ingest.stop();
    running.splice(0);
    cpSync(folder('spool-a'), folder('old'), { recursive: true });
    await ready();
    await accept('2');
    await stopAll();
    const again = await start('old');
    expect(await stopped(again)).toBe('custody.conflict');
    expect(again.failures[0]?.message).toMatch(/ends with frame 2, but the newest one built here is 1/);
    await stopAll();
    // Control: the newest copy goes on.
    await ready();
  });

  it('when the spool is missing, and raises an alert that is signed', async () => {
    await ready();
    await accept('1', '2');
    await stopAll();
    const empty = await start('empty');
    expect(await stopped(empty)).toBe('custody.conflict');
    const verifier = await lab.link('verifier', 'v1');
    const alert = await waitUntil(() => new StreamReader(verifier, ALERTS).get(1), { what: 'the alert' });
    const key = SigningKey.fromSeed(alertKeyName(DOMAIN, 'ingest', 'a'), Buffer.alloc(32, 6), NOTE_KEY);
    const opened = openAlert(alert.data, [key.verifier]);
    expect(JSON.parse(opened.json.toString())).toMatchObject({ code: 'custody.conflict', ledger: ORIGIN });
  });

  it('when a second process works under its name: that one at its start, or this one at its next frame', async () => {
    await ready();
    await accept('1');
    await expect(start('spool-a')).rejects.toMatchObject({ code: 'spool.busy' });
    expect(await stopped(await start('spool-2'))).toBe('custody.conflict');
  });

  it('when somebody published a frame of its own making to the lane', async () => {
    const ingest = await ready();
    await accept('1');
    const last = (await lab.frames())[0];
    const previous = { number: 1, hash: leafHash(last?.message.note ?? Buffer.alloc(0)) };
    await publishForged(previous, KEYS.a, last?.sequence ?? 0);
    void (await lab.producer()).send(event('2')).catch(() => undefined);
    expect(await stopped(ingest)).toBe('custody.conflict');
    expect(ingest.failures[0]?.message).toMatch(/frame 2/);
    // It was never answered: its frame 2 is not the one in the lane.
    expect((await lab.frames()).map(({ frame }) => frame.number)).toEqual([1, 2]);
  });

  it('when the last message of the lane is not signed by its key', async () => {
    await publishForged({ number: 0, hash: ZERO_HASH }, KEYS.b, 0);
    const ingest = await start();
    expect(await stopped(ingest)).toBe('custody.conflict');
    expect(ingest.failures[0]?.message).toMatch(/ingester b|no key of ours/);
  });

  it('when the log has a newer frame of it, and when it has another one under a known number', async () => {
    await ready();
    await accept('1');
    await stopAll();
    const sealed = (number: number): { ingester: string; number: number; index: number; note: string } => {
      const hash = leafHash(Buffer.from(`frame before ${number}`));
      const accepted = '2026-01-01T00:00:00.000Z';
      const previous = number === 1 ? ZERO_HASH : hash;
      const frame = { origin: ORIGIN, ingester: 'a', number, previous, count: 1, root: hash, accepted };
      const note = signFrame(frame, KEYS.a);
      return { ingester: 'a', number, index: lab.log.add(Buffer.from(note)), note };
    };
    const seventh = sealed(7);
    await lab.announce(lab.log.announcement([seventh]));
    const newer = await start();
    expect(await stopped(newer)).toBe('custody.conflict');
    expect(newer.failures[0]?.message).toMatch(/frame 7 is sealed, but the newest one built here is 1/);
    await stopAll();
    await lab.announce(lab.log.announcement([sealed(1)]));
    const other = await start();
    expect(await stopped(other)).toBe('custody.conflict');
    expect(other.failures[0]?.message).toMatch(/frame 1 is sealed with other content/);
    await stopAll();
    const { index } = seventh;
    // Control: a head that does not prove itself stops nothing, whoever signed what around it.
    await lab.announce(lab.log.announcement([{ ingester: 'a', number: 7, index }]));
    await ready();
    await lab.announce(lab.log.announcement([{ ...seventh, number: 9 }]));
    // Control: what no log key or verifier signed stops nothing.
    const stranger = SigningKey.fromSeed(KEYS.log.name, Buffer.alloc(32, 99), NOTE_KEY);
    await lab.announce(lab.log.announcement([seventh], { log: [stranger] }));
    await lab.announce(lab.log.announcement([{ ingester: 'b', number: 7, index }]));
    await accept('2');
  });
});

describe('announcements', () => {
  it('release what is sealed, keep what is owed, and find a repeated request while the frame is held', async () => {
    const ingest = await ready();
    await accept('1', '2', '3');
    const frames = await lab.frames();
    const indexes = frames.map(({ message }) => lab.log.add(message.note));
    await lab.announce(lab.log.announcement([{ ingester: 'a', number: 3, index: indexes[2] ?? 0, debts: [[2, 2]] }]));
    const { spool } = ingest.intake;
    await waitUntil(() => spool.covered.number === 3, { what: 'release' });
    expect(equalHash(spool.covered.hash, spool.newest.hash)).toBe(true);
    expect(await spool.read(2)).toEqual(frames[1]?.message.bytes);
    const receipt = await (await lab.producer()).accepted(event('2'));
    expect(receipt.frame).toBe(frames[1]?.message.note.toString());
    // An older announcement, sent again, takes nothing back.
    await lab.announce(lab.log.announcement([{ ingester: 'a', number: 1, index: indexes[0] ?? 0 }]));
    await accept('4');
    expect(spool.covered.number).toBe(3);
  });
});

async function publishForged(
  previous: { number: number; hash: Buffer },
  key: SigningKey,
  after: number,
): Promise<void> {
  const body = Buffer.from(event('forged'));
  const events = [{ start: 0, end: body.length, id: 'forged', source: '/billing' }];
  const ingester = key === KEYS.b ? 'b' : 'a';
  const envelope = Buffer.byteLength(
    `{"ledger":"${ORIGIN}","producer":"billing","accepted":"2026-01-01T00:00:00.000Z","event":}`,
  );
  const request = new PendingRequest('', 'billing', body, events, 2 + envelope + body.length, 0);
  const frame = buildFrame({ origin: ORIGIN, ingester }, key, previous, Date.now(), [request]);
  const link = await lab.link('ingest', 'a');
  const publisher = new LanePublisher(link, framesStream('main'), framesSubject('main', 'a'));
  await publisher.publishFrame(frame.message, { expectedLastSubjectSequence: after, timeoutMs: 2_000 });
}
