/**
 * A closed set of member names that a reader looks for, prepared so that a name found in the bytes is recognised by its
 * hash first and its bytes second, without making a string of it.
 *
 * The hash is FNV-1a, 32 bits: cheap and public. It only narrows a search down; nothing rests on it being hard to
 * collide, because every match is confirmed by bytes and repeated names are found by sorting (repeated-names.ts).
 */

const FNV_OFFSET = 0x811c9dc5 | 0;
const FNV_PRIME = 0x01000193;

/** FNV-1a over bytes [start, end), as a signed 32-bit number (what a tape slot holds). */
export function hashName(bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_OFFSET;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, FNV_PRIME);
  return hash;
}

/** True when bytes [start, end) are exactly `name`. */
export function equalsName(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}

export class MemberNames {
  readonly size: number;
  private readonly bytes: Buffer[];
  /** Open addressing, at most a quarter full: index + 1 of a name, 0 for an empty slot. */
  private readonly slots: Uint8Array;
  private readonly mask: number;

  constructor(names: readonly string[]) {
    this.size = names.length;
    this.bytes = names.map((name) => Buffer.from(name, 'utf8'));
    let capacity = 8;
    while (capacity < names.length * 4) capacity *= 2;
    this.mask = capacity - 1;
    this.slots = new Uint8Array(capacity);
    for (const [index, name] of this.bytes.entries()) {
      let slot = hashName(name, 0, name.length) & this.mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask;
      this.slots[slot] = index + 1;
    }
  }

  /** Which of the names stands at [start, end), by its place in the list; -1 for none of them. */
  find(hash: number, bytes: Uint8Array, start: number, end: number): number {
    for (let slot = hash & this.mask; ; slot = (slot + 1) & this.mask) {
      const index = this.slots[slot]! - 1;
      if (index < 0 || equalsName(this.bytes[index]!, bytes, start, end)) return index;
    }
  }
}
