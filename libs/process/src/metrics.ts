/**
 * Metrics in Prometheus's text format. One registry a process; names start with `everseal_`, base units (seconds, bytes),
 * counters end in `_total`. Libraries that count for themselves (messaging) hand over plain numbers: exposeCounts.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Health } from './health.js';

export { Counter, Gauge, Histogram } from 'prom-client';
export { Registry } from 'prom-client';

/** @param service kind of process; @param name instance; both label every metric */
export function createMetrics(service: string, name: string, health: Health): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service, instance_name: name });
  collectDefaultMetrics({ register: registry });
  const ready = new Gauge({
    name: 'everseal_ready',
    help: '1 while the process can do its work, by condition',
    labelNames: ['condition'],
    registers: [],
    collect() {
      this.reset();
      for (const { name: condition, ok } of health.ready().conditions) this.set({ condition }, ok ? 1 : 0);
    },
  });
  registry.registerMetric(ready);
  return registry;
}

/**
 * Shows an object of growing numbers as one counter with a label.
 * @param counts read at every scrape; values only grow
 */
export function exposeCounts(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  counts: () => Readonly<Record<string, number>>,
): void {
  const counter = new Counter({
    name,
    help,
    labelNames: [label],
    registers: [],
    collect() {
      this.reset();
      for (const [value, count] of Object.entries(counts())) this.inc({ [label]: value }, count);
    },
  });
  registry.registerMetric(counter);
}

/** Shows one number as a gauge. @param read called at every scrape */
export function exposeNumber(registry: Registry, name: string, help: string, read: () => number): void {
  const gauge = new Gauge({
    name,
    help,
    registers: [],
    collect() {
      this.set(read());
    },
  });
  registry.registerMetric(gauge);
}
