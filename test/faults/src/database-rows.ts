/** Rows about Postgres: killed, failing syncs, settings that lose what was committed. */
import { setTimeout as sleep } from 'node:timers/promises';
import path from 'node:path';
import { DATABASE, startPostgres, waitUntil } from '@everseal/local';
import { renderPostgres } from '@everseal/policy';
import { childrenOf, InjectedFailures } from './injected-failures.js';
import { type ActRow, firstWords } from './row.js';
import { type Stage, WITHIN_MS } from './stage.js';

const WAIT = { timeoutMs: WITHIN_MS, everyMs: 100 };

/** Runs Postgres with another value of a setting while `work` does; then as it was. */
async function withSetting(stage: Stage, setting: string, work: () => Promise<void>): Promise<void> {
  const { installation } = stage.system;
  const { layout, policy, ports } = installation;
  installation.postgres.kill('SIGINT');
  await installation.postgres.process.exited;
  const certificate = path.join(layout.pki, 'server', 'postgres');
  const tls = {
    certFile: path.join(certificate, 'cert.pem'),
    keyFile: path.join(certificate, 'key.pem'),
    caFile: path.join(certificate, 'ca.pem'),
  };
  const { hba, ident } = renderPostgres(policy, { database: DATABASE });
  const settings = { [setting]: 'off' };
  const lax = await startPostgres({ dir: layout.postgres, port: ports.postgres, tls, hba, ident, settings });
  try {
    await work();
  } finally {
    await lax.stop();
    stage.nowMended();
    await installation.startPostgres();
  }
}

/**
 * Waits until Postgres has ended its sessions after a PANIC and answers again, or has ended itself; then it is started.
 *
 * @returns what it did
 */
export async function afterPanic(stage: Stage): Promise<string> {
  const running = stage.engine('postgres');
  const isBack = (): boolean => /reinitializing[^]*ready to accept connections/.test(running.logTail(2_000));
  await waitUntil(() => !running.isRunning || isBack(), { ...WAIT, what: 'Postgres after its PANIC' });
  if (running.isRunning) return 'recovered by itself';
  await stage.system.installation.startPostgres();
  return 'ended, and recovered when it was started';
}

function refusesWith(setting: string): ActRow['act'] {
  return async (stage) => {
    const said = await stage.without(stage.sealers, async () => {
      let reason = '';
      await withSetting(stage, setting, async () => {
        const { height } = await stage.database.head();
        reason = await stage.start(stage.sealers[0]!).then(
          () => '',
          (error: Error) => error.message,
        );
        if (reason === '') throw new Error(`a sealer started over Postgres with ${setting} off`);
        if (!reason.includes(setting)) throw new Error(`it refused for another reason: ${reason}`);
        if ((await stage.database.head()).height !== height) throw new Error('a block was made');
        await stage.raised('store.durability');
      });
      return reason;
    });
    return { seen: firstWords(said), control: 'it starts once the setting is right' };
  };
}

export const DATABASE_ROWS: readonly ActRow[] = [
  {
    row: '27',
    fault: 'kill -9 of Postgres, all of it, under load',
    expected: 'recovers; every committed block is there',
    on: 'plain',
    isQuick: true,
    control: 'own',
    act: async (stage) => {
      const times = stage.isLong ? 5 : 2;
      for (let i = 0; i < times; i++) {
        const before = await stage.database.cosigned();
        await stage.restart('postgres', 'SIGKILL', () => sleep(stage.random() * 500));
        const after = await waitUntil(async () => (await stage.database.head()).size || undefined, {
          ...WAIT,
          what: 'the head',
        });
        if (after < before) throw new Error(`cosigned up to ${before}, the database ends at ${after}`);
        await sleep(stage.random() * 1_000);
      }
      return {
        seen: `${times} times; nothing cosigned was gone`,
        // Away for longer than the lease, Postgres gives it to whoever asks first; the other ends.
        stops: stage.sealers,
        control: 'restored-database.spec: an older copy is refused',
      };
    },
  },
  {
    row: '28',
    fault: 'EIO on a sync of Postgres (strace)',
    expected: 'it panics and recovers; sealing goes on',
    on: 'plain',
    isQuick: true,
    needs: ['strace'],
    control: 'own',
    act: async (stage) => {
      const running = stage.engine('postgres');
      const { pid } = running;
      const failures = await InjectedFailures.start([pid, ...childrenOf(pid)], 'fsync,fdatasync', 'EIO', '1');
      try {
        const panicked = (): boolean => !running.isRunning || /PANIC/.test(running.logTail(2_000));
        await waitUntil(panicked, { ...WAIT, what: 'a sync that failed' });
      } finally {
        await failures.stop();
      }
      stage.nowMended();
      return { seen: `PANIC in its log; ${await afterPanic(stage)}`, control: 'rows before: without EIO no PANIC' };
    },
  },
  {
    row: '31',
    fault: 'Postgres with fsync off',
    expected: 'the sealer refuses to start',
    on: 'plain',
    isQuick: true,
    alerts: ['store.durability'],
    mayRaise: ['custody.overdue'],
    control: 'own',
    act: refusesWith('fsync'),
  },
  {
    row: '31b',
    fault: 'Postgres with synchronous_commit off',
    expected: 'the sealer refuses to start',
    on: 'plain',
    isQuick: false,
    alerts: ['store.durability'],
    mayRaise: ['custody.overdue'],
    control: 'own',
    act: refusesWith('synchronous_commit'),
  },
];
