/** That the tree of an export extends an older one, shown with the export's own tiles. */
import type { Checkpoint } from './checkpoint.js';
import { verifyConsistency } from './consistency.js';
import { exportedTiles, type ExportFiles } from './export-layout.js';
import { FormatError } from './format-error.js';
import { proveConsistencyFromTiles } from './tile-proof.js';

/**
 * @param newer the checkpoint of the export
 * @throws FormatError `extension.ledger`, `extension.proof`, `export.missing`, `export.tile`
 */
export async function verifyExportExtends(files: ExportFiles, newer: Checkpoint, older: Checkpoint): Promise<void> {
  if (older.origin !== newer.origin)
    throw new FormatError('extension.ledger', `the older checkpoint is one of ${older.origin}, not of ${newer.origin}`);
  if (await extendsTree(files, newer, older)) return;
  throw new FormatError(
    'extension.proof',
    `the tree of ${newer.size} entries does not begin with that of ${older.size}: that is a fork, keep both`,
  );
}

async function extendsTree(files: ExportFiles, { size, root }: Checkpoint, older: Checkpoint): Promise<boolean> {
  if (older.size === 0) return true;
  if (older.size > size) return false;
  const proof = await proveConsistencyFromTiles(older.size, size, exportedTiles(files));
  return verifyConsistency(older.size, size, proof, older.root, root);
}
