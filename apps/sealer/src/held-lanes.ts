/**
 * Messages that are not sealed as they come: frames ahead of their lane, which wait for the one before them, and what
 * is quarantined. Their bytes go to the `frame` table in the cursor's own transaction, so the cursor may move past them
 * and only the lane they belong to waits. In memory a frame is kept just until that transaction.
 *
 * A number may be held more than once: which of two frames continues the lane shows only when the lane has come to it,
 * and a false one must not keep the true one out.
 *
 * Bounded a lane, in bytes (kept-bytes.ts). A frame beyond the bound is passed by, and its number remembered: the lane
 * waits until it has come there, so that its ingester is asked for the frame when its turn comes.
 */

import { equalHash, FormatError, MAX_MESSAGE_BYTES, parseName, sha256, type Hash } from '@everseal/audit-core';
import type { WaitingFrame, WaitingRow } from '@everseal/ledger-store';
import type { StoredMessage } from '@everseal/messaging';
import { HeldNumbers } from './held-numbers.js';
import { KeptBytes } from './kept-bytes.js';
import type { CheckedFrame } from './open-block.js';

/** Different frames of one number that are held; whoever makes more of them holds the ingest key. */
export const MOST_VERSIONS = 4;
/** Quarantined bytes a lane: evidence of some twenty of the largest messages, or of thousands of ordinary ones. */
const MOST_QUARANTINED_BYTES = 16 * 1024 * 1024;
/** Stands for an ingester where the subject names none; no ingester has this name. */
const NO_NAME = '?';

/** The held frames of one number, out of the database and checked again; those that are not good any more are left out. */
export type FetchHeld = (ingester: string, number: number) => Promise<CheckedFrame[]>;

/** `versions`: too many frames of this number are held already. `full`: its lane holds as much as it may. */
export type Holding = 'held' | 'versions' | 'full';

interface Held {
  readonly hash: Hash;
  /** Of its message. */
  readonly bytes: number;
  /** Null once only the database has the bytes. */
  checked: CheckedFrame | null;
}

export class HeldLanes {
  /** By ingester and number. */
  private readonly lanes = new Map<string, HeldNumbers<Held[]>>();
  /** The largest number of a lane that was passed by. */
  private readonly passedBy = new Map<string, number>();
  private readonly heldBytes: KeptBytes;
  private readonly quarantinedBytes: KeptBytes;
  private unstored: WaitingFrame[] = [];

  /**
   * @param waiting what the database holds; quarantined rows (with a reason) never leave it by themselves
   * @param headOf newest sealed number of a lane: what it has passed waits for nothing, but its bytes are there
   * @param most bytes a lane
   */
  constructor(
    waiting: readonly WaitingRow[],
    headOf: (ingester: string) => number,
    most: { readonly held: number; readonly quarantined?: number },
  ) {
    this.heldBytes = new KeptBytes(most.held);
    this.quarantinedBytes = new KeptBytes(most.quarantined ?? MOST_QUARANTINED_BYTES);
    for (const { ingester, number, hash, reason, size } of waiting) {
      (reason === null ? this.heldBytes : this.quarantinedBytes).count(ingester, size);
      if (reason !== null || number <= headOf(ingester)) continue;
      this.versions(ingester, number).push({ hash, bytes: size, checked: null });
    }
  }

  hold(checked: CheckedFrame, message: StoredMessage): Holding {
    const { ingester, number } = checked.frame;
    const { hash } = checked;
    const versions = this.lanes.get(ingester)?.get(number) ?? [];
    if (versions.some((held) => equalHash(held.hash, hash))) return 'held';
    if (versions.length >= MOST_VERSIONS) return 'versions';
    if (!this.heldBytes.take(ingester, message.data.length)) {
      this.passedBy.set(ingester, Math.max(number, this.passedBy.get(ingester) ?? 0));
      return 'full';
    }
    this.versions(ingester, number).push({ hash, bytes: message.data.length, checked });
    // A copy: the message is a view of a read buffer, which would stay as long as one of its frames is held.
    const bytes = Buffer.from(message.data);
    this.unstored.push({ ingester, number, hash, sequence: message.sequence, bytes, reason: null });
    return 'held';
  }

  /**
   * Keeps a message that must not be sealed, with the verdict; `ingester` and `number` only when it is a frame.
   * @returns false when its bytes are not kept: the lane has as many as it may, or no row takes so large a one
   */
  quarantine(message: StoredMessage, reason: string, frame: CheckedFrame | null): boolean {
    const { data, subject, sequence } = message;
    const ingester = frame?.frame.ingester ?? nameIn(subject);
    if (data.length > MAX_MESSAGE_BYTES || !this.quarantinedBytes.take(ingester, data.length)) return false;
    const [number, hash] = frame ? [frame.frame.number, frame.hash] : [0, sha256(data)];
    this.unstored.push({ ingester, number, hash, sequence, bytes: Buffer.from(data), reason });
    return true;
  }

  /** The smallest number that is held of a lane; null when it does not wait. */
  first(ingester: string): number | null {
    return this.lanes.get(ingester)?.first ?? null;
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
    return (await this.fetched(ingester, number, fetch)).find(continues) ?? null;
  }

  /** Every good frame of this number that is held. */
  async versionsOf(ingester: string, number: number, fetch: FetchHeld): Promise<CheckedFrame[]> {
    const held = this.lanes.get(ingester)?.get(number) ?? [];
    const inMemory = held.flatMap(({ checked }) => (checked ? [checked] : []));
    if (inMemory.length === held.length) return inMemory;
    const stored = (await this.fetched(ingester, number, fetch)).filter(({ frame }) => frame.number === number);
    return [...inMemory, ...stored.filter(({ hash }) => !inMemory.some((one) => equalHash(one.hash, hash)))];
  }

  /** Those that are not good any more, damaged or signed by a key that was revoked since, do not wait any longer. */
  private async fetched(ingester: string, number: number, fetch: FetchHeld): Promise<CheckedFrame[]> {
    const good = await fetch(ingester, number);
    const lane = this.lanes.get(ingester);
    const held = lane?.get(number);
    if (!lane || !held) return good;
    const left = held.filter(({ checked, hash }) => checked || good.some((one) => equalHash(one.hash, hash)));
    if (left.length > 0) lane.set(number, left);
    else lane.delete(number);
    if (lane.size === 0) this.lanes.delete(ingester);
    return good;
  }

  /**
   * The lane has come to `number`: nothing up to it waits any more. The bytes of the frame that was sealed go with its
   * transaction; those of another one of that number stay.
   */
  forget(ingester: string, number: number, sealed: Hash): void {
    if ((this.passedBy.get(ingester) ?? Infinity) <= number) this.passedBy.delete(ingester);
    const lane = this.lanes.get(ingester);
    if (!lane) return;
    const held = lane.get(number)?.find(({ hash }) => equalHash(hash, sealed));
    if (held) this.heldBytes.release(ingester, held.bytes);
    lane.deleteTo(number);
    if (lane.size === 0) this.lanes.delete(ingester);
  }

  /** The largest number of a lane that came and is not held; 0 when the lane has none, or has come there. */
  passedByTo(ingester: string): number {
    return this.passedBy.get(ingester) ?? 0;
  }

  /** The ingesters whose lanes wait. */
  waiting(): string[] {
    return [...new Set([...this.lanes.keys(), ...this.passedBy.keys()])];
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
    if (!lane) this.lanes.set(ingester, (lane = new HeldNumbers<Held[]>()));
    let versions = lane.get(number);
    if (!versions) lane.set(number, (versions = []));
    return versions;
  }
}

/** The ingester whose lane a subject is, if its last token can be a name: the broker's operators may store anything. */
function nameIn(subject: string): string {
  try {
    return parseName(subject.slice(subject.lastIndexOf('.') + 1));
  } catch (error) {
    if (error instanceof FormatError) return NO_NAME;
    throw error;
  }
}
