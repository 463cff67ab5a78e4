/** Rows about the sealers and their ways: killed at chosen points, two at once, paused and woken, connections cut, half-open or without answers. */
import { renameSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '@everseal/local';
import { type ActRow, firstWords } from './row.js';
import { type Stage, WITHIN_MS } from './stage.js';

const WAIT = { timeoutMs: WITHIN_MS, everyMs: 50 };
const FENCE = ['libs/ledger-store/src/sql/lease.spec.ts', /fence keeps an old holder from writing/] as const;
const UNKNOWN = [
  'libs/ledger-store/src/transaction.spec.ts',
  /COMMIT without an answer is unknown when it was carried out/,
] as const;

/** Waits for a block after the present one. */
async function nextBlock(stage: Stage, what: string): Promise<void> {
  const { height } = await stage.database.head();
  await waitUntil(async () => (await stage.database.head()).height > height, { ...WAIT, what });
}

/** Waits until another sealer has the lease. */
async function takenOver(stage: Stage, from: string): Promise<string> {
  const before = await stage.database.head();
  return waitUntil(
    async () => {
      const { holder, fence } = await stage.database.head();
      return fence > before.fence && `sealer-${holder}` !== from && holder !== '' ? `sealer-${holder}` : undefined;
    },
    { ...WAIT, what: `another sealer than ${from}` },
  );
}

/** Waits until a sealer whose connections to Postgres carry nothing has noticed, and does what a supervisor does with one that hangs. */
async function noticed(stage: Stage, id: string): Promise<string> {
  const running = stage.service(id);
  return waitUntil(
    async () => {
      if (!running.isRunning) return 'ended';
      if ((await stage.live(id)) !== false) return undefined;
      await stage.kill(id);
      return 'was not live and was started again';
    },
    { ...WAIT, everyMs: 500, what: `${id} noticed` },
  );
}

/** kill -9 of the sealer with the lease, and wait until one of them has it anew: the other, or the same one started again. */
async function killHolder(stage: Stage): Promise<void> {
  const holder = await stage.database.holder();
  const { fence } = await stage.database.head();
  await stage.kill(holder);
  const taken = async (): Promise<boolean> => {
    const now = await stage.database.head();
    return now.fence > fence && now.holder !== '';
  };
  await waitUntil(taken, { ...WAIT, what: 'a sealer with a new lease' });
}

export const SEALER_ROWS: readonly ActRow[] = [
  {
    row: '19',
    fault: 'half-open connection of the sealer to nats-server',
    expected: 'noticed by pings; sealing goes on',
    on: 'plain',
    isQuick: true,
    control: ['libs/messaging/src/connect.spec.ts', /gives up a server that does not answer pings/],
    act: async (stage) => {
      const holder = await stage.database.holder();
      stage.link(holder, 'nats').freeze();
      stage.nowMended(); // nobody mends it but the sealer
      await sleep(2_000);
      const from = await stage.database.cosigned();
      await waitUntil(async () => (await stage.database.cosigned()) > from + 100, {
        ...WAIT,
        what: 'sealing behind the half-open one',
      });
      return { seen: `${holder} went on over a new connection` };
    },
  },
  {
    row: '19b',
    fault: 'half-open connections of the sealer to Postgres',
    expected: 'the other takes over; it ends, or says that it is not live',
    on: 'plain',
    isQuick: false,
    control: FENCE,
    act: async (stage) => {
      const holder = await stage.database.holder();
      stage.link(holder, 'postgres').freeze();
      stage.nowMended(); // nobody mends it but the sealers
      await sleep(1_000);
      await nextBlock(stage, 'a block behind the half-open ones');
      const { holder: now } = await stage.database.head();
      const how = await noticed(stage, holder);
      return { seen: `sealer-${now} seals; ${holder} ${how}`, stops: [holder] };
    },
  },
  {
    row: '19c',
    fault: 'slow network: 20 ms each way on every connection of the sealers',
    expected: 'slower; nothing else',
    on: 'plain',
    isQuick: false,
    control: 'own',
    act: async (stage) => {
      const links = stage.sealers.flatMap((id) => [stage.link(id, 'nats'), stage.link(id, 'postgres')]);
      for (const link of links) link.delayMs = 20;
      await stage.moreReceipts(500);
      for (const link of links) link.heal();
      return { seen: '500 events meanwhile', control: 'row 19: without any answer, it is given up' };
    },
  },
  {
    row: '21',
    fault: 'kill -9 of the sealing sealer, at random moments',
    expected: 'the other goes on at the same height',
    on: 'plain',
    isQuick: true,
    control: FENCE,
    act: async (stage) => {
      const times = stage.isLong ? 10 : 3;
      for (let i = 0; i < times; i++) {
        await nextBlock(stage, 'a block');
        await sleep(stage.random() * 250); // anywhere in a block's life
        await killHolder(stage);
        await waitUntil(() => stage.allRun, { ...WAIT, what: 'both sealers again' });
      }
      return { seen: `${times} times` };
    },
  },
  {
    row: '22',
    fault: 'kill -9 of the sealer: blocks committed, nothing signed',
    expected: 'the next signs them, one root a size',
    on: 'plain',
    isQuick: true,
    control: ['apps/sealer/src/signer-memory.spec.ts', /control: without the memory both are signed/],
    act: async (stage) => {
      const verifier = stage.service('verifier-v1');
      verifier.kill('SIGSTOP'); // it holds nothing, so nothing is signed
      try {
        const cosigned = await stage.database.cosigned();
        await waitUntil(async () => (await stage.database.head()).size > cosigned + 20, {
          ...WAIT,
          what: 'blocks that nobody signed',
        });
        await killHolder(stage);
      } finally {
        verifier.kill('SIGCONT');
      }
      stage.nowMended();
      return { seen: 'committed blocks without a checkpoint' };
    },
  },
  {
    row: '24',
    fault: 'answers of Postgres held back at COMMIT, then cut',
    expected: 'the head is read; no block twice',
    on: 'plain',
    isQuick: true,
    control: UNKNOWN,
    act: async (stage) => {
      const holder = await stage.database.holder();
      const link = stage.link(holder, 'postgres');
      let isCommitted = false;
      link.delayMs = 30; // so that a COMMIT is on its way for a good part of the time
      // Answers are held for less than a lease; most often a statement before COMMIT is what waits, and then they are let go again.
      for (let tries = 0; tries < 40 && !isCommitted; tries++) {
        await sleep(stage.random() * 300);
        const { height } = await stage.database.head();
        link.shut('toClient');
        await sleep(300);
        isCommitted = (await stage.database.head()).height > height;
        if (!isCommitted) link.open('toClient');
      }
      link.cut();
      link.heal();
      stage.nowMended();
      return { seen: isCommitted ? 'a block was committed without an answer' : 'cut before COMMIT', stops: [holder] };
    },
  },
  {
    row: '25',
    fault: 'both sealers killed and started at once',
    expected: 'one seals, the other waits; one chain',
    on: 'plain',
    isQuick: true,
    control: FENCE,
    act: async (stage) => {
      await Promise.all(stage.sealers.map((id) => stage.kill(id)));
      stage.nowMended();
      await waitUntil(() => stage.sealers.every((id) => stage.service(id).isRunning), { ...WAIT, what: 'both again' });
      const { fence } = await stage.database.head();
      await nextBlock(stage, 'a block of one of them');
      await nextBlock(stage, 'another one');
      const after = await stage.database.head();
      if (after.fence > fence + 1)
        throw new Error(`the lease went from one to the other: fence ${fence}, ${after.fence}`);
      return { seen: `sealer-${after.holder} seals` };
    },
  },
  {
    row: '26',
    fault: 'SIGSTOP of the sealing sealer until the other seals; SIGCONT',
    expected: 'it writes nothing and ends; one chain',
    on: 'plain',
    isQuick: true,
    control: FENCE,
    act: async (stage) => {
      const holder = await stage.database.holder();
      const running = stage.service(holder);
      running.kill('SIGSTOP');
      try {
        await takenOver(stage, holder);
        await nextBlock(stage, 'a block of the other');
        if (stage.isLong) await sleep(60_000);
      } finally {
        running.kill('SIGCONT');
      }
      stage.nowMended();
      await waitUntil(() => !running.isRunning, { ...WAIT, what: `${holder} ended` });
      const said = running.logTail(200);
      if (!/lease\.lost|store\.fence-lost/.test(said)) throw new Error(`it ended otherwise: ${running.lastWords()}`);
      return { seen: `${holder} woke without its lease and ended`, stops: [holder] };
    },
  },
  {
    row: '42',
    fault: 'log key unavailable',
    expected: 'no block, no checkpoint; everything once it is back',
    on: 'plain',
    isQuick: true,
    mayRaise: ['custody.overdue'],
    control: 'own',
    act: async (stage) => {
      const key = stage.system.installation.keys.log(stage.system.ledger);
      const refused = await stage.without(stage.sealers, async () => {
        renameSync(key, `${key}.away`);
        try {
          const { height } = await stage.database.head();
          const said = await stage.start(stage.sealers[0]!).then(
            () => null,
            (error: Error) => error.message,
          );
          if (said === null) throw new Error('a sealer started without the log key');
          await stage.moreReceipts(40);
          if ((await stage.database.head()).height !== height) throw new Error('a block was made without the log key');
          return said;
        } finally {
          renameSync(`${key}.away`, key);
          stage.nowMended();
        }
      });
      return { seen: firstWords(refused), control: 'it starts once the key is back' };
    },
  },
];
