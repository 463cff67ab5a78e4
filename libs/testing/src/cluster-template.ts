/**
 * A Postgres cluster that was made once and is copied for every spec file: half the time of an initdb. Only under jest, whose global
 * set-up (jest-setup.mjs) names a folder for it in EVERSEAL_TEST_TEMPLATES and removes that at the end; elsewhere nothing is copied.
 *
 * Two workers may make it at the same time; the first to rename its own has made it.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync } from 'node:fs';
import path from 'node:path';
import { createCluster } from '@everseal/local';

/** Puts a cluster that was never started into `dir`, the folder that `startPostgres` is given next. */
export function copyCluster(dir: string): void {
  const folder = process.env['EVERSEAL_TEST_TEMPLATES'];
  if (folder === undefined) return;
  const template = path.join(folder, 'postgres');
  if (!existsSync(template)) makeTemplate(folder, template);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const copied = spawnSync('cp', ['-a', path.join(template, 'data'), path.join(dir, 'data')], { encoding: 'utf8' });
  if (copied.status !== 0) throw new Error(`the template of Postgres cannot be copied: ${copied.stderr}`);
}

function makeTemplate(folder: string, template: string): void {
  const own = mkdtempSync(path.join(folder, 'making-'));
  chmodSync(own, 0o711);
  createCluster(path.join(own, 'postgres'));
  try {
    renameSync(path.join(own, 'postgres'), template);
  } catch (error) {
    if (!existsSync(template)) throw error;
  }
}
