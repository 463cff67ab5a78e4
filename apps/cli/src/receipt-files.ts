/**
 * Receipts on disk, for later proof. Each is one line of JSON:
 *
 *     {"producer":"billing","ids":["…",…],"receipt":{…}}
 *
 * `ids` are the events that it covers, in order; to prove one, its bytes are needed too, so the input is to be kept. Into
 * a folder: one file a receipt, named by its place, so that sending the same again does not make another. Into a
 * file: appended. Written before the outcome is told.
 */
import { appendFileSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import {
  FormatError,
  formatReceipt,
  MAX_REQUEST_EVENTS,
  MessageReader,
  parseOrigin,
  parseReceipt,
  type Receipt,
} from '@everseal/audit-core';
import { replaceFile } from '@everseal/process';
import { CliFailure } from './cli-failure.js';
import { EXIT } from './exit-code.js';
import type { Outcome } from './judge-answer.js';
import type { SubmitRequest } from './submit-request.js';

export type KeepReceipt = (request: SubmitRequest, outcome: Extract<Outcome, { kind: 'receipted' }>) => void;

/** @param target a folder (existing, or named with a slash at its end) or a file; undefined keeps nothing */
export function receiptKeeper(target: string | undefined, producer: string): KeepReceipt {
  if (target === undefined) return () => undefined;
  const isFolder = target.endsWith(path.sep) || statSync(target, { throwIfNoEntry: false })?.isDirectory() === true;
  mkdirSync(isFolder ? target : path.dirname(target), { recursive: true });
  return (request, { receipt, frame }) => {
    const ids = request.events.map(({ id }) => id);
    const head = JSON.stringify({ producer, ids }).slice(0, -1);
    const line = `${head},"receipt":${formatReceipt(receipt).toString()}}\n`;
    if (!isFolder) return appendFileSync(target, line);
    const place = `${parseOrigin(receipt.ledger).ledger}-${frame.ingester}-${frame.number}-${receipt.first}`;
    replaceFile(path.join(target, `${place}.json`), line, 0o644);
  };
}

/** A receipt out of a file. */
export interface KeptReceipt {
  /** `file`, or `file:line` where it has more than one. */
  place: string;
  /** Who it was given to; null in a file that holds the bare receipt. */
  producer: string | null;
  /** Ids of its events, in order; null where they are not said. */
  ids: readonly string[] | null;
  /** The bytes of its one event, where the client kept them with it. */
  event: Buffer | null;
  receipt: Receipt;
}

/** A receipt has at most 16 KiB, and the ids of 512 events 64 characters each. */
const MOST_LINE_BYTES = 262_144;

/**
 * The receipts of a file as `receiptKeeper` writes it; a line may also be a bare receipt, as ingest answered it.
 * @throws CliFailure for a line that is neither
 */
export function readReceipts(file: string): KeptReceipt[] {
  const lines = readFileSync(file)
    .toString('utf8')
    .split('\n')
    .map((line, i) => ({ line, place: `${file}:${i + 1}` }))
    .filter(({ line }) => line.trim() !== '');
  if (lines.length === 0) throw new CliFailure(EXIT.usage, `${file} holds no receipt`);
  return lines.map(({ line, place }) => readLine(line, lines.length > 1 ? place : file));
}

function readLine(line: string, place: string): KeptReceipt {
  try {
    const members = MessageReader.parse('receipt-file', Buffer.from(line), MOST_LINE_BYTES);
    if (!members.has('receipt'))
      return { place, producer: null, ids: null, event: null, receipt: parseReceipt(Buffer.from(line)) };
    const { receipt } = JSON.parse(line) as { receipt: unknown };
    return {
      place,
      producer: members.text('producer'),
      ids: members.has('ids') ? members.texts('ids', MAX_REQUEST_EVENTS) : null,
      event: members.has('event') ? Buffer.from(members.text('event')) : null,
      receipt: parseReceipt(Buffer.from(JSON.stringify(receipt))),
    };
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new CliFailure(EXIT.usage, `${place} is no receipt (${cause.message}): give what submit --receipts kept`, {
      cause,
    });
  }
}
