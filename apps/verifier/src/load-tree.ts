/** The tree of the cosigned size, derived again from the leaf file; a file that gives another root is not believed. */

import path from 'node:path';
import type { LogState } from '@everseal/audit-core';
import { LeafFile } from './leaf-file.js';
import { RememberedTree } from './remembered-tree.js';
import type { MemoryFile } from './verifier-memory.js';

/**
 * @param folder that of the ledger, with the file `leaves` in it; what it holds beyond the cosigned size is cut off
 * @param state at the cosigned size
 * @throws StopProcess memory.damaged
 */
export async function loadTree(folder: string, state: LogState, memory: MemoryFile): Promise<RememberedTree> {
  const leaves = LeafFile.open(path.join(folder, 'leaves'));
  if (leaves.size < state.size) throw memory.damaged(`the leaf file ends at entry ${leaves.size}`);
  const tree = await RememberedTree.load(leaves, state.size);
  if (state.size > 0 && !tree.root().equals(state.root)) throw memory.damaged('the leaf file does not give its root');
  return tree;
}
