/** Rows about bounds: full and read-only disks, the ring, the spool's bound, overload. On the installation with the least of everything. */
import { servicesOf, waitUntil } from '@everseal/local';
import { afterPanic } from './database-rows.js';
import { type ActRow, firstWords } from './row.js';
import { residentMegabytes } from './resident-memory.js';
import { type Stage, WITHIN_MS } from './stage.js';

const INGEST = 'ingest-a';
const WAIT = { timeoutMs: WITHIN_MS, everyMs: 50 };
const MIB = 1024 * 1024;
/** Bound for each service under overload, megabytes of resident memory. A service that does nothing has about 100. */
const MOST_RESIDENT_MB = 400;
/** Below what the broker's ring and Postgres's next WAL file need. */
const NO_ROOM = 64 * 1024;
const REFUSED = ['apps/ingest/src/readiness.spec.ts', /backpressure comes from the bound of the spool/] as const;

/** Waits until producers are told "unavailable", and says how often. */
async function refusals(stage: Stage, work: () => Promise<void>): Promise<number> {
  const before = stage.orders.unavailable + stage.billing.unavailable;
  await work();
  return stage.orders.unavailable + stage.billing.unavailable - before;
}

/** Sends events of `bytes` each in bursts that stay below the spool's bound, each after the one before is covered. */
async function passThrough(stage: Stage, total: number): Promise<number> {
  const { billing } = stage;
  const [perRequest, perBurst, ballast] = [8, 10, 6_000];
  const bytes = perRequest * perBurst * ballast;
  let sent = 0;
  for (; sent < total; sent += bytes) {
    const covered = async (): Promise<boolean> => (await stage.metric(INGEST, 'everseal_ingest_spool_bytes')) < MIB / 4;
    await waitUntil(covered, { ...WAIT, everyMs: 20, what: 'the spool covered' });
    const burst = Array.from({ length: perBurst }, () => billing.submit(billing.newEntries(perRequest, ballast)));
    await Promise.all(burst);
  }
  return sent;
}

export const BOUND_ROWS: readonly ActRow[] = [
  {
    row: '11',
    fault: "nats-server's disk full",
    expected: 'no receipt without a stored frame; goes on with room',
    on: 'small',
    isQuick: true,
    needs: ['mount'],
    mayRaise: ['stream.lost', 'stream.replaced', 'custody.gap', 'custody.overdue', 'stream.config'],
    control: 'own',
    act: async (stage) => {
      const disk = stage.disks.get('nats')!;
      disk.leave(NO_ROOM);
      const { billing } = stage;
      const burst = Array.from({ length: 12 }, () => billing.submit(billing.newEntries(1, 50_000)));
      // Until the receipts stop: two looks a second apart that are equal.
      let last = -1;
      const stopped = (): boolean => {
        const now = stage.receipts;
        const isSame = now === last;
        last = now;
        return isSame;
      };
      await waitUntil(stopped, { ...WAIT, everyMs: 2_000, what: 'no more receipts' });
      const said = stage.engine('nats').logTail(200);
      disk.makeRoom();
      await stage.restart('nats', 'SIGTERM');
      await Promise.all(burst);
      if (!/no space left/i.test(said)) throw new Error('nats-server does not say that its disk is full');
      return { seen: 'receipts stopped; all came after room and a restart', control: 'with room, receipts came' };
    },
  },
  {
    row: '11c',
    fault: "the spool's disk full",
    expected: 'intake pauses; nothing lost; goes on with room',
    on: 'small',
    isQuick: true,
    needs: ['mount'],
    mayRaise: ['custody.overdue'],
    control: 'own',
    act: async (stage) => {
      const disk = stage.disks.get('spool')!;
      disk.leave(0);
      const { billing } = stage;
      const burst = Array.from({ length: 120 }, () => billing.submit(billing.newEntries(1, 50_000)));
      let why = '';
      const isFull = async (): Promise<boolean> => {
        why = /the disk of the spool is full/.exec(await stage.ready(INGEST))?.[0] ?? '';
        return why !== '' || !stage.service(INGEST).isRunning;
      };
      await waitUntil(isFull, { ...WAIT, everyMs: 250, what: 'ingest without room' });
      disk.makeRoom();
      stage.nowMended();
      await Promise.all(burst);
      return {
        seen: why === '' ? 'ingest stopped' : `not ready: ${why}`,
        stops: [INGEST],
        control: 'with room it was ready',
      };
    },
  },
  {
    row: '11d',
    fault: "the spool's disk read-only at the start of ingest",
    expected: 'it does not start; goes on when it can write',
    on: 'small',
    isQuick: true,
    needs: ['mount'],
    mayRaise: ['custody.overdue'],
    control: 'own',
    act: async (stage) => {
      const disk = stage.disks.get('spool')!;
      const said = await stage.without([INGEST], async () => {
        disk.allowWrites(false);
        try {
          return await stage.start(INGEST).then(
            () => null,
            (error: Error) => error.message,
          );
        } finally {
          disk.allowWrites(true);
          stage.nowMended();
        }
      });
      if (said === null) throw new Error('ingest accepted on a disk that it cannot write to');
      return { seen: firstWords(said), control: 'it starts once the disk can be written to' };
    },
  },
  {
    row: '12',
    fault: 'many times the ring passes through',
    expected: 'no refusal; only what is sealed falls off',
    on: 'small',
    isQuick: true,
    control: ['libs/policy/src/parse-policy.spec.ts', /ring/],
    act: async (stage) => {
      const times = stage.isLong ? 100 : 4;
      const { config, firstSequence: before } = await stage.stream();
      const ring = config['max_bytes'] as number;
      await stage.endLoad();
      let sent = 0;
      const refused = await refusals(stage, async () => {
        sent = await passThrough(stage, times * ring);
      });
      const { firstSequence: after } = await stage.stream();
      if (refused > 0) throw new Error(`${refused} requests were refused`);
      if (after <= before) throw new Error('the ring did not move');
      return { seen: `${(sent / ring).toFixed(1)} × ${ring} bytes, no refusal; first_seq ${before} to ${after}` };
    },
  },
  {
    row: '13',
    fault: "sealers stopped until the spool's bound",
    expected: 'unavailable with a hint; nothing accepted is dropped',
    on: 'small',
    isQuick: true,
    mayRaise: ['custody.overdue', 'stream.headroom'],
    control: REFUSED,
    act: async (stage) => {
      const { billing } = stage;
      const without = billing.unavailableWithoutHint;
      let burst: Promise<void>[] = [];
      const count = await stage.without(stage.sealers, () =>
        refusals(stage, async () => {
          const before = billing.unavailable;
          burst = Array.from({ length: 60 }, () => billing.submit(billing.newEntries(4, 8_000)));
          await waitUntil(() => billing.unavailable - before >= 10, { ...WAIT, what: 'refusals at the bound' });
          stage.nowMended();
        }),
      );
      await Promise.all(burst);
      if (billing.unavailableWithoutHint > without) throw new Error('a refusal did not say when to come again');
      return { seen: `${count} times unavailable, each with a hint` };
    },
  },
  {
    row: '29',
    fault: "Postgres's disk full",
    expected: 'sealing waits; producers pushed back; goes on with room',
    on: 'small',
    isQuick: false,
    needs: ['mount'],
    mayRaise: ['custody.overdue', 'stream.headroom'],
    control: 'own',
    act: async (stage) => {
      const disk = stage.disks.get('postgres')!;
      const { billing } = stage;
      disk.leave(NO_ROOM);
      const postgres = stage.engine('postgres');
      // More than a WAL file of 16 MiB, so that Postgres needs room.
      const burst = Array.from({ length: 600 }, () => billing.submit(billing.newEntries(1, 50_000)));
      const isFull = (): boolean => /No space left on device/.test(postgres.logTail(1_000));
      await waitUntil(isFull, { ...WAIT, everyMs: 250, what: 'Postgres without room' });
      const before = billing.unavailable;
      await waitUntil(() => billing.unavailable - before >= 10, { ...WAIT, what: 'refusals' });
      disk.makeRoom();
      stage.nowMended();
      const how = /PANIC/.test(postgres.logTail(2_000)) || !postgres.isRunning ? await afterPanic(stage) : 'stayed';
      await Promise.all(burst);
      return {
        seen: `producers pushed back; Postgres ${how}`,
        control: 'with room it sealed',
      };
    },
  },
  {
    row: '44',
    fault: 'overload: many times what can be sealed is offered',
    expected: 'unavailable with a hint; memory bounded; accepted is sealed',
    on: 'small',
    isQuick: true,
    mayRaise: ['stream.headroom'],
    control: REFUSED,
    act: async (stage) => {
      const { billing } = stage;
      const ends = performance.now() + (stage.isLong ? 60_000 : 10_000);
      const [receipts, unavailable, hints] = [billing.receipts, billing.unavailable, billing.unavailableWithoutHint];
      const began = performance.now();
      let most = { mb: 0, id: '' };
      const look = setInterval(() => {
        for (const { id, service, name } of servicesOf(stage.system.installation.policy)) {
          const mb = residentMegabytes(stage.system.installation.service(service, name).pid);
          if (mb > most.mb) most = { mb, id };
        }
      }, 250);
      try {
        await billing.load(10, 300, () => performance.now() > ends);
      } finally {
        clearInterval(look);
      }
      const rate = Math.round(((billing.receipts - receipts) / (performance.now() - began)) * 1_000);
      const refused = billing.unavailable - unavailable;
      if (refused === 0) throw new Error('nothing was refused: this was no overload');
      if (billing.unavailableWithoutHint > hints) throw new Error('a refusal did not say when to come again');
      if (most.mb > MOST_RESIDENT_MB) throw new Error(`${most.id} had ${Math.round(most.mb)} MB in memory`);
      const offered = ((refused * 10 + (billing.receipts - receipts)) / (billing.receipts - receipts)).toFixed(1);
      return {
        seen: `${offered} × offered, ${rate} events/s accepted, ${refused} refusals with a hint, most memory ${Math.round(most.mb)} MB (${most.id})`,
      };
    },
  },
];
