import { chmodSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@everseal/local';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import type { Transition } from './watch-latch.js';
import { readWatchState, writeWatchState } from './watch-state-file.js';
import { readWebhookUrl, Webhook } from './webhook.js';

const QUICK = { timeoutMs: 500, pausesMs: [1, 1] };

interface Page {
  text: string;
  standing: number;
  transitions: Transition[];
}

let folder: TemporaryFolder;
let server: Server;
let url: URL;
let pages: Page[];
/** What the server answers; null: nothing, it hangs. */
let answers: (number | null)[];
let asked: number;

function transition(key: string): Transition {
  const at = '2026-01-01T00:00:00.000Z';
  const what = { code: 'log.frozen', severity: 'liveness', meaning: 'm', ledger: 'l', part: '', runbook: 'r' };
  return { key, ...what, detail: `detail ${key}`, evidence: {}, since: at, at, state: 'raised' };
}

beforeEach(async () => {
  folder = temporaryFolder('webhook');
  [pages, answers, asked] = [[], [], 0];
  server = createServer((request, response) => {
    asked++;
    const status = answers.length > 0 ? answers.shift()! : 200;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (status === null) return;
      if (status === 200) pages.push(JSON.parse(Buffer.concat(chunks).toString()) as Page);
      response.writeHead(status, status === 302 ? { location: url.href } : {}).end('taken');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/secret`);
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  folder.remove();
});

describe('the webhook', () => {
  it('is posted everything in order, also what came while a page was under way', async () => {
    const webhook = new Webhook(url, 'audit.example.com', () => 2, [transition('earlier')], QUICK);
    webhook.page([transition('a')]);
    webhook.page([transition('b')]);
    await webhook.end(5_000);
    expect(pages.flatMap(({ transitions }) => transitions.map(({ key }) => key))).toEqual(['earlier', 'a', 'b']);
    expect(pages[0]).toMatchObject({
      standing: 2,
      text: expect.stringContaining('RAISED log.frozen (liveness) l: detail'),
    });
    expect(webhook.unpaged).toEqual([]);
  });

  it.each([
    ['refuses', [500, 503]],
    ['does not answer in time', [null]],
    ['wants to send it elsewhere', [302]],
  ])('is asked again when it %s', async (_, first) => {
    answers = [...first];
    const webhook = new Webhook(url, 'x', () => 1, [], QUICK);
    webhook.page([transition('a')]);
    await webhook.end(10_000);
    expect([pages.length, webhook.problem, webhook.unpaged.length]).toEqual([1, '', 0]);
  });

  it('is given up after a few attempts, says why without the URL, and keeps the page for the next time', async () => {
    answers = [500, 500, 500];
    const webhook = new Webhook(url, 'x', () => 1, [], QUICK);
    webhook.page([transition('a')]);
    await webhook.end(10_000);
    expect(asked).toBe(3);
    expect(webhook.problem).toBe('the webhook answered 500');
    expect(webhook.unpaged.map(({ key }) => key)).toEqual(['a']);
    webhook.again();
    await waitUntil(() => pages.length === 1, { what: 'the page' });
  });

  it('holds nobody up when it hangs: ending has a bound', async () => {
    answers = [null, null, null];
    const webhook = new Webhook(url, 'x', () => 1, [], { timeoutMs: 60_000, pausesMs: [60_000] });
    webhook.page([transition('a')]);
    await webhook.end(50);
    expect(webhook.unpaged).toHaveLength(1);
  });
});

describe('the file with its URL', () => {
  const file = (text: string, mode: number): string => {
    const place = path.join(folder.path, 'url');
    writeFileSync(place, text);
    chmodSync(place, mode);
    return place;
  };

  it('holds an https URL, or one on this machine, and is its owner’s alone', () => {
    expect(readWebhookUrl(file('https://pager.example.com/x?token=t\n', 0o600)).hostname).toBe('pager.example.com');
    expect(readWebhookUrl(file(url.href, 0o400)).href).toBe(url.href);
    const read =
      (text: string, mode: number): (() => URL) =>
      () =>
        readWebhookUrl(file(text, mode));
    expect(read('https://pager.example.com/', 0o640)).toThrow('can be read or written by others');
    expect(read('http://pager.example.com/', 0o600)).toThrow('not https://');
    expect(read('file:///etc/passwd', 0o600)).toThrow('not https://');
    expect(read('two words', 0o600)).toThrow('one URL');
  });
});

describe('the state file', () => {
  it('comes back as it was written, is nothing before, and is refused when damaged', () => {
    const file = path.join(folder.path, 'watch.json');
    expect(readWatchState(file)).toBeNull();
    const { state: _state, at: _at, ...standing } = transition('a');
    const ledger = { size: 5, grownAt: 1, seconds: { v1: 7 }, notes: ['n'], shown: [] };
    const state = { standing: [standing], unpaged: [transition('b')], ledgers: { o: ledger }, alerts: { s: 3 } };
    writeWatchState(file, state);
    expect(readWatchState(file)).toEqual({ version: 1, ...state });
    writeFileSync(file, '{"version":1}');
    expect(() => readWatchState(file)).toThrow('is not a state that this tool wrote');
  });
});
