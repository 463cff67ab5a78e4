/**
 * Exchanges all files of a folder in one step, so that nobody who reads one after the other through the folder's link finds a new certificate
 * beside an old key. The way Kubernetes has it, whose volumes of secrets and certificates look the same:
 *
 *   <folder>/..data            link to the folder in force; replacing it is the one step
 *   <folder>/..<stamp>/        the files; those of before are removed afterwards
 *   <folder>/cert.pem          link to ..data/cert.pem, and so on
 *
 * A folder of plain files is turned into one of this form first, with its content as it is.
 */
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { replaceFile } from '@everseal/tls';

const LINK = '..data';

/** @param files name, content and mode of every file; others of the folder that are linked are gone afterwards */
export function exchangeFiles(folder: string, files: readonly [name: string, content: string, mode: number][]): void {
  if (!existsSync(path.join(folder, LINK))) linkPresentFiles(folder);
  const fresh = newVersion(folder);
  for (const [name, content, mode] of files) replaceFile(path.join(folder, fresh, name), content, mode);
  pointTo(folder, fresh);
  for (const [name] of files) link(folder, name);
  for (const version of versionsIn(folder)) {
    if (version !== fresh) rmSync(path.join(folder, version), { recursive: true, force: true });
  }
}

/** Each step leaves every name with the content that it had. */
function linkPresentFiles(folder: string): void {
  const names = readdirSync(folder).filter((name) => lstatSync(path.join(folder, name)).isFile());
  const present = newVersion(folder);
  for (const name of names) cpSync(path.join(folder, name), path.join(folder, present, name));
  pointTo(folder, present);
  for (const name of names) link(folder, name);
}

function newVersion(folder: string): string {
  const version = `..${new Date().toISOString().replaceAll(/[:.]/g, '_')}.${randomBytes(4).toString('hex')}`;
  mkdirSync(path.join(folder, version), { mode: 0o700 });
  return version;
}

function versionsIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('..') && !name.startsWith(LINK));
}

function pointTo(folder: string, version: string): void {
  const place = path.join(folder, LINK);
  rmSync(`${place}.new`, { force: true });
  symlinkSync(version, `${place}.new`);
  renameSync(`${place}.new`, place);
}

function link(folder: string, name: string): void {
  const place = path.join(folder, name);
  if (lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  rmSync(`${place}.new`, { force: true });
  symlinkSync(path.join(LINK, name), `${place}.new`);
  renameSync(`${place}.new`, place);
}
