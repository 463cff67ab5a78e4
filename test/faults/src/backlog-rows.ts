/** What a pause of sealing costs: how long the backlog takes, and whether all is as fast as before when it is gone. */
import { waitUntil } from '@everseal/local';
import type { ActRow } from './row.js';
import { type Stage, WITHIN_MS } from './stage.js';

const [EVENTS, IN_FLIGHT] = [50, 8];
/** Far from what is measured (about 1); less shows that something has stayed slow. */
const LEAST_RATIO = 0.5;
/** As fast as before: no further burst is needed. */
const SAME_RATIO = 0.9;
const MOST_BURSTS = 5;

/** Events a second until so many are receipted. */
async function burst(stage: Stage, count: number): Promise<number> {
  const { billing } = stage;
  const [from, began] = [billing.receipts, performance.now()];
  await billing.load(EVENTS, IN_FLIGHT, () => billing.receipts - from >= count);
  return ((billing.receipts - from) / (performance.now() - began)) * 1_000;
}

async function sealed(stage: Stage): Promise<void> {
  const newest = Math.max(...stage.billing.receipted.slice(-1_000).map(({ frame }) => frame!.number));
  const isSealed = async (): Promise<boolean> => (await stage.database.sealedFrame()) >= newest;
  await waitUntil(isSealed, { timeoutMs: WITHIN_MS, everyMs: 50, what: 'everything sealed' });
}

async function indexed(stage: Stage): Promise<void> {
  const query =
    'SELECT 1 FROM everseal.ledger_head h JOIN everseal.index_head i USING (ledger_id) WHERE h.size = i.position';
  const isIndexed = async (): Promise<boolean> => (await stage.database.rows(query)).length > 0;
  await waitUntil(isIndexed, { timeoutMs: WITHIN_MS, everyMs: 100, what: 'the index caught up' });
}

export const BACKLOG_ROWS: readonly ActRow[] = [
  {
    row: '13c',
    fault: 'a backlog while the sealers are stopped',
    expected: '100,000 events drained in 60 s; then as fast as before',
    on: 'plain',
    isQuick: true,
    isLast: true,
    mayRaise: ['custody.overdue', 'verifier.behind'],
    control: 'own',
    act: async (stage) => {
      await stage.endLoad();
      const [backlog, sample] = stage.isLong ? [100_000, 30_000] : [20_000, 8_000];
      await burst(stage, sample / 2); // the programs are warm
      await sealed(stage);
      await indexed(stage);
      const before = await burst(stage, sample);
      let began = 0;
      await stage.without(stage.sealers, async () => {
        await burst(stage, backlog);
        began = performance.now();
      });
      await sealed(stage);
      const seconds = (performance.now() - began) / 1_000;
      stage.nowMended();
      await indexed(stage);
      // The best of a few: what has stayed slow is slow in each of them, other work of this machine is not.
      let after = 0;
      for (let i = 0; i < MOST_BURSTS && after < SAME_RATIO * before; i++) {
        after = Math.max(after, await burst(stage, sample));
      }
      const ratio = after / before;
      if (ratio < LEAST_RATIO) throw new Error(`${Math.round(before)} events/s before, ${Math.round(after)} after`);
      const drained = `${backlog} events drained in ${seconds.toFixed(1)} s, the sealers' start included`;
      return {
        seen: `${drained}; throughput after it ${ratio.toFixed(2)} × that before`,
        control: 'the burst before it',
      };
    },
  },
];
