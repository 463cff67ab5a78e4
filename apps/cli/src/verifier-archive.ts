/**
 * A verifier's folder of one ledger as an archive: `bodies/` holds the newest block bodies, one file a block, named by its
 * height with 16 digits; `memory.json` the newest checkpoint that this verifier cosigned (apps/verifier, body-ring.ts).
 *
 * Safe while the verifier runs: it writes each file beside its name and renames it, so what is there is whole, and it only
 * ever takes the oldest away. A copy of the folder does as well.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { MAX_BODY_BYTES } from '@everseal/ledger-store';
import { badRecord, type Archive, type ArchivedBody, type NotArchived } from './archive.js';
import { readArchiveFile } from './archive-file.js';

const NAME = /^[0-9]{16}$/;
const MOST_MEMORY_BYTES = 64 * 1024 * 1024;

/** @param folder `<stateDir>/<ledger>`. @throws CliFailure */
export async function openVerifierArchive(folder: string): Promise<Archive> {
  const names = await readdir(path.join(folder, 'bodies'));
  const heights = names.filter((name) => NAME.test(name)).map(Number);
  return new VerifierArchive(folder, heights, await readCheckpoints(path.join(folder, 'memory.json')));
}

class VerifierArchive implements Archive {
  readonly what: string;
  private readonly oldest: number;
  private readonly newest: number;

  constructor(
    private readonly folder: string,
    heights: readonly number[],
    readonly checkpoints: Archive['checkpoints'],
  ) {
    this.what = `the verifier's folder ${folder}`;
    // Not spread into Math.min: a ring holds up to 16,384, and an argument list has its bounds.
    this.oldest = heights.reduce((a, b) => Math.min(a, b), Infinity);
    this.newest = heights.reduce((a, b) => Math.max(a, b), -1);
  }

  async body(height: number): Promise<ArchivedBody | NotArchived> {
    const record = path.join(this.folder, 'bodies', String(height).padStart(16, '0'));
    const body = await readArchiveFile(record, MAX_BODY_BYTES);
    if (body === 'tooLarge') throw badRecord(record, 'it is larger than any block');
    return body === null ? { missing: this.whyMissing(height) } : { body, record };
  }

  private whyMissing(height: number): string {
    if (this.newest < 0) return 'it holds no block';
    if (height > this.newest) return `it ends with block ${this.newest}`;
    if (height < this.oldest) return `it begins with block ${this.oldest}: older ones were dropped from its ring`;
    return `block ${height} is missing between others`;
  }
}

async function readCheckpoints(file: string): Promise<Archive['checkpoints']> {
  const text = await readArchiveFile(file, MOST_MEMORY_BYTES);
  if (text === null) return []; // it has cosigned nothing yet, or bodies alone were copied
  try {
    const { checkpoint } = JSON.parse(text.toString('utf8')) as { checkpoint: unknown };
    if (typeof checkpoint === 'string') return [{ note: Buffer.from(checkpoint), from: file }];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw badRecord(file, 'it is not the memory of a verifier');
}
