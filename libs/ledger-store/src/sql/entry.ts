/** One entry of a ledger by its index, out of the body of its block. */
import type { Pool } from 'pg';
import { splitBundle } from '@everseal/audit-core';
import { StoreError } from '../store-error.js';
import { bodyOf } from './body.js';

/**
 * The bytes of one entry. Costs the transfer of its whole block: for single look-ups, never for loops.
 *
 * @throws StoreError store.unexpected-value when there is no such entry
 */
export async function readEntry(pool: Pool, ledgerId: number, position: number): Promise<Buffer> {
  const block = await bodyOf(pool, ledgerId, position);
  if (block?.body) {
    const offsets = splitBundle(block.body);
    const i = position - block.first;
    if (i >= 0 && i < offsets.count) return Buffer.from(block.body.subarray(offsets.start(i), offsets.end(i)));
  }
  throw new StoreError('store.unexpected-value', `ledger ${ledgerId} has no entry ${position}`);
}
