/**
 * Which of the newest accepted events had this producer, source and id? A window of fixed size and memory (20 bytes an
 * event), asked once for every event that arrives, so it answers in a fraction of a microsecond and allocates nothing.
 *
 * Every accepted event gets the next **ordinal** (0, 1, 2 …). `#keys` and `#before` are rings indexed by ordinal modulo
 * capacity; `#newest` gives for a bucket the newest ordinal in it, and `#before` leads from there to older ones, newest first.
 * An ordinal that the ring has gone past is dead, and so is everything behind it: nothing is ever deleted. Ordinals are
 * stored modulo 2^32; a stale one that comes round again is turned away by its key.
 *
 * A key is 53 bits of a hash of the three texts, seeded at random. It is a hint: whoever finds one compares the events
 * themselves. So neither a collision nor a chain cut short (an attack on the hash finds at most MOST_STEPS slow) can do
 * more than let a repeated event in a second time, which the event index marks.
 */
const MOST_STEPS = 64;
const NONE = 0xffffffff;

export class DuplicateWindow {
  readonly #keys: Float64Array;
  readonly #before: Uint32Array;
  readonly #newest: Uint32Array;
  readonly #mask: number;
  readonly #bucketMask: number;
  readonly #seed: readonly [number, number];
  #next = 0;
  #a = 0;
  #b = 0;

  /**
   * @param capacity events, a power of two
   * @param seed two random 32-bit integers, new for every process
   */
  constructor(capacity: number, seed: readonly [number, number]) {
    if (capacity < 2 || (capacity & (capacity - 1)) !== 0) throw new RangeError('the capacity is a power of two');
    this.#keys = new Float64Array(capacity);
    this.#before = new Uint32Array(capacity);
    this.#newest = new Uint32Array(2 * capacity).fill(NONE);
    this.#mask = capacity - 1;
    this.#bucketMask = 2 * capacity - 1;
    this.#seed = seed;
  }

  /** The ordinal that the next event gets. */
  get next(): number {
    return this.#next;
  }

  /** Ordinals below this one are forgotten. */
  get oldest(): number {
    return Math.max(0, this.#next - this.#mask - 1);
  }

  keyOf(producer: string, source: string, id: string): number {
    [this.#a, this.#b] = this.#seed;
    this.mix(producer);
    this.mix(source);
    this.mix(id);
    // Every bit of both halves reaches every bit of the key (the finalizer of MurmurHash3).
    const low = finish(this.#a ^ (this.#b >>> 7)) >>> 0;
    const high = finish(this.#b ^ low) & 0x1f_ffff;
    return high * 0x1_0000_0000 + low;
  }

  add(key: number): number {
    const ordinal = this.#next;
    const slot = ordinal & this.#mask;
    const bucket = (key >>> 0) & this.#bucketMask;
    this.#keys[slot] = key;
    this.#before[slot] = this.#newest[bucket] as number;
    this.#newest[bucket] = ordinal >>> 0;
    this.#next = ordinal + 1;
    return ordinal;
  }

  has(key: number): boolean {
    return this.find(key, null) >= 0;
  }

  /** Ordinals of the events with this key, oldest first; all that the window holds, up to MOST_STEPS away. */
  ordinalsOf(key: number): number[] {
    const found: number[] = [];
    this.find(key, found);
    return found.toReversed();
  }

  /** The newest ordinal with the key, -1 when there is none; with `all`, every one, newest first. */
  private find(key: number, all: number[] | null): number {
    let stored = this.#newest[(key >>> 0) & this.#bucketMask] as number;
    let age = 0;
    for (let step = 0; step < MOST_STEPS && stored !== NONE; step += 1) {
      // How far back it lies, modulo 2^32; chains only lead back, anything else is stale.
      const back = (this.#next - stored) >>> 0;
      if (back <= age || back > this.#mask + 1 || back > this.#next) break;
      age = back;
      const ordinal = this.#next - back;
      if (this.#keys[ordinal & this.#mask] === key) {
        if (all === null) return ordinal;
        all.push(ordinal);
      }
      stored = this.#before[ordinal & this.#mask] as number;
    }
    return all?.[0] ?? -1;
  }

  private mix(text: string): void {
    let a = this.#a;
    let b = this.#b;
    for (let i = 0; i < text.length; i += 1) {
      const unit = text.charCodeAt(i);
      a = Math.imul(a ^ unit, 0x9e3779b1);
      b = Math.imul(b + unit, 0x85ebca77) ^ (b >>> 15);
    }
    // The length keeps ("ab", "c") apart from ("a", "bc").
    this.#a = Math.imul(a ^ text.length, 0xc2b2ae3d);
    this.#b = Math.imul(b + text.length, 0x27d4eb2f) ^ (b >>> 13);
  }
}

function finish(half: number): number {
  let h = half;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
