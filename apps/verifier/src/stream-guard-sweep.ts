/**
 * The sweep over the stream: every message that it still holds, round and round at a set rate, against the log. A frame that
 * is sealed must stand on the stream with the sealed bytes; every other genuine one goes to custody, which knows since when.
 *
 * What is no frame, or nobody's, was put aside by the sealer, which said so; a frame that stands there twice is counted by
 * it. At full load the ring turns over faster than the sweep reads: it goes on at the oldest message that is there.
 */

import {
  encodeBase64,
  FormatError,
  leafHash,
  parseFrameText,
  parseNote,
  treeRoot,
  type Finding,
  type Frame,
  type FrameMessage,
  type Hash,
} from '@everseal/audit-core';
import type { StoredMessage, StreamReader } from '@everseal/messaging';
import type { AlertBook } from '@everseal/process';
import type { CustodyLedger } from './custody-ledger.js';
import type { Pace } from './pace.js';
import { hearMessage, openMessage } from './stream-guard-message.js';
import { hashLeaves, splitHashes } from './stored-leaves.js';

const BATCH = { maxMessages: 64, maxBytes: 4 * 1024 * 1024 };
const MOST_FINDINGS = 100;
const KIB = 1_024;

interface SweptFrame {
  readonly message: StoredMessage;
  readonly opened: FrameMessage;
  readonly frame: Frame;
  readonly hash: Hash;
}

export class StreamSweep {
  /** @param pace counts KiB */
  constructor(
    private readonly reader: StreamReader,
    private readonly custody: CustodyLedger,
    private readonly alerts: AlertBook,
    private readonly pace: Pace,
  ) {}

  /** One pass, reported when it is whole. */
  async pass(signal: AbortSignal): Promise<void> {
    const { firstSequence, lastSequence } = await this.reader.info();
    const findings: Finding[] = [];
    for (let next = Math.max(1, firstSequence); next <= lastSequence && !signal.aborted;) {
      const batch = await this.reader.readFrom(next, BATCH);
      if (batch.length === 0) break;
      findings.push(...(await this.compare(batch)));
      next = batch.at(-1)!.sequence + 1;
      const bytes = batch.reduce((sum, { data }) => sum + data.length, 0);
      await this.pace.spent(bytes / KIB, signal);
    }
    if (signal.aborted) return;
    const named = findings
      .slice(0, MOST_FINDINGS)
      .map((finding) => ({ finding, context: { ledger: this.custody.origin } }));
    this.alerts.reconcile(`the messages on ${this.reader.stream}`, named, findings.length < MOST_FINDINGS);
  }

  private async compare(batch: readonly StoredMessage[]): Promise<Finding[]> {
    const frames = batch.flatMap((message) => this.open(message));
    const findings: Finding[] = [];
    for (const ingester of new Set(frames.map(({ frame }) => frame.ingester))) {
      const lane = frames.filter(({ frame }) => frame.ingester === ingester);
      const places = await this.custody.log.find(ingester, lane);
      for (const [i, swept] of lane.entries()) {
        const place = places[i]!;
        if (place.state !== 'sealed') hearMessage(swept.message, this.custody);
        else findings.push(...this.wrongBytes(swept, place.index));
      }
    }
    return findings;
  }

  /** The frame that a message says it is; whether it is one shows by the log, or by its signature. */
  private open(message: StoredMessage): SweptFrame[] {
    const opened = openMessage(message);
    if (!opened) return [];
    try {
      const frame = parseFrameText(parseNote(opened.note).text);
      const isOurs = frame.origin === this.custody.origin;
      return isOurs ? [{ message, opened, frame, hash: leafHash(opened.note) }] : [];
    } catch (error) {
      if (error instanceof FormatError) return [];
      throw error;
    }
  }

  /** The note is the sealed one, so are its events, or somebody changed them on the broker. */
  private wrongBytes({ message, opened, frame }: SweptFrame, index: number): Finding[] {
    const sealed = this.custody.log.leafHashes(index + 1, index + 1 + frame.count);
    const there = hashLeaves(opened.bytes, opened.entries);
    if (sealed.equals(there)) return [];
    const at = `message ${message.sequence} of ${this.reader.stream}`;
    const detail = `${at} is frame ${frame.number} of ${frame.ingester} with other events than the sealed ones`;
    const found = encodeBase64(treeRoot(splitHashes(there)));
    return [{ code: 'custody.altered', index, height: null, detail, expected: encodeBase64(frame.root), found }];
  }
}
