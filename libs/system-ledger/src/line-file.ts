/**
 * A file of lines that only grows, each line on the disk before `append` returns. After any crash it holds whole lines:
 * one that was cut is removed when the file is opened, and its writer never got to know of it.
 */
import { closeSync, existsSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { StopProcess, syncFolder } from '@everseal/process';

const LINE_FEED = 0x0a;

export class LineFile {
  private isBroken = false;

  private constructor(
    private readonly file: string,
    private readonly fd: number,
    private bytes: number,
  ) {}

  /** Opens a file or makes it. @returns it, and its lines without their line feeds */
  static open(file: string): { file: LineFile; lines: Buffer[] } {
    const isNew = !existsSync(file);
    const content = isNew ? Buffer.alloc(0) : readFileSync(file);
    const whole = content.lastIndexOf(LINE_FEED) + 1;
    const fd = openSync(file, 'a', 0o600);
    if (whole < content.length) ftruncateSync(fd, whole);
    if (isNew) syncFolder(path.dirname(file));
    return { file: new LineFile(file, fd, whole), lines: linesOf(content.subarray(0, whole)) };
  }

  get size(): number {
    return this.bytes;
  }

  /**
   * @param line without line feeds
   * @throws system errors; then the file is as before. StopProcess `outbox.failed` when it could not be made so: from
   * then on nothing is written
   */
  append(line: Uint8Array): void {
    if (this.isBroken) throw this.broken(undefined);
    const written = Buffer.concat([line, Buffer.of(LINE_FEED)]);
    try {
      for (let at = 0; at < written.length;) at += writeSync(this.fd, written, at);
      fdatasyncSync(this.fd);
    } catch (cause) {
      this.cutBack(cause);
      throw cause;
    }
    this.bytes += written.length;
  }

  close(): void {
    closeSync(this.fd);
  }

  /** Half a line must not become the beginning of the next one. */
  private cutBack(cause: unknown): void {
    try {
      ftruncateSync(this.fd, this.bytes);
    } catch {
      this.isBroken = true;
      throw this.broken(cause);
    }
  }

  private broken(cause: unknown): StopProcess {
    return new StopProcess('outbox.failed', `${this.file} cannot be written: look at its disk`, { cause });
  }
}

function linesOf(content: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < content.length;) {
    const end = content.indexOf(LINE_FEED, start);
    lines.push(content.subarray(start, end));
    start = end + 1;
  }
  return lines;
}
