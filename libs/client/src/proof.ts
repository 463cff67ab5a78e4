/**
 * What is kept of a recorded event: its exact bytes and the receipt that proves them. Together, and with the ledger's ingest
 * keys, they are enough for anybody, offline and for ever; neither is worth anything without the other.
 *
 * On disk one line of JSON, in the form of `everseal submit --receipts` (and read by `everseal claim`), with the event:
 *
 *     {"producer":"billing","ids":["…"],"event":"{\"specversion\":…}","receipt":{…}}
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import {
  formatReceipt,
  MessageReader,
  parseReceipt,
  parseSubmission,
  verifyReceipt,
  type Frame,
  type Receipt,
  type VerifierKey,
} from '@everseal/audit-core';

/** An event has 61,440 bytes and may double as a text in JSON; a receipt has 16 KiB. */
const MOST_LINE_BYTES = 262_144;

export class Proof {
  constructor(
    readonly producer: string,
    /** CloudEvents id. */
    readonly id: string,
    /** The exact bytes that were sealed. */
    readonly event: Buffer,
    /** For this event alone. */
    readonly receipt: Receipt,
  ) {}

  /**
   * Verifies it again, as an outsider would.
   * @returns the frame that the ingester signed: who took the event, and when
   * @throws FormatError, NoteError as `verifyReceipt` of audit-core
   */
  verify(ingestKeys: readonly VerifierKey[]): Frame {
    const { producer, event, receipt } = this;
    return verifyReceipt(receipt, { origin: receipt.ledger, producer, events: [event] }, ingestKeys);
  }

  /** One line, its line feed included. */
  toLine(): string {
    const { producer, id, event, receipt } = this;
    const head = JSON.stringify({ producer, ids: [id], event: event.toString() }).slice(0, -1);
    return `${head},"receipt":${formatReceipt(receipt).toString()}}\n`;
  }

  /** Appends the line to a file and syncs it. @throws system errors */
  appendTo(file: string): void {
    const fd = openSync(file, 'a', 0o600);
    try {
      const line = Buffer.from(this.toLine());
      for (let at = 0; at < line.length;) at += writeSync(fd, line, at);
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Reads a line by value; nothing is verified yet. @throws FormatError `proof.*`, `receipt.*`; Refused for the event */
  static parse(line: string): Proof {
    const members = MessageReader.parse('proof', Buffer.from(line), MOST_LINE_BYTES);
    const event = Buffer.from(members.text('event'));
    const { receipt } = JSON.parse(line) as { receipt: unknown };
    const [read] = parseSubmission(undefined, event).events;
    const parsed = parseReceipt(Buffer.from(JSON.stringify(receipt) ?? ''));
    return new Proof(members.text('producer'), read!.id, event, parsed);
  }
}
