/** What the verifier has covered, as Prometheus gauges; times in seconds since 1970, as is usual there. */

import { Gauge, type Registry } from '@everseal/process';
import { SWEEPS } from './ledger-coverage.js';
import type { VerifyLedger } from './verify-ledger.js';

type Ledger = Pick<VerifyLedger, 'origin' | 'coverage'>;

/** @param ledgers read at every scrape */
export function coverageMetrics(registry: Registry, ledgers: () => readonly Ledger[]): void {
  const gauge = (what: string, help: string, value: (ledger: Ledger) => number | null): void => {
    new Gauge({
      name: `everseal_${what}`,
      help,
      labelNames: ['ledger'] as const,
      registers: [registry],
      collect() {
        this.reset();
        for (const ledger of ledgers()) {
          const now = value(ledger);
          if (now !== null) this.set({ ledger: ledger.origin }, now);
        }
      },
    });
  };
  gauge('tail_entries', 'entries that were derived and agree', ({ coverage }) => coverage.coverage.tail.size);
  gauge('tail_behind_entries', 'entries that the head row named and that are not derived yet', ({ coverage }) => {
    const { size, head } = coverage.coverage.tail;
    return head === null ? null : Math.max(0, head - size);
  });
  gauge(
    'tail_behind_seconds',
    'for how long a head that was seen has not been reached, or none could be read',
    ({ coverage }) => coverage.coverage.tail.behindMs / 1_000,
  );
  for (const sweep of SWEEPS) {
    const of = ({ coverage }: Ledger): ReturnType<typeof coverage.of> => coverage.of(sweep);
    const seconds = (at: number | null): number | null => (at === null ? null : at / 1_000);
    const name = `sweep_${sweep}`;
    gauge(`${name}_passes_total`, `full passes of the ${sweep} sweep`, (ledger) => of(ledger).passes);
    gauge(`${name}_entries`, 'entries of its last full pass', (ledger) => of(ledger).entries);
    gauge(`${name}_seconds`, 'duration of its last full pass', (ledger) => of(ledger).milliseconds / 1_000);
    gauge(`${name}_entries_per_second`, 'rate of its last full pass', (ledger) => of(ledger).perSecond);
    gauge(`${name}_ended_timestamp_seconds`, 'end of its last full pass', (ledger) => seconds(of(ledger).endedAt));
    gauge(`${name}_oldest_read_timestamp_seconds`, 'no entry was re-read longer ago than this', (ledger) =>
      seconds(of(ledger).oldestReadAt),
    );
    gauge(`${name}_not_covered`, 'stretches that its newest pass left out', (ledger) => of(ledger).notCovered.length);
  }
}
