/**
 * kill -9 of a real ingest process at each point of the commit where something could be lost or doubled. The process is
 * held at the point by a proxy before the broker, not by anything inside it.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@everseal/local';
import { GatedProxy, temporaryFolder } from '@everseal/testing';
import { buildSources } from './build-source.fixture.js';
import { event, IngestLab, type Producer } from './ingest.fixture.js';
import { IngestProcess } from './ingest-process.fixture.js';
import { scanSegment } from './segment.js';

const built = temporaryFolder('ingest-build');
let main: string;
let lab: IngestLab;
let proxy: GatedProxy;
let producer: Producer;
const children: IngestProcess[] = [];

beforeAll(() => {
  main = buildSources(built.path, 'ingest');
});
afterAll(() => built.remove());
beforeEach(async () => {
  lab = await IngestLab.start();
  proxy = await GatedProxy.start(lab.nats.port);
  producer = await lab.producer();
});
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.end('SIGKILL')));
  await proxy.stop();
  await lab.stop();
});

async function startProcess(server = proxy.server): Promise<IngestProcess> {
  const started = await IngestProcess.start(lab, main, await lab.settings('a', 'spool-a', {}, server));
  children.push(started);
  return started;
}

/** Records in the spool's first segment, as they stand on the disk. */
function spooled(): number {
  let count = 0;
  try {
    const file = lab.file(path.join('spool-a', 'main', '000000000001.segment'));
    scanSegment(readFileSync(file), () => (count += 1));
  } catch {
    // Being written.
  }
  return count;
}

async function timesInLane(text: string): Promise<number> {
  return (await lab.frames()).flatMap(({ events }) => events).filter((entry) => entry.includes(text)).length;
}

describe('a killed ingest process', () => {
  it('after the frame is in the spool and before it is published: it is published at the start, once', async () => {
    const child = await startProcess();
    await child.ready(producer);
    await producer.accepted(event('before'));
    const text = event('held');
    proxy.shut('toServer');
    const answer = producer.send(text, {}, 1_000).catch((error: Error) => error);
    await waitUntil(() => spooled() === 2, { what: 'the frame in the spool' });
    await child.end('SIGKILL');
    proxy.cut();
    proxy.open('toServer');
    expect(await answer).toBeInstanceOf(Error);
    expect(await timesInLane(text)).toBe(0);

    await (await startProcess()).ready(producer);
    expect(await timesInLane(text)).toBe(1);
    // The repeated request finds it.
    await producer.accepted(text);
    await producer.accepted(event('after'));
    expect(await timesInLane(text)).toBe(1);
    expect((await lab.frames()).map(({ frame }) => frame.number)).toEqual([1, 2, 3]);
  });

  it('after the frame is stored and before anybody knows: the lane shows it, and nothing is doubled', async () => {
    const child = await startProcess();
    await child.ready(producer);
    await producer.accepted(event('before'));
    const text = event('stored');
    proxy.shut('toServer');
    const answer = producer.send(text, {}, 1_000).catch((error: Error) => error);
    await waitUntil(() => spooled() === 2, { what: 'the frame in the spool' });
    proxy.shut('toClient');
    proxy.open('toServer');
    await waitUntil(async () => (await timesInLane(text)) === 1, { what: 'the frame in the lane' });
    await child.end('SIGKILL');
    proxy.cut();
    proxy.open('toClient');
    expect(await answer).toBeInstanceOf(Error);

    await (await startProcess()).ready(producer);
    const receipt = await producer.accepted(text);
    expect(await producer.accepted(text)).toEqual(receipt);
    expect(await timesInLane(text)).toBe(1);
  });

  it('under load, again and again: every receipt stands for exactly one event in the lane', async () => {
    const receipted: string[] = [];
    let isSending = true;
    const send = async (worker: number): Promise<void> => {
      for (let i = 0; isSending; i += 1) {
        const text = event(`w${worker}-${i}`);
        // A producer that repeats until it has a receipt.
        for (let isDone = false; isSending && !isDone;) {
          isDone = await producer.accepted(text).then(
            () => true,
            () => false,
          );
          if (isDone) receipted.push(text);
          else await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    };
    const workers = [0, 1, 2, 3].map((worker) => send(worker));
    for (let round = 0; round < 2; round += 1) {
      const child = await startProcess(lab.nats.server);
      await child.ready(producer);
      const before = receipted.length;
      await waitUntil(() => receipted.length > before + 25, { what: 'receipts', timeoutMs: 20_000 });
      await child.end('SIGKILL');
    }
    const last = await startProcess(lab.nats.server);
    await last.ready(producer);
    isSending = false;
    await Promise.all(workers);
    const all = (await lab.frames()).flatMap(({ events }) => events);
    for (const text of receipted) expect(all.filter((entry) => entry.includes(text))).toHaveLength(1);
    expect(receipted.length).toBeGreaterThan(50);
  }, 90_000);

  it('that is asked to stop answers what it has taken, says goodbye and ends with 0', async () => {
    const child = await startProcess();
    await child.ready(producer);
    expect(await waitUntil(async () => (await child.status('/ready')) === 200, { what: '/ready' })).toBe(true);
    expect(await child.status('/live')).toBe(200);
    const texts = Array.from({ length: 40 }, (_, i) => event(`last-${i}`));
    const answers = texts.map((text) => producer.send(text).catch((error: Error) => error));
    const code = await child.end('SIGTERM');
    expect(code).toBe(0);
    for (const [i, answer] of (await Promise.all(answers)).entries()) {
      if ('receipt' in answer) expect(await timesInLane(texts[i] ?? '')).toBe(1);
    }
  });

  it('and a second one over the same spool does not start', async () => {
    await (await startProcess()).ready(producer);
    const second = await startProcess();
    expect(await second.ended).not.toBe(0);
    expect(second.output).toMatch(/is in use by another process/);
  });
});
