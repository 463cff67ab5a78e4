/**
 * Goes on asking ingesters for the frames that were declared lost: a spool that comes back next week still pays its debt.
 * One question a lane at a time, with the pauses of resend.ts, at most one a minute while nothing comes.
 */

import type { DebtBook } from '@everseal/audit-core';
import { nextUnpaid } from './next-unpaid.js';
import { Resend, type ResendParts, type Resent } from './resend.js';

export class DebtQuestions {
  private readonly resend: Resend;
  /** The number that is asked for, a lane each. */
  private readonly current = new Map<string, number>();

  constructor(parts: ResendParts) {
    this.resend = new Resend(parts);
  }

  /** Asks where a question is due. Call it again and again. */
  want(debts: DebtBook): void {
    const wanted = new Map<string, number>();
    for (const ingester of debts.ingesters()) {
      const number = this.numberOf(ingester, debts);
      if (number !== null) wanted.set(ingester, number);
    }
    for (const ingester of this.current.keys()) if (!wanted.has(ingester)) this.current.delete(ingester);
    this.resend.want(wanted);
  }

  /** The answers that came since the last call. */
  take(): Resent[] {
    return this.resend.take();
  }

  private numberOf(ingester: string, debts: DebtBook): number | null {
    const current = this.current.get(ingester) ?? null;
    const isOwed = current !== null && debts.owes(ingester, current);
    if (isOwed && this.resend.timesAsked(ingester, current) === 0) return current;
    // Still owed: what came was nothing, or not the frame. The pause goes on over the numbers.
    if (isOwed) this.resend.passOver(ingester);
    const next = nextUnpaid(debts.ranges(ingester), current ?? Infinity);
    if (next !== null) this.current.set(ingester, next);
    return next;
  }
}
