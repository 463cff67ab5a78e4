import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sha256 } from '@everseal/audit-core';
import type { StreamCursor } from '@everseal/ledger-store';
import type { StoredMessage } from '@everseal/messaging';
import { FrameSource } from './frame-source.js';
import { FramesBroker } from './frames-broker.fixture.js';

const LANE = 'audit.frames.main.a';
const EMPTY: StreamCursor = { epoch: '', created: '', sequence: 0, hash: null };

let broker: FramesBroker;
beforeEach(async () => {
  broker = await FramesBroker.start();
});
afterEach(() => broker.stop());

async function publish(...texts: string[]): Promise<void> {
  for (const text of texts) await broker.publish(LANE, Buffer.from(text));
}

/** What comes next, as text; the cursor goes along. */
async function take(source: FrameSource, waitMs = 10_000): Promise<string[]> {
  const messages = await source.read(waitMs);
  if (!Array.isArray(messages)) throw new Error(messages.why);
  messages.forEach((message) => source.moveTo(message));
  return messages.map(({ data }) => data.toString());
}

/** A source that has read these, and knows its stream. */
async function readUpTo(...texts: string[]): Promise<FrameSource> {
  const source = new FrameSource(broker.reader, EMPTY);
  source.adopt(await broker.reader.info());
  await publish(...texts);
  while (source.sequence < texts.length) await take(source);
  return source;
}

describe('the place in the stream', () => {
  it('moves message by message, and none comes twice though every batch begins at the cursor', async () => {
    const source = await readUpTo('1', '2');
    expect(source.cursor).toMatchObject({ epoch: 'e1', sequence: 2, hash: sha256(Buffer.from('2')) });
    expect(await take(source, 50)).toEqual([]);
    await publish('3', '4');
    const seen = await take(source);
    while (seen.length < 2) seen.push(...(await take(source)));
    expect(seen).toEqual(['3', '4']);
    // And from a cursor that was stored.
    const next = new FrameSource(broker.reader, { ...source.cursor, sequence: 3, hash: sha256(Buffer.from('3')) });
    expect(await take(next)).toEqual(['4']);
  });

  it('goes on behind a message that fell off the ring, by the guard alone', async () => {
    const source = await readUpTo('1', '2');
    expect(await take(source, 50)).toEqual([]);
    await publish('3', '4', '5');
    await broker.dropTo(3);
    expect(await take(source)).toEqual(['4', '5']);
    await broker.dropTo(5); // as max_age leaves an idle stream: empty, its last sequence known
    expect(await take(source, 50)).toEqual([]);
    await publish('6');
    expect(await take(source)).toEqual(['6']);
  });
});

describe('a stream that lost its tail and grew past the cursor', () => {
  /** Message 2 is lost, others take its number and the next ones; the same stream by name, epoch and creation time. */
  async function regrown(): Promise<FrameSource> {
    const source = new FrameSource(broker.reader, EMPTY);
    source.adopt(await broker.reader.info());
    await publish('1');
    broker.keepStore();
    await publish('2');
    while (source.sequence < 2) await take(source);
    await broker.setBack();
    await publish('other 2', '3', '4');
    return new FrameSource(broker.reader, source.cursor);
  }

  it('is noticed by the next read, before anything of it is handed over', async () => {
    const source = await regrown();
    const found = await source.read(10_000);
    expect(found).toMatchObject({ same: false, why: 'message 2 is another one', state: { epoch: 'e1' } });
    if (Array.isArray(found)) return;
    source.restart(found.state);
    expect(await take(source)).toEqual(['1', 'other 2', '3', '4']);
    // Control: read from the number after the cursor, nothing is to be seen.
    const batch = await broker.reader.readFrom(3, { maxMessages: 9, maxBytes: 1_000_000 });
    expect(batch.map(({ data }) => data.toString())).toEqual(['3', '4']);
  });

  it('is noticed when it still ends below the cursor, too', async () => {
    const source = await readUpTo('1');
    broker.keepStore();
    await publish('2', '3');
    while (source.sequence < 3) await take(source);
    await broker.setBack();
    await publish('other 2');
    const found = await new FrameSource(broker.reader, source.cursor).read(10_000);
    expect(found).toMatchObject({ same: false, why: 'it ends at 2, the cursor is at 3' });
  });

  it('is not seen in a batch of a replica that is behind: the guard decides, the batch is dropped', async () => {
    const source = await readUpTo('1', '2');
    const { reader } = broker;
    const behind = Object.assign(Object.create(reader) as typeof reader, {
      readFrom: (): Promise<StoredMessage[]> =>
        Promise.resolve([2, 3].map((sequence) => ({ sequence, subject: LANE, time: '', data: Buffer.from('old') }))),
    });
    const misled = new FrameSource(behind, source.cursor);
    expect(await misled.read(50)).toEqual([]);
    // Control: a batch that begins with the true message is handed over.
    const data = Buffer.from('2');
    behind.readFrom = () => Promise.resolve([2, 3].map((sequence) => ({ sequence, subject: LANE, time: '', data })));
    expect(await misled.read(10_000)).toMatchObject([{ sequence: 3 }]);
  });
});
