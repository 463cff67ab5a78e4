/**
 * The leaf hash of every entry that this verifier has derived: 32 bytes an entry, in order, nothing else. It is what a
 * sweep compares the stored bodies with, and from what the roots of any size come again. The file is read back at
 * every start and believed only if it gives the root that a signed checkpoint names (remembered-tree.ts).
 */

import { closeSync, fdatasync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Hash } from '@everseal/audit-core';

const HASH_BYTES = 32;
const syncData = promisify(fdatasync);

export class LeafFile {
  private constructor(
    private readonly fd: number,
    private written: number,
  ) {}

  /** A last hash that was half written is cut off. */
  static open(file: string): LeafFile {
    const fd = openSync(file, openFlags(file), 0o600);
    const whole = Math.floor(fstatSync(fd).size / HASH_BYTES);
    ftruncateSync(fd, whole * HASH_BYTES);
    return new LeafFile(fd, whole);
  }

  /** Entries remembered. */
  get size(): number {
    return this.written;
  }

  append(leaves: readonly Hash[]): void {
    const bytes = Buffer.concat(leaves, leaves.length * HASH_BYTES);
    const at = this.written * HASH_BYTES;
    for (let done = 0; done < bytes.length;) done += writeSync(this.fd, bytes, done, bytes.length - done, at + done);
    this.written += leaves.length;
  }

  /** Forgets everything from `size` on. */
  cut(size: number): void {
    ftruncateSync(this.fd, size * HASH_BYTES);
    this.written = size;
  }

  /** The hashes of entries [from, to), 32 bytes each. */
  read(from: number, to: number): Buffer {
    const bytes = Buffer.allocUnsafe((to - from) * HASH_BYTES);
    for (let done = 0; done < bytes.length;) {
      const got = readSync(this.fd, bytes, done, bytes.length - done, from * HASH_BYTES + done);
      if (got === 0) throw new RangeError(`the leaf file ends before entry ${to}`);
      done += got;
    }
    return bytes;
  }

  /** Everything appended so far is on the disk when this resolves. */
  async sync(): Promise<void> {
    await syncData(this.fd);
  }

  close(): void {
    closeSync(this.fd);
  }
}

function openFlags(file: string): string {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return 'r+';
}
