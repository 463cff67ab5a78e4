import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { checkEvents } from './check-events.js';
import { isEventGiven, newEvent } from './new-event.js';
import { readEvents } from './read-events.js';

const NOTHING = Readable.from([]);
const GOOD = '{"specversion":"1.0","id":"1","source":"urn:x","type":"t"}';

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-cli-'));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, content: string | Buffer): string {
  const place = path.join(dir, name);
  writeFileSync(place, content);
  return place;
}

describe('reading events', () => {
  it('unpacks gzip and says where each event stood', async () => {
    const packed = file('in.json.gz', gzipSync(`[${GOOD}, ${GOOD}]`));
    const events = await readEvents(packed, null, NOTHING);
    expect(events.map(({ bytes, position }) => [bytes.toString(), position])).toEqual([
      [GOOD, 0],
      [GOOD, 1],
    ]);
    const cut = file('cut.gz', gzipSync(GOOD).subarray(0, 20));
    await expect(readEvents(cut, null, NOTHING)).rejects.toThrow('no whole gzip file');
  });

  it('takes standard input for -, in pieces', async () => {
    const pieces = Readable.from([Buffer.from(`${GOOD}\n{"spec`), Buffer.from('version":"1.0"}\n')]);
    const events = await readEvents('-', null, pieces);
    expect(events.map(({ bytes }) => bytes.toString())).toEqual([GOOD, '{"specversion":"1.0"}']);
  });

  it('refuses a folder, a missing file and a file without events', async () => {
    await expect(readEvents(dir, null, NOTHING)).rejects.toThrow('is a folder');
    await expect(readEvents(path.join(dir, 'none'), null, NOTHING)).rejects.toThrow('ENOENT');
    await expect(readEvents(file('empty.json', '[ ]'), null, NOTHING)).rejects.toThrow('holds no event');
  });
});

describe('the check before sending', () => {
  it('names every bad event, and the id of those that have one', async () => {
    const lines = [GOOD, '{"specversion":"1.0","id":"2","source":"urn:x"}', '{"id":', '{"id":"4","id":"5"}'];
    const events = await readEvents(file('in.ndjson', lines.join('\n')), 'ndjson', NOTHING);
    const bad = checkEvents(events);
    expect(bad.map(({ event, code }) => [event.position, event.id, code])).toEqual([
      [1, '2', 'event.invalid'],
      [2, null, 'request.malformed'],
      [3, '4', 'event.invalid'],
    ]);
    expect(bad[0]?.message).toBe('type is missing; CloudEvents 1.0 requires it');
    expect(events[0]?.id).toBe('1');
  });
});

describe('an event from options', () => {
  it('carries the data as it was typed', () => {
    const options = { source: 'urn:x', type: 't', id: '1', time: '2026-01-31T09:30:00Z', data: ' {"n": 1.10 } ' };
    const event = newEvent(options, 0);
    expect(event.bytes.toString()).toBe(
      '{"specversion":"1.0","id":"1","source":"urn:x","type":"t","time":"2026-01-31T09:30:00Z","data":{"n": 1.10 }}',
    );
    expect(checkEvents([event])).toEqual([]);
  });

  it('gets an id and a time when none is named', () => {
    const event = newEvent({ source: 'urn:x', type: 't' }, Date.UTC(2026, 0, 1));
    expect(JSON.parse(event.bytes.toString())).toMatchObject({ id: event.id, time: '2026-01-01T00:00:00.000Z' });
    expect(checkEvents([event])).toEqual([]);
  });

  it('needs source and type, and data that is JSON', () => {
    expect(() => newEvent({ source: 'urn:x' }, 0)).toThrow('--source and --type');
    expect(() => newEvent({ source: 'urn:x', type: 't', data: 'text' }, 0)).toThrow('--data is no JSON');
    expect(() => newEvent({ source: 'urn:x', type: 't', data: '1},"x":{' }, 0)).toThrow('--data is no JSON');
    expect(isEventGiven({})).toBe(false);
  });
});
