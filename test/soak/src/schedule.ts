/**
 * What is done when, from a seed alone: every kind once in a shuffled order, then all again in another. The same seed gives the same
 * order and the same choices; how far a run gets is the machine's business.
 */

/** Numbers from 0 to below 1 (mulberry32); the same seed gives the same ones. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Without end. */
export function* shuffledRounds<T>(kinds: readonly T[], random: () => number): Generator<T, never> {
  for (;;) {
    const round = [...kinds];
    for (let left = round.length; left > 1; left--) {
      const taken = Math.floor(random() * left);
      [round[left - 1], round[taken]] = [round[taken]!, round[left - 1]!];
    }
    yield* round;
  }
}
