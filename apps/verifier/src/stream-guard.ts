/**
 * The guard over the stream of one ledger's frames. One look:
 *
 *   stream.config    its config is not what the policy calls for, or it is not there
 *   stream.replaced  it is not the one that was read before: another epoch or creation time, numbers that went back, another
 *                    message at a sequence that was read
 *   stream.headroom  what the sealer has not taken comes near the ring's edge (stream-guard-headroom.ts)
 *
 * and the newest message of every lane, which goes to custody: a frame that is purged before it is sealed was seen.
 *
 * A replaced stream is taken over, and its alert cleared, once it is known that nothing went with the old one: everything
 * that was heard of before is sealed, and custody's bound has passed since, in which every ingester's heartbeat came.
 */

import { equalHash, sha256, type Finding, type Hash } from '@everseal/audit-core';
import type { StreamCursor } from '@everseal/ledger-store';
import { MessagingError, type StoredMessage, type StreamReader } from '@everseal/messaging';
import type { ExpectedStream } from '@everseal/policy';
import type { AlertBook } from '@everseal/process';
import type { CustodyLedger } from './custody-ledger.js';
import { headroomOf, isShort, type RingState } from './stream-guard-headroom.js';
import { hearMessage } from './stream-guard-message.js';
import type { StreamMemory } from './stream-guard-memory.js';
import { wrongConfig } from './stream-guard-shared.js';

type StreamInfo = Awaited<ReturnType<StreamReader['info']>>;
type Named = { finding: Finding; evidence: Record<string, string> };

export interface StreamGuardBounds {
  /** Time that must be left until the oldest unsealed frame leaves the ring, milliseconds. */
  readonly headroomMs: number;
  /** How long a replaced stream is watched before it is taken over, milliseconds. */
  readonly settleMs: number;
}

const NANOS_PER_MS = 1_000_000;
/** Of the rate of bytes coming in, how much the newest look counts. */
const NEWEST_SHARE = 0.3;

export class StreamGuard {
  /** Since when the stream is another one, and what had been heard of until then. */
  private replaced: { since: number; marks: ReadonlyMap<string, number> } | null = null;
  private rate: { at: number; sequence: number; bytesPerSecond: number } | null = null;
  /** Looks in a row that did not find the stream: a server that starts may not know it for a moment. */
  private notFound = 0;

  /**
   * @param lanes subject of each ingester's lane
   * @param cursor where the sealer stands, as the database says it; null where that cannot be read
   * @param clock milliseconds, never back @param now milliseconds since 1970
   */
  constructor(
    private readonly reader: StreamReader,
    private readonly expected: ExpectedStream,
    private readonly lanes: readonly string[],
    private readonly custody: CustodyLedger,
    private readonly memory: StreamMemory,
    private readonly cursor: () => Promise<StreamCursor | null>,
    private readonly alerts: AlertBook,
    private readonly bounds: StreamGuardBounds,
    private readonly time: { clock: () => number; now: () => number },
  ) {}

  async look(): Promise<void> {
    const state = await this.info();
    if (!state) return;
    const newest = await this.readLanes();
    const findings = [
      ...[wrongConfig(this.expected, state.config)].filter((wrong) => wrong !== null),
      ...(await this.otherStream(state, newest)),
      ...(await this.shortHeadroom(state)),
    ];
    this.report(findings, true);
  }

  /** Null when the stream is not there. */
  private async info(): Promise<StreamInfo | null> {
    try {
      const state = await this.reader.info();
      this.notFound = 0;
      return state;
    } catch (error) {
      if (!(error instanceof MessagingError) || error.code !== 'stream.not-found') throw error;
      this.notFound += 1;
      const detail = `the stream ${this.expected.name} is not there`;
      if (this.notFound > 1) this.report([found('stream.config', detail, {})], false);
      return null;
    }
  }

  /** The newest message of all lanes; each lane's own goes to custody. */
  private async readLanes(): Promise<StoredMessage | null> {
    let newest: StoredMessage | null = null;
    for (const lane of this.lanes) {
      const message = await this.reader.lastBySubject(lane);
      if (!message) continue;
      hearMessage(message, this.custody);
      if (!newest || message.sequence > newest.sequence) newest = message;
    }
    return newest;
  }

  private async otherStream(state: StreamInfo, newest: StoredMessage | null): Promise<Named[]> {
    const why = await this.whyOther(state, newest);
    if (why === null || this.isSettled()) {
      this.replaced = null;
      this.remember(state, newest);
      return [];
    }
    const marks = this.custody.marks();
    if (marks) this.replaced ??= { since: this.time.clock(), marks };
    const known = this.memory.identity!;
    const evidence = { before: JSON.stringify(plain(known)), now: JSON.stringify(plain(identityOf(state, newest))) };
    return [found('stream.replaced', `the stream ${this.expected.name} is another one: ${why}`, evidence)];
  }

  private async whyOther(state: StreamInfo, newest: StoredMessage | null): Promise<string | null> {
    const known = this.memory.identity;
    if (!known) return null;
    if (state.epoch !== known.epoch) return `its epoch is ${state.epoch}, was ${known.epoch}`;
    if (state.created !== known.created) return `it was created ${state.created}, was ${known.created}`;
    if (!known.message) return null;
    const { sequence, hash } = known.message;
    if (state.lastSequence < sequence) return `it ends at message ${state.lastSequence}, ${sequence} was read`;
    if (sequence < state.firstSequence) return null;
    const there = newest?.sequence === sequence ? newest : await this.reader.get(sequence);
    return there && !equalHash(sha256(there.data), hash) ? `message ${sequence} is another one` : null;
  }

  /** Nothing went with the old stream, as far as anybody could have told us by now. */
  private isSettled(): boolean {
    if (!this.replaced) return false;
    const { since, marks } = this.replaced;
    return this.time.clock() - since > this.bounds.settleMs && this.custody.hasSealed(marks);
  }

  private remember(state: StreamInfo, newest: StoredMessage | null): void {
    const fresh = identityOf(state, newest);
    const known = this.memory.identity;
    const same =
      known?.epoch === fresh.epoch &&
      known.created === fresh.created &&
      (fresh.message === null || known.message?.sequence === fresh.message.sequence);
    if (!same) this.memory.set(fresh);
  }

  private async shortHeadroom(state: StreamInfo): Promise<Named[]> {
    const cursor = await this.cursor();
    if (!cursor) return [];
    const ring = await this.ringState(state, cursor);
    const headroom = headroomOf(ring);
    if (!isShort(headroom, this.bounds.headroomMs)) return [];
    const left = `${Math.round(headroom.leftMs / 1_000)} s`;
    const detail =
      `${ring.waiting} messages of ${this.expected.name} wait for the sealer and take ` +
      `${Math.round(headroom.taken * 100)} % of the ring; at the present rate the oldest leaves it in ${left}`;
    return [found('stream.headroom', detail, {})];
  }

  private async ringState(state: StreamInfo, cursor: StreamCursor): Promise<RingState> {
    const { bytes, messages, firstSequence, lastSequence } = state;
    const isSame = cursor.epoch === state.epoch && cursor.created === state.created;
    const oldest = Math.max(firstSequence, isSame ? cursor.sequence + 1 : 0);
    const waiting = messages === 0 ? 0 : Math.max(0, lastSequence - oldest + 1);
    const message = waiting > 0 ? await this.reader.get(oldest) : null;
    return {
      maxBytes: this.expected.max_bytes,
      maxAgeMs: (this.expected.max_age ?? 0) / NANOS_PER_MS,
      bytes,
      messages,
      waiting,
      oldestAgeMs: message ? Math.max(0, this.time.now() - Date.parse(message.time)) : 0,
      bytesPerSecond: this.measureRate(lastSequence, messages > 0 ? bytes / messages : 0),
    };
  }

  private measureRate(sequence: number, bytesEach: number): number {
    const at = this.time.clock();
    const { rate } = this;
    if (!rate || sequence < rate.sequence) {
      this.rate = { at, sequence, bytesPerSecond: 0 };
    } else if (at > rate.at) {
      const now = ((sequence - rate.sequence) * bytesEach * 1_000) / (at - rate.at);
      const bytesPerSecond = rate.bytesPerSecond * (1 - NEWEST_SHARE) + now * NEWEST_SHARE;
      this.rate = { at, sequence, bytesPerSecond };
    }
    return this.rate!.bytesPerSecond;
  }

  private report(findings: readonly Named[], complete: boolean): void {
    const { origin } = this.custody;
    const named = findings.map(({ finding, evidence }) => ({ finding, context: { ledger: origin, evidence } }));
    this.alerts.reconcile(`the stream ${this.expected.name} of ${origin}`, named, complete);
  }
}

function found(code: Finding['code'], detail: string, evidence: Record<string, string>): Named {
  return { finding: { code, index: null, height: null, detail }, evidence };
}

function identityOf({ epoch, created }: StreamInfo, newest: StoredMessage | null) {
  const message: { sequence: number; hash: Hash } | null = newest && {
    sequence: newest.sequence,
    hash: sha256(newest.data),
  };
  return { epoch, created, message };
}

function plain({ epoch, created, message }: ReturnType<typeof identityOf>): object {
  return { epoch, created, message: message && { sequence: message.sequence, hash: message.hash.toString('base64') } };
}
