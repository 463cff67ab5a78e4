/**
 * What is remembered of a take-over: which frames of a closed ledger's spool are framed anew in its successor, in which order,
 * and where that began. It is written before the first of them is, so that whoever goes on after a crash finds by counting what
 * is done: the frame that follows `behind` in the successor's lane holds the first of `frames`, and so on, one for one.
 *
 *     everseal/take-over/v1
 *     <closed origin>
 *     <successor's origin>
 *     <ingester>
 *     behind <number of the successor's newest frame when it began>
 *     frames <first>-<last> …          ascending; "none" without any
 *     missing <first>-<last> …         neither in what survives nor in the spool: lost
 *     done <events> <number> <hash>    once everything is in the successor's lane: events taken over, its last frame
 *     <SHA-256 of the lines before, base64>
 *
 * Two copies: `take-over` in the successor's spool is the one that counts; `taken-over` in the closed ledger's says that nothing is to be
 * appended there any more, and by whom it was taken over. Neither is ever deleted.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeBase64, encodeBase64, parseDecimal, sha256 } from '@everseal/audit-core';
import { replaceFile } from '@everseal/process';
import type { FrameRange } from './spool.js';
import type { FrameId } from './spool-state.js';
import { stop } from './stop.js';

export type TakeOverRecord = {
  readonly closed: string;
  readonly successor: string;
  readonly ingester: string;
  readonly behind: number;
  readonly frames: readonly FrameRange[];
  readonly missing: readonly FrameRange[];
  /** Null until everything is in the successor's lane. */
  readonly done: { readonly events: number; readonly last: FrameId } | null;
};

const HEAD = 'everseal/take-over/v1';
const NONE = 'none';

/** Where it counts. @param directory the successor's spool */
export const takeOverFile = (directory: string): string => path.join(directory, 'take-over');
/** @param directory the closed ledger's spool */
const takenOverFile = (directory: string): string => path.join(directory, 'taken-over');

/**
 * Writes both copies; durable when it returns. The one that counts says last that it is done: killed in between, the next
 * start writes both again.
 */
export function writeTakeOver(successor: string, closed: string, record: TakeOverRecord): void {
  const bytes = formatTakeOver(record);
  const files = [takeOverFile(successor), takenOverFile(closed)];
  for (const file of record.done ? files.toReversed() : files) replaceFile(file, bytes);
}

/** Null before one began. @param directory the successor's spool @throws StopProcess spool.corrupt */
export function readTakeOver(directory: string): TakeOverRecord | null {
  return readRecord(takeOverFile(directory));
}

/** Null where nobody began. @param directory the closed ledger's spool @throws StopProcess spool.corrupt */
export function readTakenOver(directory: string): TakeOverRecord | null {
  return readRecord(takenOverFile(directory));
}

function readRecord(file: string): TakeOverRecord | null {
  return existsSync(file) ? parseTakeOver(readFileSync(file), file) : null;
}

export function formatTakeOver(record: TakeOverRecord): Buffer {
  const { closed, successor, ingester, behind, frames, missing, done } = record;
  const lines = [
    HEAD,
    closed,
    successor,
    ingester,
    `behind ${behind}`,
    `frames ${formatRanges(frames)}`,
    `missing ${formatRanges(missing)}`,
    ...(done === null ? [] : [`done ${done.events} ${done.last.number} ${encodeBase64(done.last.hash)}`]),
  ];
  const text = `${lines.join('\n')}\n`;
  return Buffer.from(`${text}${encodeBase64(sha256(Buffer.from(text)))}\n`);
}

/** @throws StopProcess spool.corrupt unless the bytes are exactly what formatTakeOver writes */
export function parseTakeOver(bytes: Buffer, file: string): TakeOverRecord {
  try {
    const [head, closed = '', successor = '', ingester = '', ...rest] = bytes.toString('utf8').split('\n');
    if (head !== HEAD) throw new Error('wrong first line');
    const record = {
      closed,
      successor,
      ingester,
      behind: parseDecimal(valueOf('behind', rest[0])),
      frames: parseRanges(valueOf('frames', rest[1])),
      missing: parseRanges(valueOf('missing', rest[2])),
      done: rest.length > 5 ? parseDone(valueOf('done', rest[3])) : null,
    };
    if (!formatTakeOver(record).equals(bytes)) throw new Error('the checksum or the form is wrong');
    return record;
  } catch (cause) {
    throw stop(
      'spool.corrupt',
      `${file} cannot be read: do not delete it; restore the disk, or put the copy in the other ledger's spool there`,
      cause,
    );
  }
}

function valueOf(label: string, line = ''): string {
  if (!line.startsWith(`${label} `)) throw new Error(`no ${label} line`);
  return line.slice(label.length + 1);
}

function formatRanges(ranges: readonly FrameRange[]): string {
  return ranges.length === 0 ? NONE : ranges.map(([first, last]) => `${first}-${last}`).join(' ');
}

function parseRanges(text: string): FrameRange[] {
  if (text === NONE) return [];
  let before = 0;
  return text.split(' ').map((range) => {
    const [first = 0, last = 0, ...more] = range.split('-').map(parseDecimal);
    if (more.length > 0 || first <= before || last < first) throw new Error(`no ascending ranges at ${range}`);
    before = last;
    return [first, last] as const;
  });
}

function parseDone(text: string): TakeOverRecord['done'] {
  const [events = '', number = '', hash = ''] = text.split(' ');
  return { events: parseDecimal(events), last: { number: parseDecimal(number), hash: decodeBase64(hash, 32) } };
}
