/** What ingest counts, per process; names and units as Prometheus has them. */
import { REFUSALS, type RefusalCode } from '@everseal/audit-core';
import { Counter, Gauge, Histogram, type Registry } from '@everseal/process';
import type { BuiltFrame } from './frame-builder.js';
import type { Spool } from './spool.js';
import type { TakeOver, TakeOverProgress } from './take-over.js';

export class IngestMetrics {
  readonly ignored: Counter;
  readonly repeated: Counter;
  readonly laneResolutions: Counter;
  private readonly events: Counter;
  private readonly requests: Counter;
  private readonly refusals: Counter;
  private readonly frameEvents: Histogram;
  private readonly frameBytes: Histogram;
  private readonly commitSeconds: Histogram;
  private readonly waitSeconds: Histogram;

  constructor(private readonly registry: Registry) {
    const registers = [registry];
    const counter = (name: string, help: string, labelNames: string[] = []): Counter =>
      new Counter({ name: `everseal_ingest_${name}`, help, labelNames, registers });
    const histogram = (name: string, help: string, buckets: number[]): Histogram =>
      new Histogram({ name: `everseal_ingest_${name}`, help, buckets, registers });
    this.events = counter('accepted_events_total', 'Events that got a receipt for the first time');
    this.requests = counter('accepted_requests_total', 'Requests that got a receipt for the first time');
    this.repeated = counter('repeated_requests_total', 'Requests answered with the receipt of an earlier one');
    this.refusals = counter('refusals_total', 'Requests refused, by code', ['code']);
    for (const code of Object.keys(REFUSALS)) this.refusals.inc({ code }, 0);
    this.ignored = counter('ignored_total', 'Messages that named no place for an answer');
    this.laneResolutions = counter('lane_resolutions_total', 'Times the lane was compared with the spool');
    this.frameEvents = histogram('frame_events', 'Events in a frame', [1, 2, 4, 8, 16, 32, 64, 128, 256, 384, 512]);
    this.frameBytes = histogram('frame_bytes', 'Bytes of a frame message', [1e3, 4e3, 16e3, 64e3, 128e3, 256e3, 512e3]);
    const seconds = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 4];
    this.commitSeconds = histogram('commit_seconds', 'From building a frame to its PubAck', seconds);
    this.waitSeconds = histogram(
      'answer_seconds',
      'From the arrival of the oldest request of a frame to its answer',
      seconds,
    );
  }

  /** A frame stands in the lane, and everybody who waited for it is answered. */
  accepted({ requests, tree, message }: BuiltFrame): void {
    this.requests.inc(requests.length);
    this.events.inc(tree.size);
    this.frameEvents.observe(tree.size);
    this.frameBytes.observe(message.length);
    const [oldest] = requests;
    if (oldest !== undefined) this.waitSeconds.observe((performance.now() - oldest.arrived) / 1_000);
  }

  refused(code: RefusalCode): void {
    this.refusals.inc({ code });
  }

  /** @param ms from beginning a frame to its PubAck */
  committed(ms: number): void {
    this.commitSeconds.observe(ms / 1_000);
  }

  /** Gauges over the spools, read when they are asked for. @param now wall clock, ms */
  watchSpools(spools: ReadonlyMap<string, Spool>, now: () => number): void {
    const gauge = (name: string, help: string, read: (spool: Spool) => number): void =>
      this.gauge(name, help, spools, read);
    gauge('spool_bytes', 'Bytes in the spool that no checkpoint covers', (spool) => spool.bytes);
    gauge('spool_debt_frames', 'Frames kept aside because a gap record names them', (spool) => spool.debts.size);
    gauge('newest_frame', 'Number of the newest frame', (spool) => spool.newest.number);
    gauge('covered_frame', 'Number of the newest frame proven sealed', (spool) => spool.covered.number);
    gauge('spool_age_seconds', 'Age of the oldest frame that no checkpoint covers', ({ oldestAccepted }) =>
      oldestAccepted === null ? 0 : Math.max(0, now() - oldestAccepted) / 1_000,
    );
  }
  /** Gauges over what is taken over of closed ledgers, by their successors. */
  watchTakeOvers(takeOvers: ReadonlyMap<string, TakeOver>): void {
    const gauge = (name: string, help: string, read: (progress: TakeOverProgress) => number): void =>
      this.gauge(name, help, takeOvers, ({ progress }) => read(progress));
    gauge('taken_over_events', 'Events of the closed ledger that are in this one', ({ events }) => events);
    gauge('take_over_frames_left', 'Frames of the closed ledger to be taken over', ({ framesLeft }) => framesLeft);
    gauge(
      'take_over_frames_missing',
      'Frames of the closed ledger that neither survive nor are in the spool',
      ({ framesMissing }) => framesMissing,
    );
  }

  /** A gauge with one value a ledger, read when it is asked for. */
  private gauge<T>(name: string, help: string, ledgers: ReadonlyMap<string, T>, read: (of: T) => number): void {
    const own = new Gauge({
      name: `everseal_ingest_${name}`,
      help,
      labelNames: ['ledger'],
      registers: [],
      collect() {
        for (const [ledger, of] of ledgers) this.set({ ledger }, read(of));
      },
    });
    this.registry.registerMetric(own);
  }
}
