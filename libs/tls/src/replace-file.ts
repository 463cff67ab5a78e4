/** Replaces a small file so that a reader, or a crash, meets either the old or the new content, whole. */
import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** Writes beside `file`, fsyncs, renames. `mode`: permission bits, whatever the umask. */
export function replaceFile(file: string, content: string | Uint8Array, mode: number): void {
  const fresh = `${file}.${process.pid}.new`;
  try {
    const fd = openSync(fresh, 'w', mode);
    try {
      writeFileSync(fd, content);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    chmodSync(fresh, mode);
    renameSync(fresh, file);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}
