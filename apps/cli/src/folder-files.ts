/**
 * An export as a folder, for whoever checks it: `everseal verify` and the verifier that an export brings along, which runs with
 * nothing else beside it. So nothing is imported here but Node and audit-core.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { FormatError, type ExportFiles } from '@everseal/audit-core';

/** The largest file of any export is a completeness statement with the most rows; a bundle has 16 MiB. */
const MOST_FILE_BYTES = 67_108_864;

export class FolderFiles implements ExportFiles {
  constructor(readonly folder: string) {}

  /** @throws FormatError `export.size`, `export.file` (a device, a pipe); system errors but for a file that is not there */
  async read(name: string): Promise<Buffer | null> {
    const file = path.join(this.folder, name);
    const found = await orNull(stat(file));
    if (found === null) return null;
    if (!found.isFile()) throw new FormatError('export.file', `${name} is no file`);
    if (found.size > MOST_FILE_BYTES)
      throw new FormatError('export.size', `${name} is larger than any file of an export`);
    return readFile(file);
  }

  async list(name: string): Promise<readonly string[]> {
    return (await orNull(readdir(path.join(this.folder, name)))) ?? [];
  }
}

async function orNull<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}
