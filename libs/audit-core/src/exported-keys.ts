/**
 * The key sets of an export of a part, `keys/<index>`: read from entry 0 on, each signed by the one before it, and each shown by the
 * export's own tiles to stand at its index of the log.
 *
 * That none is left out at the end cannot be shown: a set that took a key away again, and that nothing here was signed under, is seen
 * by whoever reads the log from its beginning.
 */
import { EXPORT_FOLDERS, keysFile, numbersIn, readExported, type ExportFiles } from './export-layout.js';
import { FormatError } from './format-error.js';
import { equalHash, leafHash, type Hash } from './hash.js';
import { openGenesis, openKeySet, type KeySet } from './key-set.js';
import type { TileTree } from './tile-tree.js';

interface PlacedKeySet {
  readonly set: KeySet;
  readonly index: number;
  readonly hash: Hash;
}

export class ExportedKeys {
  /** @param sets oldest first, one or more */
  private constructor(private readonly sets: readonly PlacedKeySet[]) {}

  /**
   * @param tree the one under the checkpoint of the export
   * @throws FormatError `export.keys` (none for entry 0, or not at its index), `export.missing`, `export.name`, `export.tile`,
   * `export.root`, `keys.*`; NoteError `note.*`
   */
  static async open(files: ExportFiles, origin: string, tree: TileTree): Promise<ExportedKeys> {
    const sets: PlacedKeySet[] = [];
    for (const index of await numbersIn(files, EXPORT_FOLDERS.keys)) {
      const note = await readExported(files, keysFile(index));
      const hash = leafHash(note);
      if (index >= tree.size || !equalHash((await tree.leaves(index, index + 1))[0]!, hash)) throw notThere(index);
      const before = sets.at(-1);
      const set = before ? openKeySet(note, before.set, before.hash) : openGenesis(note, origin);
      sets.push({ set, index, hash });
    }
    if (sets[0]?.index !== 0) throw new FormatError('export.keys', 'the export has no key set of entry 0');
    return new ExportedKeys(sets);
  }

  get count(): number {
    return this.sets.length;
  }

  /** Leaf hash of entry 0. */
  get genesis(): Hash {
    return this.sets[0]!.hash;
  }

  /** The newest one. */
  get newest(): KeySet {
    return this.sets.at(-1)!.set;
  }

  /** The set in force for an entry: the newest that stands before it. @throws FormatError `export.keys` for entry 0 */
  before(index: number): KeySet {
    const placed = this.sets.findLast((one) => one.index < index);
    if (!placed) throw new FormatError('export.keys', `no key set stands before entry ${index}`);
    return placed.set;
  }

  /** @throws FormatError `export.keys` unless the set of this index is there, and has this leaf hash */
  requireAt(index: number, leaf: Hash): void {
    const placed = this.sets.find((one) => one.index === index);
    if (!placed || !equalHash(placed.hash, leaf)) throw notThere(index);
  }
}

function notThere(index: number): FormatError {
  return new FormatError('export.keys', `${keysFile(index)} is not the key set that stands at entry ${index}`);
}
