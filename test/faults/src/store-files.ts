/**
 * The files in which nats-server keeps a stream, damaged as a disk or a power failure would: what was acknowledged and never reached the
 * disk is cut off after a kill -9, because the page cache outlives the process and hides what a power failure shows. The server must not
 * run meanwhile.
 *
 *     <store>/jetstream/<account>/streams/<stream>/msgs/<n>.blk     messages, one behind the other; the highest n is written to
 */
import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { writeSync } from 'node:fs';
import path from 'node:path';

const BLOCK = /^(\d+)\.blk$/;

export class StreamFiles {
  /** @param folder of the stream */
  private constructor(readonly folder: string) {}

  /** Those of a stream of the account AUDIT below this `store_dir`. */
  static of(storeDir: string, stream: string): StreamFiles {
    return new StreamFiles(path.join(storeDir, 'jetstream', 'AUDIT', 'streams', stream));
  }

  /** Bytes in the file that is written to. */
  get newestSize(): number {
    return statSync(this.newest).size;
  }

  get newestName(): string {
    return path.basename(this.newest);
  }

  /** Takes so many bytes off the end of the newest file. */
  cutTail(bytes: number): void {
    truncateSync(this.newest, Math.max(0, this.newestSize - bytes));
  }

  /** Flips the lowest bit of one byte of the newest file. */
  flipBit(offset: number): void {
    const fd = openSync(this.newest, 'r+');
    try {
      const byte = Buffer.alloc(1);
      readSync(fd, byte, 0, 1, offset);
      byte[0]! ^= 1;
      writeSync(fd, byte, 0, 1, offset);
    } finally {
      closeSync(fd);
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  copyTo(folder: string): void {
    cpSync(this.folder, folder, { recursive: true });
  }

  /** In the place of what is there. */
  putBack(folder: string): void {
    if (existsSync(this.folder)) this.remove();
    cpSync(folder, this.folder, { recursive: true });
  }

  private get newest(): string {
    const folder = path.join(this.folder, 'msgs');
    const numbers = readdirSync(folder).flatMap((name) => BLOCK.exec(name)?.[1] ?? []);
    if (numbers.length === 0) throw new Error(`${folder} holds no messages`);
    return path.join(folder, `${Math.max(...numbers.map(Number))}.blk`);
  }
}
