/** Rows about wrong clocks, and about the verifier that notices them, other things, and is missed itself. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import path from 'node:path';
import { waitUntil } from '@everseal/local';
import { OutsideWatch } from '../../soak/src/outside-watch.js';
import type { ActRow } from './row.js';
import { CLOCK_BOUND_MS, WITHIN_MS } from './stage.js';

const WAIT = { timeoutMs: WITHIN_MS, everyMs: 100 };
const HOUR_MS = 3_600_000;

function sealerClock(by: number, isQuick: boolean): ActRow {
  return {
    row: by > 0 ? '36' : '36b',
    fault: `clock of the sealing sealer an hour ${by > 0 ? 'ahead' : 'back'}`,
    expected: 'times in the log stay in order; clock.skew',
    on: 'plain',
    isQuick,
    alerts: ['clock.skew'],
    mayRaise: ['custody.overdue'],
    control: ['libs/audit-core/src/clock-reading.spec.ts', /that goes right is never found wrong/],
    act: async (stage) => {
      const holder = await stage.database.holder();
      await stage.system.setClock(holder, by);
      await stage.raised('clock.skew');
      await stage.system.setClock(holder, 0);
      // One that is ahead stops before it dates a block.
      return { seen: `${holder} was called wrong`, stops: by > 0 ? [holder] : [] };
    },
  };
}

export const CLOCK_ROWS: readonly ActRow[] = [
  sealerClock(HOUR_MS, true),
  sealerClock(-HOUR_MS, false),
  {
    row: '37',
    fault: 'clock of ingest ahead by more than is allowed, then right',
    expected: 'accepted stays in order; clock.skew while it is ahead',
    on: 'plain',
    isQuick: false,
    alerts: ['clock.skew'],
    control: ['libs/audit-core/src/clock-reading.spec.ts', /that goes right is never found wrong/],
    act: async (stage) => {
      // Its frames are not dated back when the clock is set right: they, too, are ahead until the time has come.
      await stage.system.setClock('ingest-a', CLOCK_BOUND_MS + 15_000);
      await stage.raised('clock.skew');
      await stage.system.setClock('ingest-a', 0);
      return { seen: 'ingest-a was called wrong' };
    },
  },
  {
    row: '38',
    fault: 'kill -9 of the verifier',
    expected: 'nothing signed meanwhile; goes on where it was',
    on: 'plain',
    isQuick: true,
    control: 'own',
    act: async (stage) => {
      await stage.unsupervised('verifier-v1', async () => {
        await stage.kill('verifier-v1');
        await sleep(1_000); // what was on its way is there
        const before = await stage.database.cosigned();
        await stage.moreReceipts(60);
        if ((await stage.database.cosigned()) !== before)
          throw new Error('a checkpoint was cosigned without a verifier');
        stage.nowMended();
        await stage.start('verifier-v1');
      });
      return { seen: 'nothing cosigned meanwhile', control: 'cosigned again once it was back' };
    },
  },
  {
    row: '38b',
    fault: 'SIGSTOP of the verifier, an outside watcher beside it',
    expected: 'heartbeat.missing from outside within 3 periods',
    on: 'plain',
    isQuick: false,
    mayRaise: ['custody.overdue'],
    control: ['test/system/watch.spec.ts', /is all well when both are heard/],
    act: async (stage) => {
      const watch = new OutsideWatch(stage.system.installation.layout.dir);
      const verifier = stage.service('verifier-v1');
      try {
        await sleep(12_000); // it has heard everybody once
        verifier.kill('SIGSTOP');
        const began = performance.now();
        await waitUntil(() => watch.standing.includes('heartbeat.missing'), { ...WAIT, what: 'heartbeat.missing' });
        const seconds = Math.round((performance.now() - began) / 1_000);
        return { seen: `heartbeat.missing after ${seconds} s` };
      } finally {
        verifier.kill('SIGCONT');
        await watch.stop();
      }
    },
  },
  {
    row: '41',
    fault: 'an alert is raised while nats-server is down; kill -9',
    expected: 'kept on disk, sent when it is back, none missing',
    on: 'plain',
    isQuick: true,
    alerts: ['store.catalog'],
    mayRaise: ['custody.overdue'],
    control: ['libs/process/src/alert-book.spec.ts', /raises nothing that it cannot write/],
    act: async (stage) => {
      await stage.restart('nats', 'SIGKILL', async () => {
        await stage.database.rows(`ALTER ROLE everseal_reader SET work_mem = '5MB'`);
        const book = path.join(stage.system.installation.layout.state('verifier-v1'), 'alerts.json');
        const isKept = (): boolean => readFileSync(book, 'utf8').includes('store.catalog');
        await waitUntil(isKept, { ...WAIT, what: 'store.catalog in its book' });
        await stage.unsupervised('verifier-v1', () => stage.kill('verifier-v1'));
      });
      await stage.raised('store.catalog');
      await stage.database.rows('ALTER ROLE everseal_reader RESET work_mem');
      return { seen: 'it came after the restart of both' };
    },
  },
];
