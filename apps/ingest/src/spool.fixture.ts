/**
 * Messages that look to a spool like frames of one lane, cheap to make in any number: `{"number":1,"previous":"…","pad":"…"}`.
 * For tests of the spool alone; everything above it is tested with real frames.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeBase64, encodeBase64, leafHash, ZERO_HASH } from '@everseal/audit-core';
import type { Spool, SpoolOptions } from './spool.js';
import type { InspectedFrame } from './spool-recovery.js';
import type { FrameId } from './spool-state.js';

export const FIRST_TIME = Date.UTC(2026, 0, 1);

export function fakeFrame(number: number, previous: FrameId | null, pad: number): { id: FrameId; message: Buffer } {
  const hash = encodeBase64(previous?.hash ?? ZERO_HASH);
  const message = Buffer.from(`{"number":${number},"previous":"${hash}","pad":"${'x'.repeat(pad)}"}`);
  return { id: { number, hash: leafHash(message) }, message };
}

export function inspectFake(message: Buffer): InspectedFrame {
  const value = JSON.parse(message.toString('latin1')) as { number: number; previous: string };
  return {
    number: value.number,
    previous: decodeBase64(value.previous, 32),
    hash: leafHash(message),
    acceptedMs: FIRST_TIME + value.number,
  };
}

const folders: string[] = [];

/** Removes every folder that spoolOptions made. */
export function removeSpools(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

export function spoolOptions(change: Partial<SpoolOptions> = {}): SpoolOptions {
  const folder = mkdtempSync(path.join(tmpdir(), 'everseal-spool-'));
  folders.push(folder);
  return {
    directory: path.join(folder, 'main'),
    origin: 'audit.example.com/main',
    ingester: 'a',
    inspect: inspectFake,
    bound: 1_000_000,
    windowBytes: 0,
    segmentBytes: 4_096,
    ...change,
  };
}

/** Appends frames newest+1 … newest+count and returns their messages. */
export async function appendFakes(spool: Spool, count: number, pad = 300): Promise<{ id: FrameId; message: Buffer }[]> {
  const frames = [];
  for (let i = 0; i < count; i += 1) {
    const frame = fakeFrame(spool.newest.number + 1, spool.newest.number === 0 ? null : spool.newest, pad);
    await spool.append(frame.id, FIRST_TIME + frame.id.number, frame.message);
    frames.push(frame);
  }
  return frames;
}
