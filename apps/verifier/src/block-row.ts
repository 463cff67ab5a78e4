/** The row beside a block's body: every column of it is also said, signed, in the block note. */

import type { Block, Hash } from '@everseal/audit-core';
import type { StoredBlock } from '@everseal/ledger-store';

/**
 * The first column that does not say what the note says, for people; null when all do. (`stored`, the database's own
 * time, is said by nobody else.)
 *
 * @param sealed what the row says; it is not read with the body
 */
export function rowMismatch(row: StoredBlock, sealed: string | undefined, block: Block, hash: Hash): string | null {
  const columns: [string, unknown, unknown][] = [
    ['height', row.height, block.height],
    ['first', row.first, block.first],
    ['entries', row.entries, block.entries],
    ['next', row.next, block.first + block.entries + 1],
    ['hash', row.hash.toString('base64'), hash.toString('base64')],
    ['sealed', sealed === undefined ? block.sealed : sealed, block.sealed],
  ];
  const wrong = columns.find(([, stored, signed]) => stored !== signed);
  return wrong
    ? `column ${wrong[0]} of the block row is ${String(wrong[1])}, the signed note says ${String(wrong[2])}`
    : null;
}
