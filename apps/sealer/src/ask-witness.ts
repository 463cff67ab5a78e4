/**
 * Asks one witness of others for its cosignatures on checkpoints of one ledger (C2SP tlog-witness), and keeps account of it.
 *
 * What size it cosigned last is learned from itself: from the cosignature before, or after a start from its 409 to a request
 * from size 0. A question is at most three requests. What it signs is verified before it is stored. That it does not answer, or
 * refuses, is said by `witness.overdue` after a while; that it knows another history, at once, by `witness.dissent`, which
 * stands until somebody acknowledges it. Neither holds anything up.
 *
 * One question at a time (the owner's loop); all state is this object's.
 */
import {
  cosignaturesIn,
  formatAddCheckpoint,
  FormatError,
  readWitnessAnswer,
  shownAnswer,
  type Finding,
  type Hash,
  type SignatureLine,
  type WitnessPlace,
} from '@everseal/audit-core';
import type { AlertBook, Logger } from '@everseal/process';
import type { WitnessReply } from './witness-connection.js';

const MOST_REQUESTS = 3;
/** How far the clock of a witness may be from this one, seconds; a sealer stops that is so far ahead itself. */
const CLOCK_TOLERANCE_S = 600;

/** A checkpoint that witnesses are asked about. */
export interface WitnessedCheckpoint {
  readonly size: number;
  /** As the log signed it. */
  readonly note: string;
  /** The proof that it extends the tree of this size, 1 to `size` − 1. Rejects with RetryLater when none can be made. */
  readonly prove: (old: number) => Promise<Hash[]>;
}

export interface AskWitnessParts {
  readonly origin: string;
  readonly place: WitnessPlace;
  /** One request; never rejects. */
  readonly send: (body: string) => Promise<WitnessReply>;
  readonly store: (size: number, line: SignatureLine) => Promise<void>;
  readonly alerts: Pick<AlertBook, 'open' | 'raise' | 'reconcile'>;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Wall clock and steady clock, milliseconds. */
  readonly now: () => number;
  readonly steady: () => number;
  /** Least pause between two questions about one checkpoint, milliseconds. */
  readonly everyMs: number;
  /** How long a checkpoint may wait for it before it is overdue, milliseconds. */
  readonly overdueMs: number;
}

/** What it is known for; shown as metrics. */
export interface WitnessRecord {
  /** Size of the newest checkpoint that it cosigned for this process; 0 before the first. */
  readonly size: number;
  /** When, wall clock, milliseconds; null before the first. */
  readonly at: number | null;
  readonly overdue: boolean;
  /** Questions that ended without a cosignature. */
  readonly failures: number;
}

export class AskWitness {
  /** What `old` says: the size that it cosigned last, as far as is known. */
  private old = 0;
  private cosigned = { size: 0, at: null as number | null };
  private asked = { size: 0, at: -Infinity };
  /** Steady time since which a checkpoint waits; null when none does. */
  private waitingSince: number | null = null;
  private isOverdue: boolean;
  private failures = 0;
  private problem = 'it was not asked yet';

  constructor(private readonly parts: AskWitnessParts) {
    // A restart is no cosignature.
    this.isOverdue = parts.alerts.open.some(({ scope }) => scope === this.scope);
  }

  get record(): WitnessRecord {
    return { ...this.cosigned, overdue: this.isOverdue, failures: this.failures };
  }

  /** Asks, if there is something to ask and it is time. @param longest entries of the log by now */
  async round(checkpoint: WitnessedCheckpoint, longest: number): Promise<void> {
    const { steady, everyMs } = this.parts;
    if (checkpoint.size <= this.cosigned.size) return this.judge(null);
    const now = steady();
    this.judge(now);
    if (checkpoint.size === this.asked.size && now < this.asked.at + everyMs) return;
    this.asked = { size: checkpoint.size, at: now };
    const lines = await this.ask(checkpoint, longest);
    if (lines === null) return;
    for (const line of lines) await this.parts.store(checkpoint.size, line);
    this.cosigned = { size: checkpoint.size, at: this.parts.now() };
    this.judge(null);
  }

  /** There is nothing to ask: another sealer does it, or the ledger has no checkpoint. */
  idle(): void {
    this.judge(null);
  }

  private get scope(): string {
    return overdueScope(this.parts.place.name, this.parts.origin);
  }

  /** Raises and clears `witness.overdue`. @param now steady time at which a checkpoint waits; null when none does */
  private judge(now: number | null): void {
    const { alerts, origin, place, overdueMs } = this.parts;
    this.waitingSince = now === null ? null : (this.waitingSince ?? now);
    this.isOverdue = now !== null && (this.isOverdue || now - this.waitingSince! > overdueMs);
    const { size } = this.cosigned;
    const last = size === 0 ? 'nothing since this sealer started' : `up to size ${size}`;
    const detail = `witness ${place.name} (${place.url}) cosigned ${last}: ${this.problem}`;
    const finding: Finding = { code: 'witness.overdue', index: null, height: null, detail };
    const context = { ledger: origin, subject: place.name };
    alerts.reconcile(this.scope, this.isOverdue ? [{ finding, context }] : []);
  }

  private async ask({ size, note, prove }: WitnessedCheckpoint, longest: number): Promise<SignatureLine[] | null> {
    const { place, send } = this.parts;
    for (let requests = 0; requests < MOST_REQUESTS; requests++) {
      // It has gone further with somebody else, or with a checkpoint of before a restart: the next one will do.
      if (this.old > size) return this.failed(`it cosigned a later checkpoint, of size ${this.old}`);
      const proof = this.old === 0 || this.old === size ? [] : await prove(this.old);
      const request = formatAddCheckpoint({ old: this.old, proof, checkpoint: note });
      const reply = await send(request);
      if (reply.status === null) return this.failed(reply.problem);
      const said = readWitnessAnswer({ old: this.old, size, longest }, reply.status, reply.body);
      if (said.kind === 'cosigned') return this.verified(size, note, reply.body);
      if (said.kind === 'refused') return this.failed(said.why);
      if (said.kind === 'other-history') return this.dissent(said.why, { request, ...shown(reply) });
      this.old = said.size;
    }
    return this.failed(`${place.name} names another size with every answer`);
  }

  private verified(size: number, note: string, body: Buffer): SignatureLine[] | null {
    const clock = { now: Math.floor(this.parts.now() / 1_000), tolerance: CLOCK_TOLERANCE_S };
    try {
      const lines = cosignaturesIn(body, note, this.parts.place.keys, clock);
      this.old = size;
      return lines;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return this.failed(`its answer does not count: ${error.message}`);
    }
  }

  private failed(problem: string): null {
    const { log, origin, place } = this.parts;
    this.failures++;
    if (problem !== this.problem)
      log.warn({ ledger: origin, witness: place.name, problem }, 'a witness does not cosign');
    this.problem = problem;
    return null;
  }

  private dissent(why: string, evidence: Record<string, string>): null {
    const { alerts, origin, place } = this.parts;
    const detail = `witness ${place.name} (${place.url}) knows another history of ${origin}: ${why}`;
    alerts.raise(
      `history of ${origin} at witness ${place.name}`,
      { code: 'witness.dissent', index: null, height: null, detail },
      { ledger: origin, subject: place.name, stands: true, evidence: { witness: place.name, ...evidence } },
    );
    return this.failed(why);
  }
}

/** Scope of `witness.overdue`. */
export const overdueScope = (witness: string, origin: string): string => `witness ${witness} of ${origin}`;

function shown({ status, body }: { status: number; body: Buffer }): { status: string; answer: string } {
  return { status: String(status), answer: shownAnswer(body) };
}
