/**
 * The time stamps of an export, as far as they can be checked without reading tokens (libs/timestamps does that): which there are, and
 * that each is about a checkpoint of the same log.
 *
 * A whole ledger brings every one, and its entries give the roots that they have to name. A part brings of each authority the one that
 * covers it, and the tiles from which follows that the export's own tree begins with the one that was stamped.
 */
import { openCheckpoint, type Checkpoint } from './checkpoint.js';
import { verifyExportExtends } from './export-extension.js';
import { EXPORT_FOLDERS, numbersIn, readExported, stampedFile, type ExportFiles } from './export-layout.js';
import type { ExportedKeys } from './exported-keys.js';
import { FormatError } from './format-error.js';

/** The time stamps of one authority: how many, and on trees of which sizes. */
export type StampShare = {
  readonly authority: string;
  readonly stamps: number;
  /** The smallest and the largest tree that it stamped. */
  readonly firstSize: number;
  readonly lastSize: number;
};

const ENDING = '.tst';
const CHECKPOINT = 'checkpoint';

/** A tree that was stamped, and by whom. */
export interface StampedTree {
  readonly size: number;
  readonly authorities: readonly string[];
}

/** By size. @throws FormatError `export.name` for what is no time stamp */
export async function listStamps(files: ExportFiles): Promise<StampedTree[]> {
  const trees: StampedTree[] = [];
  for (const size of await numbersIn(files, EXPORT_FOLDERS.timestamps)) {
    const folder = `${EXPORT_FOLDERS.timestamps}/${size}`;
    const names = (await files.list(folder)).filter((name) => name !== CHECKPOINT);
    if (names.some((name) => !name.endsWith(ENDING) || name === ENDING))
      throw new FormatError('export.name', `${folder} holds something else than time stamps`);
    trees.push({ size, authorities: names.map((name) => name.slice(0, -ENDING.length)).sort() });
  }
  return trees;
}

/** By name of the authority. */
export function stampShares(trees: readonly StampedTree[]): StampShare[] {
  const shares = new Map<string, StampShare>();
  for (const { size, authorities } of trees) {
    for (const authority of authorities) {
      const { stamps, firstSize } = shares.get(authority) ?? { stamps: 0, firstSize: size };
      shares.set(authority, { authority, stamps: stamps + 1, firstSize, lastSize: size });
    }
  }
  return [...shares.values()].sort((a, b) => (a.authority < b.authority ? -1 : 1));
}

/**
 * Checks that every stamped checkpoint of an export of a part is one of its log, and that the export's tree begins with that one.
 * @param newer the checkpoint of the export
 * @throws FormatError `export.checkpoint`, `export.missing`, `export.tile`, `checkpoint.*`; NoteError `note.*`
 */
export async function requireStamped(
  files: ExportFiles,
  trees: readonly StampedTree[],
  keys: ExportedKeys,
  newer: Checkpoint,
): Promise<void> {
  for (const { size } of trees) {
    const path = stampedFile(size);
    const log = keys.before(size).log;
    const older = openCheckpoint(await readExported(files, path), [log], newer.origin);
    if (older.size !== size || size > newer.size) {
      throw new FormatError(
        'export.checkpoint',
        `${path} is a checkpoint of ${older.size} entries and has no place there`,
      );
    }
    await verifyExportExtends(files, newer, older).catch((cause: unknown) => {
      if (!(cause instanceof FormatError) || cause.code !== 'extension.proof') throw cause;
      const detail = `${path} is signed by the log and is of another history than the export: keep both, that is a fork`;
      throw new FormatError('export.checkpoint', detail, { cause });
    });
  }
}
