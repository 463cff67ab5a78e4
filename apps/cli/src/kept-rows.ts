/** A file of rows that were taken out of a table, one JSON object a line: evidence, so it is on the disk before they are gone. */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';

export class KeptRows {
  private readonly fd: number;

  /** @param file added to when it is there; it holds what events hold, and is its owner's alone */
  constructor(file: string) {
    this.fd = openSync(file, 'a', 0o600);
  }

  /** @param rows JSON texts. When this returns they are on the disk */
  keep(rows: readonly string[]): void {
    const bytes = Buffer.from(rows.map((row) => `${row}\n`).join(''));
    for (let at = 0; at < bytes.length;) at += writeSync(this.fd, bytes, at);
    fsyncSync(this.fd);
  }

  close(): void {
    closeSync(this.fd);
  }
}
