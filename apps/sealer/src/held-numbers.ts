/**
 * What is held of one lane, by frame number, with the smallest number at hand. It is asked for with every message, and a lane holds
 * hundreds of thousands of numbers where somebody sends far ahead: whatever is done here costs as much as the logarithm of them.
 *
 * The numbers stand in a binary heap. One that was deleted stays in it until it is the smallest.
 */
export class HeldNumbers<T> {
  private readonly held = new Map<number, T>();
  /** `heap[i]` is not larger than `heap[2i + 1]` and `heap[2i + 2]`; its first one is held. */
  private readonly heap: number[] = [];

  get size(): number {
    return this.held.size;
  }

  /** The smallest number; null when nothing is held. */
  get first(): number | null {
    return this.heap[0] ?? null;
  }

  get(number: number): T | undefined {
    return this.held.get(number);
  }

  set(number: number, value: T): void {
    if (!this.held.has(number)) this.push(number);
    this.held.set(number, value);
  }

  delete(number: number): void {
    this.held.delete(number);
    this.shed();
  }

  /** Deletes every number up to this one. */
  deleteTo(number: number): void {
    for (let first = this.first; first !== null && first <= number; first = this.first) this.delete(first);
  }

  /** Takes from the top what is not held any more. */
  private shed(): void {
    while (this.heap.length > 0 && !this.held.has(this.heap[0]!)) {
      const last = this.heap.pop()!;
      if (this.heap.length > 0) this.sink(last);
    }
  }

  private push(number: number): void {
    const { heap } = this;
    let at = heap.push(number) - 1;
    for (let parent = (at - 1) >> 1; at > 0 && heap[parent]! > number; parent = (at - 1) >> 1) {
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = number;
  }

  /** Puts a number in the place of the first. */
  private sink(number: number): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
      if (child >= heap.length || heap[child]! >= number) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = number;
  }
}
