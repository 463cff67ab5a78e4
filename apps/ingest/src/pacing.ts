/**
 * Light traffic must not cost more than full load: a frame has a price (a signature, two syncs, an answer each) whatever it
 * holds. When the last frame held fewer than 128 events and more than 100 frames left in the last second, the next one waits
 * until 3 ms after the last publish; 1 ms when the last one held fewer than 16, because few wait then, and for a frame each.
 * At full load frames are larger, and nothing waits.
 */
const FEW_EVENTS = 128;
const VERY_FEW_EVENTS = 16;
const MANY_FRAMES = 100;
const WINDOW_MS = 1_000;
const GAP_MS = 3;
const SHORT_GAP_MS = 1;

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
    return last + (this.#lastEvents < VERY_FEW_EVENTS ? SHORT_GAP_MS : GAP_MS) - now;
  }
}
