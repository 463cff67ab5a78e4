/**
 * Two sealers for one ledger, two ingesters for its producers, as real processes under load. Whatever happens to the one
 * that is at work (killed, stopped for longer than its lease, stopped in the middle of a transaction), the other takes over,
 * the old one writes nothing when it wakes and ends, and there is one chain with every receipted event in it, once.
 *
 * The control of the fence, the same write let through without it, is in libs/ledger-store/src/sql/lease.spec.ts.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil, type ManagedProcess } from '@everseal/local';
import {
  AlertWatch,
  InstalledSystem,
  JournalProducer,
  LogOracle,
  temporaryFolder,
  type TemporaryFolder,
} from '@everseal/testing';
import pg from 'pg';

const POLICY = `domain: audit.example.com
ledgers:
  - name: main
    ingesters: [a, b]
producers:
  - name: orders
    ledgers: [main]
    sources: ['https://orders.example.com/*']
ingest:
  - name: a
  - name: b
sealers:
  - name: s1
  - name: s2
verifiers:
  - name: v1
ops:
  - name: ops
`;
const START_MS = 240_000;
const TEST_MS = 300_000;
/** The design says five seconds; a busy machine gets more, and what it took is printed. */
const TAKEOVER_MS = 60_000;
const RECEIPTS_MS = 120_000;

let folder: TemporaryFolder;
let system: InstalledSystem;
let alerts: AlertWatch;
let dba: pg.Client;
const journal: JournalProducer['journal'][number][] = [];
let producers = 0;

beforeAll(async () => {
  folder = temporaryFolder('failover');
  const policyFile = path.join(folder.path, 'everseal.yaml');
  writeFileSync(policyFile, POLICY);
  system = await InstalledSystem.start({ policyFile });
  alerts = await AlertWatch.open(system.installation);
  dba = new pg.Client(await system.installation.logins.superuser());
  await dba.connect();
}, START_MS);

afterAll(async () => {
  await dba?.end();
  await alerts?.close();
  await system?.stop();
  folder?.remove();
}, START_MS);

interface Head {
  holder: string;
  fence: number;
  height: number;
}

async function head(): Promise<Head> {
  const { rows } = await dba.query<{ holder: string | null; fence: string; height: string }>(
    'SELECT holder, fence, height FROM everseal.ledger_head',
  );
  const { holder, fence, height } = rows[0]!;
  return { holder: holder ?? '', fence: Number(fence), height: Number(height) };
}

/** The sealer that holds the lease. */
async function active(): Promise<Head & { process: ManagedProcess }> {
  const found = await waitUntil(
    async () => (await head().then((now) => (now.holder === '' ? null : now))) ?? undefined,
    {
      what: 'a holder',
      timeoutMs: TAKEOVER_MS,
    },
  );
  return { ...found, process: system.installation.service('sealer', found.holder) };
}

/** Waits until another sealer has committed a block of its own, and says how long that took. */
async function takenOver(from: Head, since: number, what: string): Promise<void> {
  const wait = { timeoutMs: TAKEOVER_MS, everyMs: 20 };
  const taken = await waitUntil(
    async () => {
      const now = await head();
      return now.fence > from.fence && now.holder !== from.holder ? now : undefined;
    },
    { ...wait, what: `${from.holder} replaced` },
  );
  const leaseMs = Math.round(performance.now() - since);
  await waitUntil(async () => (await head()).height > taken.height, { ...wait, what: `a block of ${taken.holder}` });
  const ms = Math.round(performance.now() - since);
  console.log(
    `${what}: ${taken.holder} has the lease of ${from.holder} after ${leaseMs} ms, its first block after ${ms}`,
  );
}

/** Ends a stopped sealer's pause: it must end by itself, because the lease is gone, having written nothing. */
async function wakesAndEnds(process: ManagedProcess): Promise<void> {
  process.kill('SIGCONT');
  const { code } = await process.exited;
  expect(code).not.toBe(0);
  expect(process.logTail(200)).toMatch(/lease\.lost|store\.fence-lost/);
}

/** Runs `act` while a producer sends, then judges everything that was ever sent. */
async function underLoad(act: (receipts: (more: number) => Promise<unknown>) => Promise<void>): Promise<void> {
  const { installation, ledger, origin, keys } = system;
  const producer = await JournalProducer.open({
    login: installation.logins.nats('producer', 'orders'),
    ledger,
    producer: 'orders',
    origin,
    ingestKeys: keys.ingest,
    source: `https://orders.example.com/failover/${producers++}`,
  });
  let enough = false;
  const load = producer.load(2, 6, () => enough, 10);
  const receipts = (more: number): Promise<unknown> => {
    const wanted = producer.receipted.length + more;
    return waitUntil(() => producer.receipted.length >= wanted, {
      what: `${wanted} receipts (${system.said.slice(-3).join(' | ')})`,
      timeoutMs: RECEIPTS_MS,
    });
  };
  try {
    await receipts(100);
    await act(receipts);
    await receipts(100);
    enough = true;
    await load;
  } finally {
    enough = true;
    // Also after a failure: what was sent may be in the log, and the next test judges all of it.
    journal.push(...producer.journal);
    await producer.close();
  }
  await judge();
}

async function judge(): Promise<void> {
  const oracle = await LogOracle.open(await system.installation.logins.postgres('ops', 'ops'), system.trust);
  try {
    await oracle.caughtUp(journal, RECEIPTS_MS);
    await oracle.cosigned(RECEIPTS_MS);
    const { report, sealed, copies, ...verdict } = await oracle.judge({ orders: journal });
    expect(report.findings).toEqual([]);
    expect(verdict).toEqual({ receipted: journal.length, lost: [], unmarked: [], unknown: [], misindexed: [] });
    expect(sealed).toBe(journal.length + copies);
  } finally {
    await oracle.close();
  }
  await alerts.allCleared(RECEIPTS_MS);
  expect(alerts.problems).toEqual([]);
}

describe('two sealers', () => {
  it(
    'replace each other when the active one is killed',
    () =>
      underLoad(async (receipts) => {
        for (let i = 0; i < 2; i++) {
          const { process, ...from } = await active();
          const since = performance.now();
          process.kill('SIGKILL');
          await takenOver(from, since, 'kill -9');
          await process.exited;
          await system.installation.startService('sealer', from.holder);
          await receipts(100);
        }
      }),
    TEST_MS,
  );

  it(
    'replace each other when the active one stands still for longer than its lease; it ends when it wakes',
    () =>
      underLoad(async (receipts) => {
        const { process, ...from } = await active();
        const since = performance.now();
        process.kill('SIGSTOP');
        await takenOver(from, since, 'SIGSTOP');
        await receipts(100);
        await wakesAndEnds(process);
        await system.installation.startService('sealer', from.holder);
      }),
    TEST_MS,
  );

  it(
    'replace each other when the active one stands still inside a transaction; nothing of that is kept',
    () =>
      underLoad(async (receipts) => {
        const { process, ...from } = await active();
        const session = await stoppedInTransaction(process, from.holder);
        const since = performance.now();
        // It has the row that the lease is in, locked, and will not go on.
        await waitUntil(async () => (await stateOf(session)) === 'idle in transaction', {
          what: 'an open transaction',
        });
        await takenOver(from, since, 'SIGSTOP in a transaction');
        expect(await stateOf(session)).toBeNull();
        await receipts(100);
        await wakesAndEnds(process);
        await system.installation.startService('sealer', from.holder);
      }),
    TEST_MS,
  );
});

describe('two ingesters', () => {
  it(
    'share the load; one that is killed loses nothing, and the other goes on',
    () =>
      underLoad(async (receipts) => {
        const { installation } = system;
        const accepted = (name: string): Promise<number> =>
          system.metric('ingest', name, 'everseal_ingest_newest_frame');
        for (const [killed, other] of [
          ['a', 'b'],
          ['b', 'a'],
        ] as const) {
          await waitUntil(async () => (await accepted(killed)) > 0, { what: `frames of ${killed}` });
          const process = installation.service('ingest', killed);
          process.kill('SIGKILL');
          await process.exited;
          const before = await accepted(other);
          await receipts(100);
          expect(await accepted(other)).toBeGreaterThan(before);
          await installation.startService('ingest', killed);
        }
      }),
    TEST_MS,
  );
});

/**
 * Stops a sealer with a block half written: its transaction waits for a table, is let go on, and never ends.
 * @returns the server process of that transaction
 */
async function stoppedInTransaction(process: ManagedProcess, name: string): Promise<number> {
  await dba.query('BEGIN; LOCK TABLE everseal.block_body IN SHARE MODE');
  try {
    const session = await waitUntil(
      async () => {
        // Within one transaction Postgres would show the first look again.
        await dba.query('SELECT pg_stat_clear_snapshot()');
        const { rows } = await dba.query<{ pid: number }>(
          `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'WITH new_block%'
           AND application_name = $1 AND clock_timestamp() - query_start < interval '500 milliseconds'`,
          [`sealer-${name}`],
        );
        return rows[0]?.pid;
      },
      { what: 'a block half written', everyMs: 5, timeoutMs: TAKEOVER_MS },
    );
    process.kill('SIGSTOP');
    return session;
  } finally {
    await dba.query('ROLLBACK');
  }
}

/** What a server process is doing; null when it is gone. */
async function stateOf(pid: number): Promise<string | null> {
  const { rows } = await dba.query<{ state: string }>('SELECT state FROM pg_stat_activity WHERE pid = $1', [pid]);
  return rows[0]?.state ?? null;
}
