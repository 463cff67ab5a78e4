/**
 * Messages that are not sealed as they come: frames ahead of their lane, which wait for the one before them, and what
 * is quarantined. Their bytes go to the `frame` table in the cursor's own transaction, so the cursor may move past them
 * and only the lane they belong to waits. In memory a frame is kept just until that transaction.
 */

import { sha256 } from '@everseal/audit-core';
import type { WaitingFrame } from '@everseal/ledger-store';
import type { StoredMessage } from '@everseal/messaging';
import type { CheckedFrame } from './open-block.js';

/** Fetches a held frame's bytes back from the database and checks them again; null when they are not good any more. */
export type FetchHeld = (ingester: string, number: number) => Promise<CheckedFrame | null>;

export class HeldLanes {
  /** By ingester and number; null once only the database has the bytes. */
  private readonly lanes = new Map<string, Map<number, CheckedFrame | null>>();
  private unstored: WaitingFrame[] = [];

  /** @param waiting what the database holds; quarantined rows (with a reason) never leave it by themselves */
  constructor(waiting: readonly Omit<WaitingFrame, 'bytes'>[]) {
    for (const { ingester, number, reason } of waiting) if (reason === null) this.lane(ingester).set(number, null);
  }

  hold(checked: CheckedFrame, message: StoredMessage): void {
    const { ingester, number } = checked.frame;
    if (this.lane(ingester).has(number)) return;
    this.lane(ingester).set(number, checked);
    const { data: bytes, sequence } = message;
    this.unstored.push({ ingester, number, hash: checked.hash, sequence, bytes, reason: null });
  }

  /** Keeps a message that must not be sealed, with the verdict; `ingester` and `number` only when it is a frame. */
  quarantine(message: StoredMessage, reason: string, frame: CheckedFrame | null): void {
    const ingester = frame?.frame.ingester ?? message.subject.slice(message.subject.lastIndexOf('.') + 1);
    const [number, hash] = frame ? [frame.frame.number, frame.hash] : [0, sha256(message.data)];
    this.unstored.push({ ingester, number, hash, sequence: message.sequence, bytes: message.data, reason });
  }

  /** Takes out the frames that follow `number` without a gap, in order. */
  async free(ingester: string, number: number, fetch: FetchHeld): Promise<CheckedFrame[]> {
    const lane = this.lanes.get(ingester);
    const freed: CheckedFrame[] = [];
    for (let next = number + 1; lane?.has(next); next++) {
      const checked = lane.get(next) ?? (await fetch(ingester, next));
      if (!checked) break;
      freed.push(checked);
      lane.delete(next);
    }
    if (lane?.size === 0) this.lanes.delete(ingester);
    return freed;
  }

  /** Each waiting lane with the first frame that it holds. */
  waiting(): { ingester: string; from: number }[] {
    return [...this.lanes].map(([ingester, lane]) => ({ ingester, from: Math.min(...lane.keys()) }));
  }

  /** Rows that no transaction carries yet; the caller's next transaction does. */
  takeUnstored(): WaitingFrame[] {
    const rows = this.unstored;
    this.unstored = [];
    for (const { ingester, number, reason } of rows) {
      if (reason === null && this.lanes.get(ingester)?.has(number)) this.lane(ingester).set(number, null);
    }
    return rows;
  }

  private lane(ingester: string): Map<number, CheckedFrame | null> {
    let lane = this.lanes.get(ingester);
    if (!lane) this.lanes.set(ingester, (lane = new Map()));
    return lane;
  }
}
