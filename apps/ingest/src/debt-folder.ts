/**
 * Frames that the log owes: the sealer declared them lost (a gap record) and moved on, but they exist here and may still
 * be sealed. They leave the segments, so that one such frame does not hold back a spool for ever, and count neither for
 * its bound nor for its age. One file a frame, `<number>.frame`: u32 CRC-32 ‖ the frame message.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { replaceFile } from '@everseal/process';
import { stop } from './stop.js';

export class DebtFolder {
  readonly #numbers: Set<number>;

  private constructor(private readonly folder: string) {
    const names = readdirSync(folder).map((name) => /^([1-9][0-9]*)\.frame$/.exec(name)?.[1]);
    this.#numbers = new Set(names.filter((name) => name !== undefined).map(Number));
  }

  static open(folder: string): DebtFolder {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return new DebtFolder(folder);
  }

  get numbers(): ReadonlySet<number> {
    return this.#numbers;
  }

  /** Durable when it returns. */
  keep(number: number, message: Buffer): void {
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(message));
    replaceFile(this.fileOf(number), Buffer.concat([sum, message]));
    this.#numbers.add(number);
  }

  /** The frame message, or null when that frame is not here. @throws StopProcess spool.corrupt */
  read(number: number): Buffer | null {
    if (!this.#numbers.has(number)) return null;
    const bytes = readFileSync(this.fileOf(number));
    const message = bytes.subarray(4);
    if (bytes.length < 4 || crc32(message) !== bytes.readUInt32BE(0)) {
      throw stop('spool.corrupt', `${this.fileOf(number)} is damaged: restore it from a copy or a backup`);
    }
    return message;
  }

  drop(number: number): void {
    rmSync(this.fileOf(number), { force: true });
    this.#numbers.delete(number);
  }

  private fileOf(number: number): string {
    return path.join(this.folder, `${number}.frame`);
  }
}
