/** Opens the folders that an operator names as archives, and reads several of them as one. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Archive, ArchivedBody, NotArchived } from './archive.js';
import { usage } from './cli-failure.js';
import { openTilesArchive } from './tiles-archive.js';
import { openVerifierArchive } from './verifier-archive.js';

/**
 * Opens a folder as what it is.
 * @param ledger name of the ledger, for the folder of a verifier of several
 * @throws CliFailure
 */
export async function openArchive(folder: string, ledger: string): Promise<Archive> {
  if (await isThere(path.join(folder, 'checkpoint'))) return openTilesArchive(folder);
  for (const candidate of [folder, path.join(folder, ledger)]) {
    if (await isThere(path.join(candidate, 'bodies'))) return openVerifierArchive(candidate);
  }
  throw usage(
    `${folder} is no archive: neither the folder of a verifier (${ledger}/bodies) nor a copy of the log (checkpoint, tile/entries)`,
  );
}

async function isThere(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Several archives as one: each block is taken from the first that holds it. */
export class ArchiveList implements Archive {
  constructor(private readonly archives: readonly Archive[]) {}

  get what(): string {
    return this.archives.map(({ what }) => what).join(', ');
  }

  get checkpoints(): Archive['checkpoints'] {
    return this.archives.flatMap(({ checkpoints }) => checkpoints);
  }

  async body(height: number, first: number): Promise<ArchivedBody | NotArchived> {
    const reasons: string[] = [];
    for (const archive of this.archives) {
      const found = await archive.body(height, first);
      if (!('missing' in found)) return found;
      reasons.push(`${archive.what}: ${found.missing}`);
    }
    return { missing: reasons.join('; ') };
  }
}
