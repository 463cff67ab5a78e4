/** What a sealer tells of its ledgers in numbers. */
import { Counter, Gauge, type Registry } from '@everseal/process';
import { AnchorMetrics } from './anchor-metrics.js';
import { WitnessMetrics } from './witness-metrics.js';

export interface SealerMetrics {
  readonly anchors: AnchorMetrics;
  readonly witnesses: WitnessMetrics;
  readonly size: Gauge<'ledger'>;
  readonly cosigned: Gauge<'ledger'>;
  readonly indexed: Gauge<'ledger'>;
  readonly blocks: Counter<'ledger'>;
}

export function sealerMetrics(metrics: Registry): SealerMetrics {
  const gauge = (what: string, help: string): Gauge<'ledger'> =>
    new Gauge({ name: `everseal_${what}`, help, labelNames: ['ledger'] as const, registers: [metrics] });
  return {
    anchors: new AnchorMetrics(metrics),
    witnesses: new WitnessMetrics(metrics),
    size: gauge('ledger_size_entries', 'entries in the ledger'),
    cosigned: gauge('checkpoint_size_entries', 'size of the newest checkpoint that went to the cosigners'),
    indexed: gauge('index_position_entries', 'entries that the event index covers'),
    blocks: new Counter({
      name: 'everseal_blocks_sealed_total',
      help: 'blocks that this sealer committed',
      labelNames: ['ledger'] as const,
      registers: [metrics],
    }),
  };
}
