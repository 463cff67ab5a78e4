/**
 * What was read once and cannot change, kept up to a number of bytes; the least recently used goes first. Two who want the
 * same at the same time cause one reading. A failed reading is not kept.
 */

interface Kept<V> {
  readonly value: V;
  readonly bytes: number;
}

export class ByteCache<V> {
  /** In order of use: a Map iterates in the order of insertion. */
  private readonly kept = new Map<string, Kept<V>>();
  private readonly loading = new Map<string, Promise<V>>();
  private total = 0;

  /**
   * @param most bytes in all; what is larger than an eighth of it is not kept
   * @param sizeOf bytes of a value
   */
  constructor(
    private readonly most: number,
    private readonly sizeOf: (value: V) => number,
  ) {}

  get bytes(): number {
    return this.total;
  }

  /** What is kept under the key; undefined when nothing is. */
  peek(key: string): V | undefined {
    const found = this.kept.get(key);
    if (found === undefined) return undefined;
    this.kept.delete(key);
    this.kept.set(key, found);
    return found.value;
  }

  /** What is kept under the key, or what `load` brings. */
  get(key: string, load: () => Promise<V>): Promise<V> {
    const value = this.peek(key);
    if (value !== undefined) return Promise.resolve(value);
    const running = this.loading.get(key);
    if (running !== undefined) return running;
    const started = load()
      .then((loaded) => {
        this.put(key, loaded);
        return loaded;
      })
      .finally(() => this.loading.delete(key));
    this.loading.set(key, started);
    return started;
  }

  put(key: string, value: V): void {
    const bytes = this.sizeOf(value);
    this.drop(key);
    if (bytes > this.most / 8) return;
    this.kept.set(key, { value, bytes });
    this.total += bytes;
    for (const oldest of this.kept.keys()) {
      if (this.total <= this.most) break;
      this.drop(oldest);
    }
  }

  private drop(key: string): void {
    this.total -= this.kept.get(key)?.bytes ?? 0;
    this.kept.delete(key);
  }
}
