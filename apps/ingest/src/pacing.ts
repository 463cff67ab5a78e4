/**
 * Light traffic must not cost more than full load: a frame has a price (a signature, two syncs, an answer each) whatever it
 * holds. When the last frame held fewer than 128 events and more than 100 frames left in the last second, the next one waits
 * until 2 ms after the last publish. At full load frames are larger, and nothing waits.
 */
const FEW_EVENTS = 128;
const MANY_FRAMES = 100;
const WINDOW_MS = 1_000;
const GAP_MS = 2;

export class Pacing {
  /** When the last MANY_FRAMES frames were published; a ring. */
  readonly #times = new Float64Array(MANY_FRAMES).fill(-Infinity);
  #count = 0;
  #lastEvents = FEW_EVENTS;

  /** @param now monotonic, ms */
  constructor(private readonly now: () => number) {}

  published(events: number): void {
    this.#times[this.#count % MANY_FRAMES] = this.now();
    this.#count += 1;
    this.#lastEvents = events;
  }

  /** Milliseconds to wait before the next frame is built; 0 or less for none. */
  pause(): number {
    if (this.#lastEvents >= FEW_EVENTS) return 0;
    const now = this.now();
    const oldest = this.#times[this.#count % MANY_FRAMES] as number;
    if (now - oldest >= WINDOW_MS) return 0;
    const last = this.#times[(this.#count + MANY_FRAMES - 1) % MANY_FRAMES] as number;
    return last + GAP_MS - now;
  }
}
