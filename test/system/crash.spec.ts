/**
 * kill -9 of every part under load: ingest, sealer, verifier, nats-server, Postgres, twice each, and of all at once. A producer keeps
 * sending, and repeats what it has no receipt for, byte for byte. Afterwards every receipted event is in the log, copies
 * are marked, the log verifies from its first byte, nothing stands as an alert; and whatever was not killed has ridden
 * through it as the same process.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { servicesOf, waitUntil, type ManagedProcess, type ServiceInstance } from '@everseal/local';
import { AlertWatch, InstalledSystem, JournalProducer, LogOracle } from '@everseal/testing';

const START_MS = 180_000;
const TEST_MS = 300_000;
/** Bound for the system to work again after a kill. A Postgres that recovers on a busy machine may take half a minute. */
const RECOVER_MS = 120_000;
const KILLS = 2;
/** Their second pass is waited for; at full speed they would leave the tail too little of the processor. */
const SWEEP = { sweep: { bodies: 50_000, index: 10_000, stored: 50_000, pauseMs: 200, longestPauseMs: 200 } };
/** Receipts between two kills. */
const RECEIPTS = 150;

let system: InstalledSystem;
let alerts: AlertWatch;
const journals: Record<string, JournalProducer['journal']> = {};

beforeAll(async () => {
  system = await InstalledSystem.start({ settings: { 'verifier-v1': SWEEP } });
  alerts = await AlertWatch.open(system.installation);
}, START_MS);

afterAll(async () => {
  await alerts?.close();
  await system?.stop();
}, START_MS);

afterEach(() => expect(alerts.problems).toEqual([]));

function openProducer(name: string): Promise<JournalProducer> {
  const { installation, ledger, origin, keys } = system;
  return JournalProducer.open({
    login: installation.logins.nats('producer', name),
    ledger,
    producer: name,
    origin,
    ingestKeys: keys.ingest,
    source: `https://${name}.example.com/crash/${Object.keys(journals).length}`,
  });
}

const running = (): [string, ManagedProcess][] =>
  servicesOf(system.installation.policy).map(({ service, name, id }) => [
    id,
    system.installation.service(service, name),
  ]);

/** Loads, kills again and again, and judges. `kill` resolves when the part runs again. */
async function survive(kill: () => Promise<void>, killed: readonly string[], kills = KILLS): Promise<void> {
  const producer = await openProducer('orders');
  try {
    const before = new Map(running());
    let enough = false;
    const load = producer.load(2, 4, () => enough, 20);
    const receipts = (count: number): Promise<unknown> =>
      waitUntil(() => producer.receipted.length >= count, {
        what: `${count} receipts (${producer.receipted.length} so far; ${system.said.slice(-3).join(' | ')})`,
        timeoutMs: RECOVER_MS,
      });
    for (let i = 1; i <= kills; i++) {
      // Not always at the same moment of a block's life.
      await receipts(producer.receipted.length + RECEIPTS + ((i * 37) % 100));
      await kill();
    }
    await receipts(producer.receipted.length + RECEIPTS);
    enough = true;
    await load;
    journals[`orders ${Object.keys(journals).length}`] = producer.journal;
    await judge();
    const survivors = running().filter(([id]) => !killed.includes(id));
    for (const [id, process] of survivors)
      expect([id, process.isRunning, process === before.get(id)]).toEqual([id, true, true]);
  } finally {
    await producer.close();
  }
}

async function judge(): Promise<void> {
  const { installation, trust } = system;
  const oracle = await LogOracle.open(await installation.logins.postgres('ops', 'ops'), trust);
  try {
    const orders = Object.values(journals).flat();
    await oracle.caughtUp(orders, RECOVER_MS);
    await oracle.cosigned(RECOVER_MS);
    const { report, sealed, copies, ...verdict } = await oracle.judge({ orders });
    expect(report.findings).toEqual([]);
    expect(verdict).toEqual({ receipted: orders.length, lost: [], unmarked: [], unknown: [], misindexed: [] });
    expect(sealed).toBe(orders.length + copies);
    expect(report.checkpoint?.size).toBe(report.size);
  } finally {
    await oracle.close();
  }
  // A pass of every sweep over all of it, so that an alert which would come has come.
  for (const sweep of ['bodies', 'index', 'stored']) {
    const passes = (): Promise<number> => system.metric('verifier', 'v1', `everseal_sweep_${sweep}_passes_total`);
    const wanted = (await passes()) + 2;
    await waitUntil(async () => (await passes()) >= wanted, { what: `the ${sweep} sweep`, timeoutMs: RECOVER_MS });
  }
  expect(alerts.open).toEqual([]);
  for (const { service, name, id } of servicesOf(installation.policy)) {
    const ready = async (): Promise<boolean> => /"ready"/.test(await system.ask(service, name, '/ready'));
    await waitUntil(ready, { what: `${id} ready`, timeoutMs: RECOVER_MS });
  }
}

describe('kill -9 under load', () => {
  it.each(['ingest', 'sealer', 'verifier'] as const)(
    'of the %s loses nothing',
    async (kind) => {
      const { installation } = system;
      const { service, name, id } = servicesOf(installation.policy).find(
        (one) => one.service === kind,
      ) as ServiceInstance;
      await survive(async () => {
        const process = installation.service(service, name);
        process.kill('SIGKILL');
        await process.exited;
        await installation.startService(service, name);
      }, [id]);
    },
    TEST_MS,
  );

  it(
    'of nats-server loses nothing, and no service has to be started again',
    async () => {
      const { installation } = system;
      await survive(async () => {
        const { process } = installation.nats;
        process.kill('SIGKILL');
        await process.exited;
        await installation.startNats();
      }, []);
    },
    TEST_MS,
  );

  it(
    'of Postgres loses nothing, and no service has to be started again',
    async () => {
      const { installation } = system;
      await survive(async () => {
        const { process } = installation.postgres;
        process.kill('SIGKILL');
        await process.exited;
        await installation.startPostgres();
      }, []);
    },
    TEST_MS,
  );

  it(
    'of everything at once loses nothing',
    async () => {
      const { installation } = system;
      const services = servicesOf(installation.policy);
      await survive(
        async () => {
          const all = [
            ...running().map(([, process]) => process),
            installation.nats.process,
            installation.postgres.process,
          ];
          for (const process of all) process.kill('SIGKILL');
          await Promise.all(all.map((process) => process.exited));
          await installation.startInfra();
          await installation.startServices();
        },
        services.map(({ id }) => id),
        1, // each part was killed twice before
      );
    },
    TEST_MS,
  );
});

describe('a service that is started before Postgres', () => {
  it(
    'waits for it. Control: without time to wait it ends, and says why',
    async () => {
      const { installation } = system;
      const waiting = (): number => verifierLog().split('Postgres cannot be used yet, trying again').length;
      await installation.service('verifier', 'v1').stop();
      await installation.postgres.stop();
      system.changeSettings('verifier-v1', { postgres: { firstConnectMs: 0 } });
      const before = waiting();
      await expect(installation.startService('verifier', 'v1')).rejects.toThrow(/ended .* before it was ready/);
      expect([waiting(), verifierLog()]).toEqual([before, expect.stringContaining('store.unavailable')]);

      system.changeSettings('verifier-v1', { postgres: { firstConnectMs: 2 * RECOVER_MS } });
      const starting = installation.startService('verifier', 'v1');
      await waitUntil(() => waiting() > before, { what: 'the verifier waiting', timeoutMs: RECOVER_MS });
      await installation.startPostgres();
      expect((await starting).isRunning).toBe(true);
    },
    TEST_MS,
  );
});

const verifierLog = (): string =>
  readFileSync(path.join(system.installation.layout.services, 'verifier-v1.log'), 'utf8');
