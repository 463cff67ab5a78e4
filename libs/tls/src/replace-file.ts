/**
 * Replaces a file so that a reader, or any crash, meets either the old or the new content, whole: write beside it, fsync, rename, fsync
 * the folder. The content must survive a power cut before the caller goes on, hence no async variant. A file has one writer: what a
 * crash left beside it is written over.
 */
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** @param mode permission bits of the new file, whatever the umask; 0600 because most of what is kept this way is nobody else's business */
export function replaceFile(file: string, content: string | Uint8Array, mode = 0o600): void {
  const fresh = `${file}.new`;
  try {
    const fd = openSync(fresh, 'w', mode);
    try {
      fchmodSync(fd, mode);
      writeFileSync(fd, content);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(fresh, file);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
  syncFolder(path.dirname(file));
}

/** Makes renames, creations and deletions inside a folder durable. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
