/**
 * Replaces a file so that after any crash it holds either the old or the new content, whole: write beside it, fsync,
 * rename, fsync the folder. The content must survive a power cut before the caller goes on, hence no async variant.
 */

import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';

/** @param mode permission bits of the new file; 0600 because most of what is kept this way is nobody else's business */
export function replaceFile(file: string, content: string | Uint8Array, mode = 0o600): void {
  const fresh = `${file}.new`;
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const fd = openSync(fresh, 'w', mode);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(fresh, file);
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
