/** Starts the verifier again with other rates of its sweeps. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Bench } from './bench.js';

/** Entries a second, 0 for no bound; and the pause between two passes. */
export interface SweepSettings {
  readonly bodies: number;
  readonly index: number;
  readonly stored: number;
  readonly pauseMs: number;
}

/** One entry a second is as good as none. */
export const NO_SWEEPS: SweepSettings = { bodies: 1, index: 1, stored: 1, pauseMs: 600_000 };

/** @param sweep null for the rates that an installation has */
export async function restartVerifier(bench: Bench, sweep: SweepSettings | null): Promise<void> {
  const config = path.join(bench.dir, 'config', 'verifier-v1.yaml');
  const usual = readFileSync(config, 'utf8');
  if (sweep) writeFileSync(config, `${usual}\nsweep: ${JSON.stringify(sweep)}\n`);
  await bench.installation.service('verifier', 'v1').stop();
  await bench.installation.startService('verifier', 'v1');
  writeFileSync(config, usual);
}
