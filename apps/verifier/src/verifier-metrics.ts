/** What a verifier tells of its ledgers in numbers; its coverage is beside it (coverage-metrics.ts). */
import { Gauge, type AlertBook, type Registry } from '@everseal/process';
import type { VerifyLedger } from './verify-ledger.js';
import type { WitnessLedger } from './witness-ledger.js';

interface MeasuredLedger {
  readonly verify: VerifyLedger;
  readonly witness: WitnessLedger;
}

export function verifierMetrics(metrics: Registry, ledgers: readonly MeasuredLedger[], alerts: AlertBook): void {
  const gauge = (what: string, help: string, value: (ledger: MeasuredLedger) => number): void => {
    new Gauge({
      name: `everseal_${what}`,
      help,
      labelNames: ['ledger'] as const,
      registers: [metrics],
      collect() {
        for (const ledger of ledgers) this.set({ ledger: ledger.verify.origin }, value(ledger));
      },
    });
  };
  gauge('verified_size_entries', 'entries derived again', ({ verify }) => verify.size);
  gauge('cosigned_size_entries', 'size of the newest cosigned checkpoint', ({ witness }) => witness.cosignedSize);
  new Gauge({
    name: 'everseal_alerts_open',
    help: 'alerts that were raised and not cleared',
    registers: [metrics],
    collect() {
      this.set(alerts.open.length);
    },
  });
}
