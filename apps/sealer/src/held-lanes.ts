/**
 * Messages that are not sealed as they come: frames ahead of their lane, which wait for the one before them, and what
 * is quarantined. Their bytes go to the `frame` table in the cursor's own transaction, so the cursor may move past them
 * and only the lane they belong to waits. In memory a frame is kept just until that transaction.
 *
 * A number may be held more than once: which of two frames continues the lane shows only when the lane has come to it,
 * and a false one must not keep the true one out.
 */

import { equalHash, sha256, type Hash } from '@everseal/audit-core';
import type { WaitingFrame } from '@everseal/ledger-store';
import type { StoredMessage } from '@everseal/messaging';
import type { CheckedFrame } from './open-block.js';

/** Different frames of one number that are held; whoever makes more of them holds the ingest key. */
export const MOST_VERSIONS = 4;

/** The held frames of one number, out of the database and checked again; those that are not good any more are left out. */
export type FetchHeld = (ingester: string, number: number) => Promise<CheckedFrame[]>;

interface Held {
  readonly hash: Hash;
  /** Null once only the database has the bytes. */
  checked: CheckedFrame | null;
}

export class HeldLanes {
  /** By ingester and number. */
  private readonly lanes = new Map<string, Map<number, Held[]>>();
  private unstored: WaitingFrame[] = [];

  /** @param waiting what the database holds; quarantined rows (with a reason) never leave it by themselves */
  constructor(waiting: readonly Omit<WaitingFrame, 'bytes'>[]) {
    for (const { ingester, number, hash, reason } of waiting) {
      if (reason === null) this.versions(ingester, number).push({ hash, checked: null });
    }
  }

  /** @returns false when there are too many frames of this number already: then it is not held */
  hold(checked: CheckedFrame, message: StoredMessage): boolean {
    const { ingester, number } = checked.frame;
    const { hash } = checked;
    const versions = this.versions(ingester, number);
    if (versions.some((held) => equalHash(held.hash, hash))) return true;
    if (versions.length >= MOST_VERSIONS) return false;
    versions.push({ hash, checked });
    // A copy: the message is a view of a read buffer, which would stay as long as one of its frames is held.
    const bytes = Buffer.from(message.data);
    this.unstored.push({ ingester, number, hash, sequence: message.sequence, bytes, reason: null });
    return true;
  }

  /** Keeps a message that must not be sealed, with the verdict; `ingester` and `number` only when it is a frame. */
  quarantine(message: StoredMessage, reason: string, frame: CheckedFrame | null): void {
    const ingester = frame?.frame.ingester ?? message.subject.slice(message.subject.lastIndexOf('.') + 1);
    const [number, hash] = frame ? [frame.frame.number, frame.hash] : [0, sha256(message.data)];
    const bytes = Buffer.from(message.data);
    this.unstored.push({ ingester, number, hash, sequence: message.sequence, bytes, reason });
  }

  /** The smallest number that is held of a lane; null when it does not wait. */
  first(ingester: string): number | null {
    const lane = this.lanes.get(ingester);
    if (!lane) return null;
    let first = Infinity;
    for (const number of lane.keys()) first = Math.min(first, number);
    return first;
  }

  /** The held frame of this number that continues the lane; null when there is none. It stays held until `forget`. */
  async find(
    ingester: string,
    number: number,
    continues: (frame: CheckedFrame) => boolean,
    fetch: FetchHeld,
  ): Promise<CheckedFrame | null> {
    const held = this.lanes.get(ingester)?.get(number) ?? [];
    const inMemory = held.flatMap(({ checked }) => (checked ? [checked] : []));
    const found = inMemory.find(continues);
    if (found || inMemory.length === held.length) return found ?? null;
    return (await fetch(ingester, number)).find(continues) ?? null;
  }

  /** The lane has come to `number`: nothing up to it waits any more. */
  forget(ingester: string, number: number): void {
    const lane = this.lanes.get(ingester);
    if (!lane) return;
    for (const held of lane.keys()) if (held <= number) lane.delete(held);
    if (lane.size === 0) this.lanes.delete(ingester);
  }

  /** The ingesters whose lanes wait. */
  waiting(): string[] {
    return [...this.lanes.keys()];
  }

  /** Rows that no transaction carries yet; the caller's next transaction does. */
  takeUnstored(): WaitingFrame[] {
    const rows = this.unstored;
    this.unstored = [];
    for (const { ingester, number, reason } of rows) {
      if (reason !== null) continue;
      for (const held of this.lanes.get(ingester)?.get(number) ?? []) held.checked = null;
    }
    return rows;
  }

  private versions(ingester: string, number: number): Held[] {
    let lane = this.lanes.get(ingester);
    if (!lane) this.lanes.set(ingester, (lane = new Map<number, Held[]>()));
    let versions = lane.get(number);
    if (!versions) lane.set(number, (versions = []));
    return versions;
  }
}
