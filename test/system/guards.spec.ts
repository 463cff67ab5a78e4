/**
 * The verifier's guards on a whole installation: nothing is raised by an untouched one, by a restart of the verifier, by the
 * deploy step run again; an act of a superuser is raised while it stands (T17, T18), also when the deploy step runs over it; anchors
 * that stop quietly are missed (T26).
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@everseal/local';
import { AlertWatch, InstalledSystem } from '@everseal/testing';
import { Client } from 'pg';

const START_MS = 180_000;
const WITHIN_MS = 60_000;
/** As they are rendered, but for looks that follow one another sooner; and the anchors that the sealer makes. */
const VERIFIER = {
  guards: { agreementFile: '../trust/catalog.note', deployKeyFile: '../trust/deploy.vkey', everyMs: 200 },
  anchors: { copies: [{ name: 'disk', kind: 'file', everyMs: 1_000 }] },
};
const SEALER = { anchors: { files: [{ name: 'disk', folder: '../anchors', appendOnlyFlag: false, everyMs: 1_000 }] } };

let system: InstalledSystem;
let alerts: AlertWatch;
let dba: Client;

beforeAll(async () => {
  system = await InstalledSystem.start({ settings: { 'verifier-v1': VERIFIER, 'sealer-s1': SEALER } });
  alerts = await AlertWatch.open(system.installation);
  dba = new Client(await system.installation.logins.superuser());
  await dba.connect();
}, START_MS);

afterAll(async () => {
  await dba?.end();
  await alerts?.close();
  await system?.stop();
}, START_MS);

/** Looks that each guard has finished since the verifier started. */
async function looks(): Promise<number[]> {
  const text = await system.ask('verifier', 'v1', '/metrics');
  return [...text.matchAll(/^everseal_guard_looks_total\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
}

async function looksOf(guard: string): Promise<number> {
  const text = await system.ask('verifier', 'v1', '/metrics');
  return Number(new RegExp(`^everseal_guard_looks_total\\{.*guard="${guard}".*\\} (\\d+)$`, 'm').exec(text)?.[1]);
}

/** Whatever was done before is seen by a look that begins after it. */
async function everyGuardLooked(): Promise<void> {
  const before = await looks();
  expect(before).toHaveLength(6);
  const isPast = async (): Promise<boolean> => (await looks()).every((count, i) => count >= before[i]! + 2);
  await waitUntil(isPast, { what: 'two looks of every guard', timeoutMs: WITHIN_MS });
}

async function restartVerifier(): Promise<void> {
  await system.installation.service('verifier', 'v1').stop();
  await system.installation.startService('verifier', 'v1');
}

const isNotAsAgreed = (line: string): boolean => line.includes('store.catalog');

describe('an untouched installation', () => {
  it(
    'raises nothing: from its start, after a restart of the verifier, after the deploy step ran again',
    async () => {
      await everyGuardLooked();
      await restartVerifier();
      await everyGuardLooked();
      await system.installation.deploy();
      await everyGuardLooked();
      expect(alerts.seen).toEqual([]);
      expect(system.said.filter(isNotAsAgreed)).toEqual([]);
    },
    START_MS,
  );
});

describe('an act of a superuser', () => {
  it(
    'T17: on the rights raises store.catalog and nothing else, over a restart and a deploy step, until it is undone',
    async () => {
      await dba.query('GRANT UPDATE ON everseal.block_body TO everseal_sealer');
      const { number, detail } = await alerts.raised('store.catalog', WITHIN_MS);
      expect(detail).toContain('relation block_body of database everseal');
      await restartVerifier();
      await system.installation.deploy();
      expect(system.said.filter(isNotAsAgreed)).toHaveLength(1);
      await everyGuardLooked();
      expect(alerts.open.map((alert) => [alert.code, alert.number])).toEqual([['store.catalog', number]]);
      await dba.query('REVOKE UPDATE ON everseal.block_body FROM everseal_sealer');
      await alerts.allCleared(WITHIN_MS);
    },
    START_MS,
  );

  it(
    'T17: on what the verifier may read ends no verifier, over a restart, and is raised until it is undone',
    async () => {
      await dba.query('REVOKE SELECT ON everseal.anchor FROM everseal_verifier');
      await alerts.raised('store.catalog', WITHIN_MS);
      const [before, anchors] = [await looksOf('catalog'), await looksOf('anchors')];
      await waitUntil(async () => (await looksOf('catalog')) >= before + 2, { what: 'looks', timeoutMs: WITHIN_MS });
      expect(await looksOf('anchors')).toBe(anchors);
      await restartVerifier();
      expect(new Set(alerts.open.map(({ code }) => code))).toEqual(new Set(['store.catalog']));
      await dba.query('GRANT SELECT ON everseal.anchor TO everseal_verifier');
      await alerts.allCleared(WITHIN_MS);
      await everyGuardLooked();
    },
    START_MS,
  );

  it(
    'T18: on what a commit is worth raises store.durability and nothing else, until it is undone',
    async () => {
      await dba.query("ALTER ROLE everseal_sealer SET synchronous_commit = 'off'");
      await alerts.raised('store.durability', WITHIN_MS);
      await everyGuardLooked();
      expect(alerts.open.map(({ code }) => code)).toEqual(['store.durability']);
      await dba.query('ALTER ROLE everseal_sealer RESET synchronous_commit');
      await alerts.allCleared(WITHIN_MS);
      expect(alerts.problems).toEqual([]);
    },
    START_MS,
  );
});

describe('anchors', () => {
  async function restartSealer(settings: object): Promise<void> {
    await system.installation.service('sealer', 's1').stop();
    system.changeSettings('sealer-s1', settings);
    await system.installation.startService('sealer', 's1');
  }

  const anchored = (): Promise<number> => system.metric('sealer', 's1', 'everseal_anchored_size_entries');

  it(
    'T26: that are stopped quietly are missed by the verifier, until they go on and are filled in',
    async () => {
      const producer = await system.openProducer({ source: 'https://orders.example.com/anchors' });
      let isOver = false;
      const load = producer.load(1, 1, () => isOver, 100);
      try {
        await waitUntil(async () => (await anchored()) > 0, { what: 'an anchor', timeoutMs: WITHIN_MS });
        const before = await anchored();
        await waitUntil(async () => (await anchored()) > before, { what: 'another anchor', timeoutMs: WITHIN_MS });
        expect(alerts.open).toEqual([]); // the control: nothing is missed while they are made
        await restartSealer({ anchors: { files: [] } });
        const { source, detail } = await alerts.raised('anchor.overdue', WITHIN_MS);
        expect(source).toContain('/verifier/v1');
        expect(detail).toContain(`${system.origin} is not anchored at disk (file) any more`);
        await restartSealer(SEALER);
        await alerts.allCleared(WITHIN_MS);
      } finally {
        isOver = true;
        await load;
        await producer.close();
      }
      expect(alerts.problems).toEqual([]);
    },
    START_MS,
  );
});
