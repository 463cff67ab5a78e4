/**
 * Full tiles that were read once, copied into one piece of memory. As thousands of buffers, each with memory of its own that
 * lives through a few collections, they made the garbage collector mark the whole heap about once a second, and whoever asked
 * meanwhile waited (measured, decision 0134).
 *
 * What is given out is a copy: the place of a tile is taken by another one while a slow client still receives it.
 */
import { HASH_BYTES, TILE_WIDTH } from '@everseal/audit-core';

/** Bytes of a full tile. */
const SLOT = TILE_WIDTH * HASH_BYTES;

export class TileCache {
  private readonly memory: Buffer;
  private readonly slotOf = new Map<string, number>();
  /** By slot: whose tile is in it, and whether it was asked for since the hand last went by. */
  private readonly keys: string[] = [];
  private readonly asked: boolean[] = [];
  /** The slot that is looked at next for a new tile. */
  private hand = 0;

  /** @param most bytes in all, at least one tile's; the system gives them as they are used */
  constructor(most: number) {
    this.memory = Buffer.allocUnsafeSlow(Math.max(1, Math.floor(most / SLOT)) * SLOT);
  }

  /** A copy of a tile; undefined when it is not kept. */
  get(key: string): Buffer | undefined {
    const slot = this.slotOf.get(key);
    if (slot === undefined) return undefined;
    this.asked[slot] = true;
    return Buffer.from(this.memory.subarray(slot * SLOT, (slot + 1) * SLOT));
  }

  /** Keeps a copy of a full tile. What has another length is not kept: it is not one. */
  put(key: string, tile: Buffer): void {
    if (tile.length !== SLOT) return;
    const slot = this.slotOf.get(key) ?? this.free();
    tile.copy(this.memory, slot * SLOT);
    this.slotOf.set(key, slot);
    this.keys[slot] = key;
    this.asked[slot] = false;
  }

  /** A slot without a tile: a new one, or that of the first tile under the hand that was not asked for since it last went by. */
  private free(): number {
    if (this.keys.length < this.memory.length / SLOT) return this.keys.length;
    for (; this.asked[this.hand]; this.step()) this.asked[this.hand] = false;
    const slot = this.hand;
    this.slotOf.delete(this.keys[slot]!);
    this.step();
    return slot;
  }

  private step(): void {
    this.hand = (this.hand + 1) % this.keys.length;
  }
}
