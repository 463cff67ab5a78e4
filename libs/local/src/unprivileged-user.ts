/**
 * Postgres refuses to run as root. When we are root (containers, CI) there are two ways out:
 *   - run it as the system user `postgres` or `nobody`. That user must be able to reach program and data: a folder closed to others
 *     (0700, e.g. /root) anywhere above them makes it fail with misleading errors about missing libraries;
 *   - run it in a user namespace of its own, where root's uid appears as another one: reaches whatever root reaches, but some
 *     containers forbid it, and only Linux has it.
 */
import { spawnSync } from 'node:child_process';
import { chownSync, lstatSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { LocalError } from './local-error.js';

/** How to run an unprivileged program: what stands before its command line, and as whom. */
export interface RunAs {
  /** The command and first arguments to put before the program; empty when none. */
  prefix: readonly string[];
  /** For `spawn`; undefined: as ourselves. */
  user?: Owner;
  /** Who must own the data, as seen from here; undefined: no matter. */
  owner?: Owner;
}

const NAMESPACE = ['unshare', '--user', '--map-user=65534', '--map-group=65534', '--'] as const;

/** Chooses a way to run programs that must enter all of `folders`. LocalError `unprivileged-user` when there is none. */
export function runAsUnprivileged(folders: readonly string[]): RunAs {
  if (process.getuid?.() !== 0) return { prefix: [] };
  const user = systemUser('postgres') ?? systemUser('nobody');
  const closed =
    user && folders.find((folder) => spawnSync('test', ['-x', folder], { ...user, cwd: '/' }).status !== 0);
  if (user && !closed) return { prefix: [], user, owner: user };
  if (spawnSync(NAMESPACE[0], [...NAMESPACE.slice(1), 'true']).status === 0) {
    return { prefix: NAMESPACE, owner: { uid: 0, gid: 0 } };
  }
  const why = closed ? `no other user can enter ${closed}` : 'there is no user postgres or nobody';
  throw new LocalError(
    'unprivileged-user',
    `Postgres does not run as root, ${why}, and user namespaces are not allowed here: start as an ordinary user or from another folder`,
  );
}

export interface Owner {
  uid: number;
  gid: number;
}

export function isOwnedBy({ uid, gid }: Owner, file: string): boolean {
  const stat = lstatSync(file);
  return stat.uid === uid && stat.gid === gid;
}

/** Gives a file, or a folder with all that is in it, to `owner`. A folder comes after its content: if interrupted, it shows that more is to do. */
export function giveTo(owner: Owner, file: string): void {
  const stat = lstatSync(file);
  if (stat.isSymbolicLink()) return;
  if (stat.isDirectory()) for (const entry of readdirSync(file)) giveTo(owner, path.join(file, entry));
  if (!isOwnedBy(owner, file)) chownSync(file, owner.uid, owner.gid);
}

function systemUser(name: string): Owner | null {
  const [uid, gid] = ['-u', '-g'].map((option) => spawnSync('id', [option, name], { encoding: 'utf8' }));
  return uid?.status === 0 && gid?.status === 0 ? { uid: Number(uid.stdout), gid: Number(gid.stdout) } : null;
}
