/** How far the anchors of all ledgers of this process are, for Prometheus. */
import { Counter, Gauge, type Registry } from '@everseal/process';
import type { AnchorLedger } from './anchor-ledger.js';

const LABELS = ['ledger', 'anchor'] as const;

export class AnchorMetrics {
  private readonly anchors: AnchorLedger[] = [];

  constructor(private readonly registry: Registry) {
    this.gauge('anchored_size_entries', 'size of the newest anchored checkpoint', ({ size }) => size);
    this.gauge('unanchored_seconds', 'for how long a checkpoint that is not anchored has been due', (anchor) => {
      return anchor.unanchoredMs / 1_000;
    });
    const { anchors } = this;
    const failures = new Counter({
      name: 'everseal_anchor_failures_total',
      help: 'attempts to anchor a checkpoint that failed',
      labelNames: LABELS,
      registers: [],
      collect() {
        this.reset();
        for (const { origin, name, failed } of anchors) this.inc({ ledger: origin, anchor: name }, failed);
      },
    });
    registry.registerMetric(failures);
  }

  /** From now on these, too. */
  show(anchors: readonly AnchorLedger[]): void {
    this.anchors.push(...anchors);
  }

  private gauge(name: string, help: string, value: (anchor: AnchorLedger) => number): void {
    const { anchors } = this;
    const gauge = new Gauge({
      name: `everseal_${name}`,
      help,
      labelNames: LABELS,
      registers: [],
      collect() {
        for (const anchor of anchors) this.set({ ledger: anchor.origin, anchor: anchor.name }, value(anchor));
      },
    });
    this.registry.registerMetric(gauge);
  }
}
