/**
 * `everseal alerts ack` on a whole installation: an alert that nothing else clears stands over a restart of its service, and is
 * cleared by the acknowledgement of exactly it; the control is everything that does not clear it.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { repositoryRoot } from '@everseal/local';
import { AlertWatch, InstalledSystem } from '@everseal/testing';

const START_MS = 240_000;
const TEST_MS = 120_000;
const WITHIN_MS = 60_000;
const MAIN = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');

let system: InstalledSystem;
let alerts: AlertWatch;

beforeAll(async () => {
  system = await InstalledSystem.start();
  alerts = await AlertWatch.open(system.installation);
}, START_MS);

afterAll(async () => {
  await alerts?.close();
  await system?.stop();
}, START_MS);

function everseal(...args: string[]): { code: number | null; out: string; err: string } {
  const { dir } = system.installation.layout;
  const ran = spawnSync(process.execPath, [MAIN, '--dir', dir, ...args], { encoding: 'utf8', timeout: TEST_MS });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

function submit(data: string): number | null {
  const event = [
    '--source',
    'https://billing.example.com/api',
    '--type',
    'invoice.paid',
    '--id',
    'one',
    '--data',
    data,
  ];
  return everseal('submit', '--producer', 'billing', '--time', '2026-01-01T00:00:00Z', ...event).code;
}

const acknowledge = (source: string, number: number, ...more: string[]): ReturnType<typeof everseal> =>
  everseal('alerts', 'ack', source, String(number), '--by', 'on call', '--reason', 'a test of ours', ...more);

describe('an alert that nothing else clears', () => {
  it(
    'stands over a restart, and under acknowledgements that are not its own, until its own comes',
    async () => {
      expect([submit('1'), submit('2')]).toEqual([0, 3]);
      const { source, number } = await alerts.raised('event.conflict', WITHIN_MS);
      expect(everseal('alerts')).toMatchObject({ code: 6 });
      expect(everseal('alerts').out).toContain(`everseal alerts ack ${source} ${number}`);
      await system.installation.service('ingest', 'a').stop();
      await system.installation.startService('ingest', 'a');
      expect(acknowledge(source, number + 1)).toMatchObject({ code: 2 });
      expect(acknowledge(source, number, '--state', path.join(system.installation.layout.dir, 'none')).code).toBe(2);
      expect(everseal('alerts').code).toBe(6);

      expect(acknowledge(source, number)).toMatchObject({ code: 0 });
      await alerts.allCleared(WITHIN_MS);
      expect(everseal('alerts').code).toBe(0);
      const last = alerts.seen.at(-1) as unknown as Record<string, unknown>;
      expect(last).toMatchObject({
        code: 'event.conflict',
        state: 'cleared',
        clears: number,
        clearedBy: 'acknowledged by on call: a test of ours',
        acknowledged: { by: 'on call', reason: 'a test of ours' },
      });
      expect(alerts.problems).toEqual([]);
      expect(acknowledge(source, number)).toMatchObject({ code: 2 });
    },
    TEST_MS,
  );
});
