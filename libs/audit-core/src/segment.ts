/**
 * Runs of leaves that a Merkle proof stands for. The tree over n leaves splits at k, the largest power of two below n
 * (RFC 6962 section 2.1); a proof is a list of roots of such runs. A plan names the runs, and where their hashes come
 * from (all leaves in memory, or tiles) is decided elsewhere: plan, one batched read, pure fold.
 */

/** Leaves [lo, hi) of a tree; lo < hi. */
export type Segment = { lo: number; hi: number };

/** The perfect subtree over leaves [index·2^level, (index+1)·2^level). */
export type NodeRef = { level: number; index: number };

/** The largest power of two that is less than n, for n ≥ 2. */
export function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/**
 * The perfect subtrees that a run is made of, left to right, largest first: the frontier of the run as a tree of its
 * own. The run comes from splitting, so `lo` is a multiple of every subtree's width.
 */
export function perfectSubtrees({ lo, hi }: Segment): NodeRef[] {
  const nodes: NodeRef[] = [];
  for (let at = lo; at < hi;) {
    let width = 1;
    let level = 0;
    for (; width * 2 <= hi - at; width *= 2) level += 1;
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}
