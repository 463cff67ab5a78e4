/**
 * What a spool remembers for ever, also when it holds no frame any more: the newest frame ever built and the newest one proven
 * sealed. Without it an empty directory and a directory that lost its frames would look alike, and a frame number could be
 * used twice.
 *
 *     everseal/spool/v1
 *     <origin>
 *     <ingester>
 *     newest <number> <hash>
 *     covered <number> <hash>
 *     <SHA-256 of the lines before, base64>
 *
 * `newest` here is a lower bound: frames appended since stand in the segments. Both are 0 and 32 zero bytes before frame 1.
 */
import { decodeBase64, encodeBase64, parseDecimal, sha256, type Hash } from '@everseal/audit-core';
import { stop } from './stop.js';

/** A frame's number and the leaf hash of its note. */
export type FrameId = { number: number; hash: Hash };

export type SpoolState = { origin: string; ingester: string; newest: FrameId; covered: FrameId };

const HEAD = 'everseal/spool/v1';

export function formatSpoolState(state: SpoolState): Buffer {
  const lines = [
    HEAD,
    state.origin,
    state.ingester,
    `newest ${state.newest.number} ${encodeBase64(state.newest.hash)}`,
    `covered ${state.covered.number} ${encodeBase64(state.covered.hash)}`,
  ];
  const text = `${lines.join('\n')}\n`;
  return Buffer.from(`${text}${encodeBase64(sha256(Buffer.from(text)))}\n`);
}

/** @throws StopProcess spool.corrupt unless the bytes are exactly what formatSpoolState writes */
export function parseSpoolState(bytes: Buffer, file: string): SpoolState {
  try {
    const [head, origin, ingester, newest, covered] = bytes.toString('utf8').split('\n');
    if (head !== HEAD || origin === undefined || ingester === undefined) throw new Error('wrong first lines');
    const state = { origin, ingester, newest: parseId('newest', newest), covered: parseId('covered', covered) };
    if (!formatSpoolState(state).equals(bytes)) throw new Error('the checksum or the form is wrong');
    return state;
  } catch (cause) {
    throw stop(
      'spool.corrupt',
      `spool state ${file} cannot be read: do not delete it; restore the disk, or give this instance a new name and key`,
      cause,
    );
  }
}

function parseId(label: string, line: string | undefined): FrameId {
  const [word, number, hash, ...rest] = (line ?? '').split(' ');
  if (word !== label || number === undefined || hash === undefined || rest.length > 0)
    throw new Error(`no ${label} line`);
  return { number: parseDecimal(number), hash: decodeBase64(hash, 32) };
}
