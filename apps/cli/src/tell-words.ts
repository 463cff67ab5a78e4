/** How the commands that check something tell what is proven and what is not. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Words } from '@everseal/audit-core';
import { usage } from './cli-failure.js';
import { printable, type Terminal } from './terminal.js';

export function tellWords(terminal: Terminal, { proven, notProven }: Words): void {
  for (const sentence of proven) terminal.line(printable(`  proven      ${sentence}`));
  for (const sentence of notProven) terminal.line(terminal.colors.dim(printable(`  not proven  ${sentence}`)));
}

/** Above everything that is read at once: a custody file with many key sets. */
const MOST_FILE_BYTES = 8_388_608;

/** A file that is checked as a whole; the parser of its format has a bound of its own. @throws CliFailure, system errors */
export function readSmallFile(file: string): Buffer {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(MOST_FILE_BYTES + 1);
    let size = 0;
    for (let read = -1; read !== 0 && size < bytes.length; size += read)
      read = readSync(fd, bytes, size, bytes.length - size, null);
    if (size > MOST_FILE_BYTES) throw usage(`${file} is longer than anything that is checked here`);
    return Buffer.from(bytes.subarray(0, size));
  } finally {
    closeSync(fd);
  }
}
