/** Rows about nats-server: killed, paused, not syncing, its files damaged as a power failure or a bad disk would. */
import { readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import path from 'node:path';
import { startNatsServer, waitUntil } from '@everseal/local';
import { temporaryFolder } from '@everseal/testing';
import { InjectedFailures } from './injected-failures.js';
import type { ActRow } from './row.js';
import { type Stage, WITHIN_MS } from './stage.js';

const INGEST = 'ingest-a';
const WAIT = { timeoutMs: WITHIN_MS, everyMs: 50 };
/** What a stream that lost or changed messages may raise, and nothing else. */
const STREAM_ALERTS = ['stream.lost', 'stream.replaced', 'custody.gap', 'custody.overdue', 'custody.altered'];
const GUARDED = ['apps/verifier/src/stream-guard.spec.ts', /T20.*control: without the guard/] as const;

/** Accepted events that nobody has sealed: sealers are stopped, the load has ended. @returns number of the newest frame */
async function unsealed(stage: Stage, receipts: number): Promise<number> {
  stage.startLoad();
  await stage.moreReceipts(receipts);
  await stage.endLoad();
  return Math.max(...stage.orders.receipted.map(({ frame }) => frame!.number));
}

/** The sealers have taken everything that the stream has. */
async function sealedWhatTheStreamHas(stage: Stage): Promise<void> {
  let steady = 0;
  let last = -1;
  const settled = async (): Promise<boolean> => {
    const { size } = await stage.database.head();
    steady = size === last ? steady + 1 : 0;
    last = size;
    return steady >= 25; // five seconds: longer than a lease
  };
  await waitUntil(settled, { timeoutMs: WITHIN_MS, everyMs: 200, what: 'a log that stands still' });
}

export const BROKER_ROWS: readonly ActRow[] = [
  {
    row: '6',
    fault: 'kill -9 of nats-server under load',
    expected: 'everything receipted is there',
    on: 'plain',
    isQuick: true,
    control: 'own',
    act: async (stage) => {
      const { lastSequence: before } = await stage.stream();
      await stage.restart('nats', 'SIGKILL');
      const { lastSequence: after } = await stage.stream();
      if (after < before) throw new Error(`the stream went back from ${before} to ${after}`);
      return {
        seen: `stream at ${before} before, ${after} after`,
        control: 'row 8: with the tail cut off, it went back',
      };
    },
  },
  {
    row: '7',
    fault: 'kill -9 of nats-server, tail cut off: sealed frames',
    expected: 'numbers used again are told apart by hash; 0 lost',
    on: 'plain',
    isQuick: true,
    alerts: ['stream.replaced'],
    mayRaise: STREAM_ALERTS,
    control: GUARDED,
    act: async (stage) => {
      await stage.endLoad();
      const { size } = await stage.database.head();
      await stage.untilWell(0, size, []);
      const { lastSequence: before } = await stage.stream();
      await stage.restart('nats', 'SIGKILL', () =>
        stage.storeFiles.cutTail(Math.ceil(stage.storeFiles.newestSize / 3)),
      );
      const { lastSequence: after } = await stage.stream();
      if (after >= before) throw new Error(`nothing was lost: ${before} before, ${after} after`);
      return { seen: `stream cut from ${before} to ${after}, all of it sealed` };
    },
  },
  {
    row: '8',
    fault: 'the same: frames that nobody has read',
    expected: 'they come again from the spool',
    on: 'plain',
    isQuick: true,
    mayRaise: STREAM_ALERTS,
    control: 'own',
    act: async (stage) => {
      await stage.endLoad();
      const { missing, cut } = await stage.without(stage.sealers, async () => {
        const from = stage.storeFiles.newestSize;
        const newest = await unsealed(stage, 60);
        return stage.without([INGEST], async () => {
          const bytes = (stage.storeFiles.newestSize - from) >> 1;
          if (bytes <= 0) throw new Error('the newest file was changed');
          await stage.restart('nats', 'SIGKILL', () => stage.storeFiles.cutTail(bytes));
          // Control: without the spool, what was cut off would be lost.
          await Promise.all(stage.sealers.map((id) => stage.start(id)));
          await sealedWhatTheStreamHas(stage);
          const sealed = await stage.database.sealedFrame();
          await Promise.all(stage.sealers.map((id) => stage.service(id).stop()));
          stage.nowMended();
          return { missing: newest - sealed, cut: bytes };
        });
      });
      if (missing <= 0) throw new Error('control: nothing was missing without the spool');
      return { seen: `${cut} bytes cut off`, control: `without the spool ${missing} frames stay lost` };
    },
  },
  {
    row: '9',
    fault: 'bit flip in a stored message that nobody has read',
    expected: 'seen by its checksum; the spool gives the frame again',
    on: 'plain',
    isQuick: true,
    mayRaise: STREAM_ALERTS,
    control: 'own',
    act: async (stage) => {
      await stage.endLoad();
      const ingest = stage.service(INGEST);
      const gone = await stage.without(stage.sealers, async () => {
        const from = stage.storeFiles.newestSize;
        await unsealed(stage, 60);
        const before = await stage.stream();
        ingest.kill('SIGSTOP'); // it would give the frame again at once
        try {
          await stage.restart('nats', 'SIGKILL', () => {
            stage.storeFiles.flipBit((from + stage.storeFiles.newestSize) >> 1);
          });
          return before.messages - (await stage.stream()).messages;
        } finally {
          ingest.kill('SIGCONT');
        }
      });
      const control = gone > 0 ? `without the spool ${gone} frames are gone` : 'the broker did not notice at its start';
      return { seen: `one bit flipped, ${gone} frames not given out any more`, control };
    },
  },
  {
    row: '10',
    fault: 'nats-server with the default sync_interval',
    expected: 'ingest is not ready and takes nothing',
    on: 'plain',
    isQuick: true,
    mayRaise: ['custody.overdue'],
    control: 'own',
    act: async (stage) => {
      const { installation } = stage.system;
      const dir = installation.layout.nats;
      installation.nats.kill('SIGTERM');
      await installation.nats.process.exited;
      const config = readFileSync(path.join(dir, 'nats.conf'), 'utf8');
      const lax = config.replace(/sync_interval: always/, 'sync_interval: "2m"');
      if (lax === config) throw new Error('nats.conf does not say sync_interval: always');
      const before = stage.receipts; // also none while it has not yet looked at the server that it meets
      const server = await startNatsServer({ dir, config: lax, port: installation.ports.nats });
      try {
        const says = async (): Promise<boolean> => (await stage.ready(INGEST)).includes('acknowledges before it syncs');
        await waitUntil(says, { ...WAIT, what: 'ingest says why it is not ready' });
        await sleep(2_000);
        if (stage.receipts !== before) throw new Error(`it gave ${stage.receipts - before} receipts all the same`);
      } finally {
        await server.stop();
      }
      stage.nowMended();
      await installation.startNats();
      return { seen: '/ready says why; no receipt', control: 'ready again with sync_interval: always' };
    },
  },
  {
    row: '11b',
    fault: 'EIO on the fsync of nats-server (strace)',
    expected: 'no receipt for what is not synced; goes on after a restart',
    on: 'plain',
    isQuick: true,
    needs: ['strace'],
    mayRaise: STREAM_ALERTS,
    control: 'own',
    act: async (stage) => {
      const running = stage.engine('nats');
      const failures = await InjectedFailures.start([running.pid], 'fsync,fdatasync', 'EIO');
      let during: number;
      try {
        await sleep(2_000); // what was under way is through
        const before = stage.receipts;
        await sleep(4_000);
        during = stage.receipts - before;
      } finally {
        await failures.stop();
      }
      await stage.restart('nats', 'SIGKILL');
      if (during > 0) throw new Error(`${during} receipts were given while no sync succeeded`);
      return { seen: 'no receipt while syncs failed', control: 'before and after it receipts came' };
    },
  },
  {
    row: '14',
    fault: 'stream deleted and made again under its name',
    expected: 'lanes come again from the spools; sealed frames skipped',
    on: 'plain',
    isQuick: true,
    alerts: ['stream.replaced'],
    mayRaise: [...STREAM_ALERTS, 'stream.config'],
    control: GUARDED,
    act: async (stage) => {
      await stage.restart('nats', 'SIGKILL', () => stage.storeFiles.remove());
      await stage.system.installation.deploy();
      return { seen: 'made again by the deploy step, under load' };
    },
  },
  {
    row: '15',
    fault: 'stream put back from an older copy',
    expected: 'as 14',
    on: 'plain',
    isQuick: false,
    alerts: ['stream.replaced'],
    mayRaise: STREAM_ALERTS,
    control: GUARDED,
    act: async (stage) => {
      const folder = temporaryFolder('copy');
      const copy = path.join(folder.path, 'stream');
      try {
        await stage.restart('nats', 'SIGTERM', () => stage.storeFiles.copyTo(copy));
        await stage.moreReceipts(60);
        await stage.endLoad();
        await stage.without(stage.sealers, async () => {
          await unsealed(stage, 60);
          const { lastSequence: before } = await stage.stream();
          await stage.restart('nats', 'SIGKILL', () => stage.storeFiles.putBack(copy));
          const { lastSequence: after } = await stage.stream();
          if (after >= before && statSync(copy).isDirectory()) throw new Error('the copy is not older');
        });
      } finally {
        folder.remove();
      }
      return { seen: 'older copy, sealed and unsealed frames gone' };
    },
  },
  {
    row: '17',
    fault: 'SIGSTOP of nats-server',
    expected: 'clients notice by their pings; nothing twice',
    on: 'plain',
    isQuick: false,
    mayRaise: ['custody.overdue', 'clock.skew'],
    control: ['libs/messaging/src/connect.spec.ts', /gives up a server that does not answer pings/],
    act: async (stage) => {
      const seconds = stage.isLong ? 90 : 18;
      const running = stage.engine('nats');
      running.kill('SIGSTOP');
      await sleep(seconds * 1_000);
      running.kill('SIGCONT');
      stage.nowMended();
      return { seen: `stood still for ${seconds} s` };
    },
  },
  {
    row: '20',
    fault: 'nats-server killed again and again',
    expected: 'clients come back each time; no service ends',
    on: 'plain',
    isQuick: false,
    mayRaise: ['custody.overdue'],
    control: ['libs/messaging/src/connect.spec.ts', /comes back after more failed attempts than the library would/],
    act: async (stage) => {
      const rounds = stage.isLong ? 36 : 4;
      for (let i = 0; i < rounds; i++) {
        await stage.restart('nats', 'SIGKILL', () => sleep(3_500));
        await sleep(stage.random() * 1_500);
      }
      return { seen: `${rounds} times, 3.5 s each: more attempts than the library makes by itself` };
    },
  },
];
