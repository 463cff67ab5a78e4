/**
 * TLS with all services running: every endpoint of an installation is good, what the verifier saw is sealed in the system
 * ledger, renewing every certificate raises nothing, and a broker that is made weaker does.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { leafHash, originOf, type EndpointPosture } from '@everseal/audit-core';
import { waitUntil } from '@everseal/local';
import { AlertWatch, InstalledSystem, LogOracle, READER_POLICY } from '@everseal/testing';
import { runProgram } from '../../apps/cli/src/program.js';
import { Terminal } from '../../apps/cli/src/terminal.js';

const START_MS = 180_000;
const TEST_MS = 120_000;
const WITHIN_MS = 60_000;
/** Scans when it is asked to, and gives nothing time to pass by itself. */
const POSTURE = { everyMs: 86_400_000, graceMs: 30_000, patienceMs: 20_000 };

let system: InstalledSystem;
let oracle: LogOracle;
let alerts: AlertWatch;

beforeAll(async () => {
  system = await InstalledSystem.start({ policy: READER_POLICY, settings: { 'verifier-v1': { posture: POSTURE } } });
  const { installation } = system;
  const trust = {
    origin: originOf('audit.example.com', 'system'),
    genesis: leafHash(readFileSync(installation.keys.genesis('system'))),
  };
  oracle = await LogOracle.open(await installation.logins.postgres('ops', 'ops'), trust);
  alerts = await AlertWatch.open(installation);
}, START_MS);

afterAll(async () => {
  await alerts?.close();
  await oracle?.close();
  await system?.stop();
}, START_MS);

interface WrittenPosture {
  data: {
    outcome: string;
    ledgers: { origin: string; entries: number; block: number }[];
    endpoints: EndpointPosture[];
  };
}

/** What an outsider finds in the system ledger, oldest first. */
async function postures(): Promise<WrittenPosture[]> {
  const events = (await oracle.sealedEvents()).filter(({ producer }) => producer === 'verifier-v1');
  return events
    .map(({ bytes }) => bytes.toString())
    .filter((text) => text.includes('"type":"io.everseal.posture"'))
    .map((text) => JSON.parse(text) as WrittenPosture);
}

/** Asks the verifier to scan, and waits for the event. */
async function scanned(): Promise<WrittenPosture> {
  const before = (await postures()).length;
  system.installation.service('verifier', 'v1').kill('SIGHUP');
  const find = async (): Promise<WrittenPosture | undefined> => (await postures())[before];
  return waitUntil(find, { what: 'a posture in the system ledger', timeoutMs: WITHIN_MS, everyMs: 200 });
}

async function tlsScan(...args: string[]): Promise<{ code: number; lines: (EndpointPosture & { own: unknown })[] }> {
  const out: string[] = [];
  const write = { write: (text: string) => void out.push(text) };
  const host = { stdin: (async function* () {})(), now: Date.now, signal: new AbortController().signal };
  const terminal = new Terminal(write, { write: () => undefined }, false);
  const command = ['tls', 'scan', '--json', '--timeout', '20000', ...args];
  const code = await runProgram(command, { ...host, terminal, dir: system.installation.layout.dir });
  const lines = out.join('').trimEnd().split('\n');
  return { code, lines: lines.map((line) => JSON.parse(line) as EndpointPosture & { own: unknown }) };
}

describe('the TLS of an installation', () => {
  it(
    'is good at every endpoint, as the command line sees it and as the verifier writes it down',
    async () => {
      const { code, lines } = await tlsScan('--minimum', 'A');
      const bad = lines.filter(({ grade }) => grade !== 'A' && grade !== 'A+');
      expect(bad).toEqual([]);
      expect(code).toBe(0);
      expect(lines.map(({ url }) => url.split('://')[0]).toSorted()).toEqual(
        ['nats+tlsfirst', 'postgres+direct', ...Array<string>(5).fill('https+mtls'), 'https'].toSorted(),
      );
      const { data } = await scanned();
      const names = (urls: readonly string[]): string[] => urls.map((url) => url.replace(/\w+@/, '')).toSorted();
      expect(names(data.endpoints.map(({ url }) => url))).toEqual(names(lines.map(({ url }) => url)));
      expect(data.outcome).toMatch(/^A\+?$/);
      expect(data.ledgers.map(({ origin }) => origin)).toEqual(['audit.example.com/main', 'audit.example.com/system']);
      for (const { entries, block } of data.ledgers) expect([entries > 0, block >= 0]).toEqual([true, true]);
      for (const { clients, protocols } of data.endpoints) {
        expect(protocols).toEqual(['TLS 1.3']);
        expect(clients.plaintext).toBe('refused');
      }
      expect(alerts.open).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'is no alarm while every certificate is renewed',
    async () => {
      const serials = ({ data }: WrittenPosture): string[] =>
        data.endpoints.map(({ certificate }) => certificate!.serial);
      const before = new Set(serials(await scanned()));
      await system.installation.renewCertificates({ leastLeft: 1 });
      const isRenewed = async (): Promise<boolean> => {
        const after = (await postures()).at(-1)!;
        const isFull = after.data.endpoints.length === 8;
        if (isFull && serials(after).every((serial) => !before.has(serial))) return true;
        await scanned();
        return false;
      };
      await waitUntil(isRenewed, { what: 'renewed certificates everywhere', timeoutMs: WITHIN_MS, everyMs: 500 });
      expect(alerts.seen.filter(({ code }) => code.startsWith('tls.'))).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'T28: of a broker that takes a suite with CBC: raises tls.posture, until it is as the policy says again',
    async () => {
      const { layout, nats } = system.installation;
      const config = path.join(layout.nats, 'nats.conf');
      const good = readFileSync(config, 'utf8');
      const weak =
        'min_version: "1.2", cipher_suites: ["TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"], allow_insecure_cipher_suites: true';
      writeFileSync(config, good.replace(/min_version: ?"1.3"/, weak));
      nats.reload();
      // It may not have read its config again when the first scan begins.
      await waitUntil(
        async () => {
          await scanned();
          return alerts.open.some(({ code }) => code === 'tls.posture');
        },
        { what: 'tls.posture', timeoutMs: WITHIN_MS },
      );
      expect(alerts.open.map(({ code }) => code)).toEqual(['tls.posture']);
      expect(alerts.open[0]!.detail).toContain('nats+tlsfirst://');
      expect(alerts.open[0]!.detail).toContain('CBC');
      writeFileSync(config, good);
      nats.reload();
      await waitUntil(
        async () => {
          await scanned();
          return alerts.open.length === 0;
        },
        { what: 'the alert cleared', timeoutMs: WITHIN_MS },
      );
      expect(alerts.problems).toEqual([]);
    },
    TEST_MS,
  );
});
