/**
 * What a watcher keeps from run to run, so that one that cron starts raises once, clears once, and notices what went back
 * between two runs: what stands, what it saw of each ledger, the alert numbers, and pages that nobody took yet.
 *
 * The file is the watcher's own word and is believed. One that cannot be read is an error, not a fresh start: it would
 * forget what stands.
 */
import { readFileSync } from 'node:fs';
import { replaceFile } from '@everseal/process';
import { z } from 'zod';
import { usage } from './cli-failure.js';
import type { Standing, Transition } from './watch-latch.js';
import type { InstallationMemory } from './watched-installation.js';

const text = z.string();
const count = z.int().min(0);
const condition = {
  key: text,
  code: text,
  severity: text,
  meaning: text,
  ledger: text,
  part: text,
  detail: text,
  evidence: z.record(text, text),
  runbook: text,
};
const standing = z.strictObject({ ...condition, since: text });
const transition = z.strictObject({ ...condition, since: text, state: z.enum(['raised', 'cleared']), at: text });
const ledger = z.strictObject({
  size: count,
  grownAt: count,
  seconds: z.record(text, count),
  notes: z.array(text),
  shown: z.array(z.strictObject(condition)),
});
const watchState = z.strictObject({
  version: z.literal(1),
  standing: z.array(standing),
  unpaged: z.array(transition),
  ledgers: z.record(text, ledger),
  alerts: z.record(text, count),
});

export interface WatchState extends InstallationMemory {
  readonly standing: readonly Standing[];
  /** Transitions that the webhook has not taken. */
  readonly unpaged: readonly Transition[];
}

/** Null when there is none yet. @throws CliFailure when it is damaged */
export function readWatchState(file: string): WatchState | null {
  let written: string;
  try {
    written = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return watchState.parse(JSON.parse(written));
  } catch (cause) {
    const why = 'is not a state that this tool wrote: look who changed it, then move it away and watch anew';
    throw usage(`${file} ${why} (${cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause)})`);
  }
}

export function writeWatchState(file: string, state: WatchState): void {
  replaceFile(file, JSON.stringify({ version: 1, ...state }));
}
