/**
 * Receipts on disk, for later proof. Each is one line of JSON:
 *
 *     {"producer":"billing","ids":["…",…],"receipt":{…}}
 *
 * `ids` are the events that it covers, in order; to prove one, its bytes are needed too, so the input is to be kept. Into
 * a folder: one file a receipt, named by its place, so that sending the same again does not make another. Into a
 * file: appended. Written before the outcome is told.
 */
import { appendFileSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { formatReceipt, parseOrigin } from '@everseal/audit-core';
import { replaceFile } from '@everseal/process';
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
