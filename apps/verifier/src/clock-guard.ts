/**
 * The clocks of the others against this verifier's own: verdict `clock.skew`. What can be known and what cannot is said in
 * audit-core, clock-reading.ts; here is where the readings come from.
 *
 * | clock | says | between |
 * | --- | --- | --- |
 * | ingest, sealer, other verifiers | `time` of a heartbeat | `after` of it … its arrival here |
 * | Postgres, the broker | its answer to a question | question … answer |
 * | times in the log | newest `sealed`, newest `accepted` of each ingester | … now |
 *
 * One alert a clock. It is cleared by a reading that shows the clock good, not by silence. A look takes each heartbeat once,
 * the newest of its sender.
 */
import {
  FormatError,
  judgeClock,
  judgeWrittenTime,
  parseHeartbeatTime,
  parseTimestamp,
  type ClockJudgement,
  type ClockReading,
  type Finding,
  type LogMemory,
} from '@everseal/audit-core';
import { fateOf, type AlertBook } from '@everseal/process';

/** A clock that answers a question: milliseconds since 1970; null when it does not say. */
export interface AskedClock {
  /** `Postgres`, `the broker` */
  readonly name: string;
  readonly ask: () => Promise<number | null>;
}

export interface ClockGuardOptions {
  readonly domain: string;
  /** How far two clocks may be apart, milliseconds. */
  readonly boundMs: number;
  /** This verifier's clock. */
  readonly now: () => number;
  /** A clock that nobody sets, milliseconds. */
  readonly steady: () => number;
  readonly asked: readonly AskedClock[];
  readonly ledgers: readonly { readonly origin: string; readonly memory: () => Pick<LogMemory, 'sealed' | 'heads'> }[];
}

export class ClockGuard {
  /** Heartbeats since the last look, the newest of each sender. */
  private readonly heard = new Map<string, ClockReading>();

  constructor(
    private readonly alerts: AlertBook,
    private readonly options: ClockGuardOptions,
  ) {}

  /** A heartbeat that arrived just now. What cannot be read is nobody's time: who does not beat is missed elsewhere. */
  hear(service: string, name: string, data: Uint8Array): void {
    const notAfter = this.options.now();
    try {
      const beat = parseHeartbeatTime(data);
      if (beat) this.heard.set(`${service} ${name}`, { says: beat.time, notBefore: beat.after, notAfter });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }

  async look(): Promise<void> {
    const { boundMs, now, ledgers, asked, domain } = this.options;
    const heard = [...this.heard];
    this.heard.clear();
    for (const [who, reading] of heard) this.report(`the clock of ${who}`, judgeClock(reading, boundMs), domain);
    for (const { origin, memory } of ledgers) {
      const { sealed, heads } = memory();
      const times = [...heads].map(([ingester, head]): [string, string] => [
        `the frames of ${ingester}`,
        head.accepted,
      ]);
      if (sealed !== '') times.push(['the blocks', sealed]);
      for (const [what, time] of times) {
        this.report(
          `the times in ${what} of ${origin}`,
          judgeWrittenTime(parseTimestamp(time), now(), boundMs),
          origin,
        );
      }
    }
    const refused: unknown[] = [];
    for (const clock of asked) await this.ask(clock).catch((error: unknown) => refused.push(error));
    // One that is refused keeps no other from being read.
    if (refused.length > 0) throw refused[0];
  }

  /** What does not answer now shows no clock: it is asked again by the next look. */
  private async ask({ name, ask }: AskedClock): Promise<void> {
    const { boundMs, now, steady, domain } = this.options;
    const began = steady();
    try {
      const says = await ask();
      const notAfter = now();
      if (says === null) return;
      // By the steady clock: ours may have been set while we waited.
      const notBefore = notAfter - Math.ceil(steady() - began);
      this.report(`the clock of ${name}`, judgeClock({ says, notBefore, notAfter }, boundMs), domain);
    } catch (error) {
      if (fateOf(error) !== 'retry') throw error;
    }
  }

  private report(scope: string, judgement: ClockJudgement, ledger: string): void {
    if (judgement.state === 'unknown') return;
    const findings = judgement.state === 'good' ? [] : [skewOf(scope, judgement, this.options.boundMs)];
    this.alerts.reconcile(
      scope,
      findings.map((finding) => ({ finding, context: { ledger, subject: scope } })),
    );
  }
}

function skewOf(scope: string, { state, byMs }: { state: 'ahead' | 'behind'; byMs: number }, boundMs: number): Finding {
  const seconds = (byMs / 1_000).toFixed(1);
  const of = state === 'ahead' ? "of this verifier's clock" : 'of a time that a verifier had given before';
  return {
    code: 'clock.skew',
    index: null,
    height: null,
    detail: `${scope}: ${seconds} s ${state} ${of}`,
    expected: `at most ${boundMs / 1_000} s apart`,
    found: `${seconds} s ${state}`,
  };
}
