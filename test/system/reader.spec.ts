/**
 * The read API with all services running: what a producer sent is read back with an auditor's certificate, proven with the keys
 * of the genesis note, and the read itself is found sealed in the system ledger, also one that was made while the broker was away.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request, type RequestOptions } from 'node:https';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cosignaturesOf, leafHash, openCheckpoint, parseTlogProof, verifyTlogProof } from '@everseal/audit-core';
import { waitUntil } from '@everseal/local';
import { InstalledSystem, READER_POLICY, temporaryFolder, type TemporaryFolder } from '@everseal/testing';

const START_MS = 180_000;
const TEST_MS = 120_000;
const WITHIN_MS = 60_000;

const TOKEN = 't'.repeat(43);

interface Got {
  status: number;
  body: Buffer;
  /** Serial number of the server's certificate. */
  serial: string;
}

interface Page {
  events: { index: number; action: string }[];
}

let folder: TemporaryFolder;
let system: InstalledSystem;
let tokensFile: string;

beforeAll(async () => {
  folder = temporaryFolder('reader');
  // The spec asks again and again.
  const limits = { contentPerSecond: 10_000, contentBurst: 10_000 };
  tokensFile = path.join(folder.path, 'tokens');
  const hash = createHash('sha256').update(TOKEN).digest('hex');
  writeFileSync(tokensFile, `tom 2099-01-01T00:00:00.000Z main ${hash}\n`, { mode: 0o600 });
  system = await InstalledSystem.start({ policy: READER_POLICY, settings: { 'reader-r1': { limits, tokensFile } } });
}, START_MS);

afterAll(async () => {
  await system?.stop();
  folder?.remove();
}, START_MS);

function get(target: string, agent: Agent | false = false, over: RequestOptions = {}): Promise<Got> {
  const { certFile, keyFile, caFile } = system.installation.logins.certificate('auditor', 'anna');
  const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile), ca: readFileSync(caFile) };
  const { certificate: port } = system.installation.ports.api['reader-r1']!;
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: 'localhost', port, path: target, ...tls, agent, timeout: 10_000, ...over },
      (answer) => {
        const { serialNumber: serial } = (answer.socket as TLSSocket).getPeerCertificate();
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => resolve({ status: answer.statusCode!, body: Buffer.concat(chunks), serial }));
      },
    );
    asked.on('timeout', () => asked.destroy(new Error(`${target} is not answered`)));
    asked.on('error', reject);
    asked.end();
  });
}

async function json<T>(target: string): Promise<T> {
  const { status, body } = await get(target);
  if (status !== 200) throw new Error(`${target}: ${status} ${body.toString()}`);
  return JSON.parse(body.toString()) as T;
}

/** Events that a search finds; none as long as the ledger has no checkpoint. */
async function found(query: string): Promise<Page['events']> {
  const { status, body } = await get(query);
  return status === 404 ? [] : (JSON.parse(body.toString()) as Page).events;
}

/** Waits until the system ledger shows so many reads of anna by these conditions. */
async function recorded(query: string, least: number): Promise<void> {
  const shown = async (): Promise<boolean> => {
    const events = await found(`/api/system/events?type=io.everseal.read&actor=auditor/anna&${query}`);
    return events.length >= least;
  };
  await waitUntil(shown, { what: `${least} reads recorded by ${query}`, timeoutMs: WITHIN_MS });
}

describe('the read API of an installation', () => {
  it(
    'gives back what was sent, with a proof, and the read is an event of the system ledger',
    async () => {
      const { origin, keys } = system;
      const producer = await system.openProducer();
      await producer.load(5, 1, () => producer.receipted.length >= 20);
      await producer.close();
      const page = (): Promise<Page['events']> => found('/api/main/events?producer=orders&limit=200');
      await waitUntil(async () => (await page()).length >= 20, {
        what: 'events in the index',
        timeoutMs: WITHIN_MS,
      });

      const { index } = (await page())[0]!;
      const entry = Buffer.from((await json<{ entry: string }>(`/api/main/entries/${index}`)).entry, 'base64');
      const proof = parseTlogProof((await get(`/api/main/proofs/${index}`)).body);
      const { checkpoint } = verifyTlogProof(proof, leafHash(entry), {
        origin,
        logKeys: [keys.log],
        verifiers: keys.verifiers,
        quorum: 1,
      });
      expect(checkpoint.size).toBeGreaterThan(index);
      const shown = openCheckpoint((await get('/log/main/checkpoint')).body, [keys.log], origin);
      expect(cosignaturesOf(shown, keys.verifiers)).toHaveLength(1);
      await recorded('action=read.entry', 1);
    },
    TEST_MS,
  );

  it(
    'records reads while the broker is away, and brings them in when it is back',
    async () => {
      const { installation } = system;
      await installation.nats.stop();
      for (let i = 0; i < 3; i++) expect((await get('/api/main/receipts/3')).status).toBe(200);
      await installation.startNats();
      await recorded('action=read.receipt', 3);
    },
    TEST_MS,
  );

  it(
    'lets a token in at the other listener, until it is taken out of the file',
    async () => {
      const { open: port } = system.installation.ports.api['reader-r1']!;
      const status = async (token: string): Promise<number> => {
        const over = { port, headers: { authorization: `Bearer ${token}` } };
        return (await get('/log/main/checkpoint', false, over)).status;
      };
      expect([await status(TOKEN), await status('u'.repeat(43))]).toEqual([200, 401]);
      writeFileSync(tokensFile, '# nobody\n');
      const isOut = async (): Promise<boolean> => (await status(TOKEN)) === 401;
      await waitUntil(isOut, { what: 'the token withdrawn', timeoutMs: WITHIN_MS });
    },
    TEST_MS,
  );

  it(
    'stops in order while a client holds its connection open, and is back as it was',
    async () => {
      const { installation } = system;
      const agent = new Agent({ keepAlive: true });
      expect((await get('/log/main/checkpoint', agent)).status).toBe(200);
      const running = installation.service('reader', 'r1');
      await running.stop();
      agent.destroy();
      expect(readFileSync(running.logFile, 'utf8')).toContain('the reader has stopped');
      await installation.startService('reader', 'r1');
      const isShown = async (): Promise<boolean> => (await get('/log/main/checkpoint')).status === 200;
      await waitUntil(isShown, { what: 'the checkpoint again', timeoutMs: WITHIN_MS });
    },
    TEST_MS,
  );

  it(
    'serves a renewed certificate without a restart',
    async () => {
      const { installation } = system;
      const { serial } = await get('/log/main/checkpoint');
      await installation.renewCertificates({ leastLeft: 1 });
      const renewed = async (): Promise<boolean> => (await get('/log/main/checkpoint')).serial !== serial;
      await waitUntil(renewed, { what: 'the renewed certificate', timeoutMs: WITHIN_MS });
    },
    TEST_MS,
  );
});
