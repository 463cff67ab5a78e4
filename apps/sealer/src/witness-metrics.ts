/** Metrics about the witnesses of others, by ledger and by the name that the file of witnesses gives each. */
import { Gauge, type Registry } from '@everseal/process';
import type { WitnessRecord } from './ask-witness.js';

export class WitnessMetrics {
  private readonly witnesses: { ledger: string; witness: string; record: () => WitnessRecord }[] = [];

  constructor(registry: Registry) {
    this.gauge(registry, 'cosigned_size_entries', 'newest checkpoint that it cosigned', ({ size }) => size);
    this.gauge(registry, 'cosigned_timestamp_seconds', 'when it did, 0 for never', ({ at }) => (at ?? 0) / 1_000);
    this.gauge(registry, 'overdue', '1 while witness.overdue is raised', ({ overdue }) => (overdue ? 1 : 0));
    this.gauge(registry, 'failures', 'questions without a cosignature since the start', ({ failures }) => failures);
  }

  add(ledger: string, witness: string, record: () => WitnessRecord): void {
    this.witnesses.push({ ledger, witness, record });
  }

  private gauge(registry: Registry, what: string, help: string, value: (record: WitnessRecord) => number): void {
    const { witnesses } = this;
    new Gauge({
      name: `everseal_witness_${what}`,
      help: `witness of others: ${help}`,
      labelNames: ['ledger', 'witness'] as const,
      registers: [registry],
      collect() {
        for (const { ledger, witness, record } of witnesses) this.set({ ledger, witness }, value(record()));
      },
    });
  }
}
