/**
 * Finds a member name that an object has twice, whatever its size and whoever chose the names.
 *
 * Up to PAIRWISE members the hashes of every pair are compared, for ordinary objects the cheapest way. Above that the
 * names are sorted (bottom-up merge sort) and neighbours compared: n·log n comparisons for any input. No hash table:
 * there is no input that degrades a sort, so it needs no secret seed, which a pure function could not have. Names that
 * were made to collide only cost their bytes on each level of the sort.
 */

/** Orders two names by their handles, by hash first; 0 only when they are the same name. */
export type CompareNames = (a: number, b: number) => number;

const PAIRWISE = 16;

/**
 * The handle of the first name that repeats an earlier one; -1 when all differ. `names` holds `count` handles in
 * ascending order and `hashes` their hashes; both are overwritten.
 */
export function firstRepeat(names: Int32Array, hashes: Int32Array, count: number, compare: CompareNames): number {
  if (count > PAIRWISE) return firstRepeatSorted(names, hashes, count, compare);
  for (let later = 1; later < count; later++) {
    const hash = hashes[later]!;
    for (let earlier = 0; earlier < later; earlier++) {
      if (hashes[earlier] === hash && compare(names[earlier]!, names[later]!) === 0) return names[later]!;
    }
  }
  return -1;
}

function firstRepeatSorted(names: Int32Array, spare: Int32Array, count: number, compare: CompareNames): number {
  const sorted = sort(names, spare, count, compare);
  let first = -1;
  for (let i = 1; i < count; i++) {
    // The sort is stable, so of two equal neighbours the right one stands later in the object.
    const later = sorted[i]!;
    if (compare(sorted[i - 1]!, later) === 0 && (first < 0 || later < first)) first = later;
  }
  return first;
}

/** Stable bottom-up merge sort; returns whichever of the two arrays holds the result. */
function sort(names: Int32Array, spare: Int32Array, count: number, compare: CompareNames): Int32Array {
  let from = names;
  let to = spare;
  for (let width = 1; width < count; width *= 2) {
    for (let low = 0; low < count; low += 2 * width) {
      const middle = Math.min(low + width, count);
      const high = Math.min(low + 2 * width, count);
      let left = low;
      let right = middle;
      for (let out = low; out < high; out++) {
        const takeLeft = left < middle && (right >= high || compare(from[left]!, from[right]!) <= 0);
        to[out] = takeLeft ? from[left++]! : from[right++]!;
      }
    }
    [from, to] = [to, from];
  }
  return from;
}
