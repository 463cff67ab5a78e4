/** Rows about the ingester: killed at every point of a request, paused, asked to stop, its disk failing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '@everseal/local';
import { InjectedFailures } from './injected-failures.js';
import type { ActRow, Done } from './row.js';
import { type Stage, WITHIN_MS } from './stage.js';

const INGEST = 'ingest-a';
const WAIT = { timeoutMs: WITHIN_MS, everyMs: 20 };

/** Holds what ingest sends from now on, and waits until a frame is on its disk that the broker does not have. */
async function holdFrame(stage: Stage): Promise<void> {
  const newest = (): Promise<number> => stage.metric(INGEST, 'everseal_ingest_newest_frame');
  // From quiet: of frames that are under way already nobody could say on which side of the gate they are.
  await stage.endLoad();
  const before = await newest();
  stage.link(INGEST, 'nats').shut('toServer');
  stage.startLoad();
  await waitUntil(async () => (await newest()) > before, { ...WAIT, what: 'a frame in the spool' });
}

/** Lets the held frame through to the broker, but not its acknowledgement. */
async function holdAcknowledgement(stage: Stage): Promise<void> {
  const link = stage.link(INGEST, 'nats');
  const { lastSequence } = await stage.stream();
  link.shut('toClient');
  link.open('toServer');
  const stored = async (): Promise<boolean> => (await stage.stream()).lastSequence > lastSequence;
  await waitUntil(stored, { ...WAIT, what: 'the frame in the stream' });
}

/** Lets the acknowledgement through, but not the receipts. */
async function holdReceipts(stage: Stage): Promise<void> {
  const link = stage.link(INGEST, 'nats');
  const accepted = (): Promise<number> => stage.metric(INGEST, 'everseal_ingest_accepted_events_total');
  const before = await accepted();
  link.shut('toServer');
  link.open('toClient');
  await waitUntil(async () => (await accepted()) > before, { ...WAIT, what: 'the acknowledgement at ingest' });
}

async function killWithWhatIsHeld(stage: Stage, seen: string): Promise<Done> {
  const link = stage.link(INGEST, 'nats');
  await stage.kill(INGEST);
  link.cut(); // what was held is lost
  link.heal();
  stage.nowMended();
  return { seen };
}

const REPEATED = [
  'libs/messaging/src/stored-publish.spec.ts',
  /^LanePublisher.*control: without the expectation/,
] as const;

export const INGEST_ROWS: readonly ActRow[] = [
  {
    row: '1',
    fault: 'kill -9 of ingest: frame spooled, not published',
    expected: 'no receipt; published at the start; one copy',
    on: 'plain',
    isQuick: true,
    control: REPEATED,
    act: async (stage) => {
      await holdFrame(stage);
      return killWithWhatIsHeld(stage, 'killed with a frame on its disk only');
    },
  },
  {
    row: '2',
    fault: 'kill -9 of ingest: published, PubAck not come',
    expected: 'no receipt; the repeated request gets one; one copy',
    on: 'plain',
    isQuick: true,
    control: REPEATED,
    act: async (stage) => {
      await holdFrame(stage);
      await holdAcknowledgement(stage);
      return killWithWhatIsHeld(stage, 'killed with a stored frame that it knew nothing of');
    },
  },
  {
    row: '3',
    fault: 'kill -9 of ingest: PubAck come, receipts not sent',
    expected: 'the repeated request gets the same receipt; one copy',
    on: 'plain',
    isQuick: true,
    control: REPEATED,
    act: async (stage) => {
      await holdFrame(stage);
      await holdAcknowledgement(stage);
      await holdReceipts(stage);
      return killWithWhatIsHeld(stage, 'killed with receipts that had not left');
    },
  },
  {
    row: '4',
    fault: 'SIGSTOP of ingest',
    expected: 'producers time out; no receipt without a stored frame',
    on: 'plain',
    isQuick: true,
    mayRaise: ['custody.overdue'],
    control: 'own',
    act: async (stage) => {
      const seconds = stage.isLong ? 60 : 8;
      const running = stage.service(INGEST);
      running.kill('SIGSTOP');
      await sleep(1_000); // what was under way has arrived
      const before = stage.receipts;
      await sleep((seconds - 1) * 1_000);
      const during = stage.receipts - before;
      running.kill('SIGCONT');
      stage.nowMended();
      if (during > 0) throw new Error(`${during} receipts came from a process that stood still`);
      return { seen: `stood still for ${seconds} s`, control: 'before it, receipts came' };
    },
  },
  {
    row: '5',
    fault: 'SIGTERM of ingest with 500 requests in flight',
    expected: 'each answered or refused; ends with 0',
    on: 'plain',
    isQuick: true,
    control: ['apps/ingest/src/crash.spec.ts', /that is asked to stop answers what it has taken/],
    act: async (stage) => {
      const running = stage.service(INGEST);
      const { billing } = stage;
      const before = billing.receipts;
      const burst = Array.from({ length: 500 }, () => billing.submit(billing.newEntries(1)));
      await waitUntil(() => billing.receipts > before, { ...WAIT, what: 'the first receipt' });
      running.kill('SIGTERM');
      const { code } = await running.exited;
      stage.nowMended();
      if (code !== 0) throw new Error(`it ended with ${code}`);
      await Promise.all(burst);
      return { seen: '500 requests have their receipts', stops: [INGEST] };
    },
  },
  {
    row: '18',
    fault: 'PubAcks held back, then the connection cut',
    expected: 'unknown; looked up in the lane; nothing twice',
    on: 'plain',
    isQuick: true,
    control: REPEATED,
    act: async (stage) => {
      await holdFrame(stage);
      await holdAcknowledgement(stage);
      await sleep(stage.isLong ? 12_000 : 6_000); // longer than ingest waits for an answer
      const link = stage.link(INGEST, 'nats');
      link.cut();
      link.heal();
      stage.nowMended();
      return { seen: 'a frame was stored and its PubAck never came' };
    },
  },
  {
    row: '4b',
    fault: 'EIO on the fdatasync of the spool (strace)',
    expected: 'ingest stops; nothing unsynced was answered',
    on: 'plain',
    isQuick: true,
    needs: ['strace'],
    control: ['apps/ingest/src/spool.spec.ts', /stops for good at the first failed write/],
    act: async (stage) => {
      const running = stage.service(INGEST);
      const failures = await InjectedFailures.start([running.pid], 'fdatasync,fsync', 'EIO');
      try {
        await waitUntil(() => !running.isRunning, { ...WAIT, what: 'ingest ended' });
      } finally {
        await failures.stop();
      }
      stage.nowMended();
      const said = running.logTail(200);
      if (!said.includes('spool.failed')) throw new Error(`it ended for another reason: ${running.lastWords()}`);
      return { seen: 'ended with spool.failed', stops: [INGEST] };
    },
  },
];
