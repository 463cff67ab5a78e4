/**
 * What a drill keeps before it changes anything, so that a crash leaves nothing behind: one file an act,
 * `restore-<act>.json` in the drill's folder, written and synced before the change, renamed to `….done` once everything
 * stands as it did. It holds values alone; the statements that put them back are this tool's own.
 */
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { replaceFile, syncFolder } from '@everseal/process';
import { z } from 'zod';
import { usage } from './cli-failure.js';
import { DRILL_SETTINGS, DRILL_TABLES, type DrillSetting, type DrillTable, type Saved } from './drill-change.js';

const KIND = 'everseal/drill-restore/v1';
const DONE = '.done';
const NAME = /^restore-[A-Za-z0-9]+\.json$/;
/** A body in hexadecimal and what is around it. */
const MOST_BYTES = 64 * 1024 * 1024;

const tables = Object.keys(DRILL_TABLES) as [DrillTable, ...DrillTable[]];
const settings = Object.keys(DRILL_SETTINGS) as [DrillSetting, ...DrillSetting[]];
const savedRow = z.strictObject({
  table: z.enum(tables),
  key: z.record(z.string(), z.string()),
  row: z.record(z.string(), z.string().nullable()).nullable(),
});
const schema = z.strictObject({
  kind: z.literal(KIND),
  /** Origin of the drill ledger. */
  origin: z.string(),
  act: z.string(),
  time: z.string(),
  saved: z.union([
    z.strictObject({ rows: z.array(savedRow).min(1).max(8) }),
    z.strictObject({ setting: z.enum(settings), before: z.string() }),
  ]),
});

export interface RestoreFile {
  readonly origin: string;
  readonly act: string;
  readonly time: string;
  readonly saved: Saved;
}

/** @returns the file's name; what it says is on the disk */
export function writeRestoreFile(folder: string, content: RestoreFile): string {
  const file = path.join(folder, `restore-${content.act}.json`);
  replaceFile(file, `${JSON.stringify({ kind: KIND, ...content }, null, 2)}\n`);
  return file;
}

/** @throws CliFailure for what no drill has written */
export function readRestoreFile(file: string): RestoreFile {
  const bytes = readFileSync(file);
  if (bytes.length > MOST_BYTES) throw usage(`${file} is larger than any restore file`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw usage(`${file} is no restore file of a drill: ${String(cause)}`);
  }
  const read = schema.safeParse(value);
  if (!read.success) throw usage(`${file} is no restore file of a drill: ${read.error.issues[0]?.message ?? ''}`);
  const { kind: _, ...content } = read.data;
  requireKeys(file, content.saved);
  return content;
}

/** Everything it says stands again. */
export function settleRestoreFile(file: string): void {
  renameSync(file, file + DONE);
  syncFolder(path.dirname(file));
}

/** Files of drills that did not come to their end, in the folders below this one. */
export function unsettledRestoreFiles(out: string): string[] {
  if (!existsSync(out)) return [];
  const folders = readdirSync(out, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.flatMap(({ name }) => {
    const folder = path.join(out, name);
    return readdirSync(folder)
      .filter((file) => NAME.test(file))
      .map((file) => path.join(folder, file));
  });
}

/** A row is only ever found by its whole key, and what is put there is the row of that key. */
function requireKeys(file: string, saved: Saved): void {
  if ('setting' in saved) return;
  for (const { table, key, row } of saved.rows) {
    const names = Object.keys(DRILL_TABLES[table]);
    const isWhole = Object.keys(key).length === names.length && names.every((name) => name in key);
    if (isWhole && (row === null || names.every((name) => row[name] === key[name]))) continue;
    throw usage(`${file} is no restore file of a drill: a row of ${table} has not the key that it is kept under`);
  }
}
