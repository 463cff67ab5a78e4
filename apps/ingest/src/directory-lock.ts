/**
 * One process a directory. The lock is the kernel's, on the open file `lock`: it ends with the process, however that
 * ends, so there is no stale lock to break and no owner to guess. It is advisory and local to one machine: a spool on a
 * network file system that does not honour locks is not protected (the lane's expected sequence is the second guard).
 */
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { tryLock } from 'fs-native-extensions';
import { stop } from './stop.js';

export class DirectoryLock {
  private constructor(private fd: number) {}

  /** @throws StopProcess spool.busy when another holder lives */
  static take(directory: string): DirectoryLock {
    const fd = openSync(path.join(directory, 'lock'), 'a+', 0o600);
    if (!tryLock(fd)) {
      closeSync(fd);
      throw stop(
        'spool.busy',
        `spool ${directory} is in use by another process: one ingest process a name; stop the other one, or give this one its own name, key and directory`,
      );
    }
    return new DirectoryLock(fd);
  }

  release(): void {
    if (this.fd < 0) return;
    closeSync(this.fd);
    this.fd = -1;
  }
}
