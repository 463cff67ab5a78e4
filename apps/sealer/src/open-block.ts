/**
 * The block being filled. A frame message already carries its events in entry-bundle encoding (u16 length ‖ entry), so
 * the body of a block is the frames' own bytes one after another, each with its note put in front: nothing that is
 * hashed is encoded again.
 *
 * Cut after the item that reaches 8,192 entries or 4 MiB, or 250 ms after the first frame (formats.md "Limits",
 * architecture §6); the caller looks at `full` and `due`.
 */

import {
  BLOCK_CUT_BYTES,
  BLOCK_CUT_ENTRIES,
  leafHash,
  signBlock,
  type Block,
  type Frame,
  type FullTile,
  type Gap,
  type Hash,
  type SigningKey,
  type TileBuilder,
} from '@everseal/audit-core';

/** A frame whose signature, events and root were checked. `events` is the message behind the note, verbatim. */
export interface CheckedFrame {
  readonly frame: Frame;
  readonly note: Buffer;
  readonly hash: Hash;
  readonly leaves: readonly Hash[];
  readonly events: Buffer;
  readonly sequence: number;
}

export interface PlacedFrame {
  readonly ingester: string;
  readonly number: number;
  readonly hash: Hash;
  readonly position: number;
  readonly sequence: number;
}

/** A gap record in the block; the frame that ends it stands right behind. */
export interface PlacedGap extends Pick<Gap, 'ingester' | 'first' | 'last' | 'cause'> {
  readonly position: number;
}

/** A block with its body, ready to be committed. */
export interface CutBlock {
  readonly block: Block;
  readonly hash: Hash;
  readonly body: Buffer;
  readonly tiles: readonly FullTile[];
  readonly frames: readonly PlacedFrame[];
  readonly gaps: readonly PlacedGap[];
  /** Size and root of the tree with the block's own entry in it: what a checkpoint over this block says. */
  readonly size: number;
  readonly root: Hash;
  readonly frontier: readonly Hash[];
}

export interface BlockStart {
  readonly origin: string;
  readonly height: number;
  readonly previous: Hash;
}

export class OpenBlock {
  private readonly chunks: Buffer[] = [];
  private readonly tiles: FullTile[] = [];
  private readonly placed: PlacedFrame[] = [];
  private readonly gaps: PlacedGap[] = [];
  private bytes = 0;
  private readonly first: number;

  /**
   * @param tree the ledger's tree; entries are appended to it as they come
   * @param onFull told of every tile as it fills
   */
  constructor(
    private readonly start: BlockStart,
    private readonly tree: TileBuilder,
    private readonly onFull: (tiles: readonly FullTile[]) => void,
  ) {
    this.first = tree.size;
  }

  get entries(): number {
    return this.tree.size - this.first;
  }

  get full(): boolean {
    return this.entries >= BLOCK_CUT_ENTRIES || this.bytes >= BLOCK_CUT_BYTES;
  }

  /** Hash of the frame of this number in the block, or null. */
  hashOf(ingester: string, number: number): Hash | null {
    return this.placed.find((frame) => frame.ingester === ingester && frame.number === number)?.hash ?? null;
  }

  /** Adds a note entry that is no frame: a key set. @returns its index */
  addNote(note: Buffer): number {
    const position = this.tree.size;
    this.append(leafHash(note));
    this.push(lengthOf(note), note);
    return position;
  }

  /** Adds a gap record; the frame that ends it must be added next. */
  addGap(note: Buffer, { ingester, first, last, cause }: Gap): void {
    const position = this.addNote(note);
    this.gaps.push({ ingester, first, last, cause, position });
  }

  addFrame(checked: CheckedFrame): void {
    const { frame, hash, sequence } = checked;
    const { ingester, number } = frame;
    this.placed.push({ ingester, number, hash, position: this.tree.size, sequence });
    this.append(hash);
    for (const leaf of checked.leaves) this.append(leaf);
    this.push(lengthOf(checked.note), checked.note, checked.events);
  }

  /** Closes the block with its note. The object must not be used afterwards. */
  cut(sealed: string, key: SigningKey): CutBlock {
    const { origin, height, previous } = this.start;
    const block: Block = {
      origin,
      height,
      previous,
      first: this.first,
      entries: this.entries,
      root: this.tree.root(),
      sealed,
    };
    const note = Buffer.from(signBlock(block, key));
    const hash = leafHash(note);
    this.append(hash);
    this.push(lengthOf(note), note);
    return {
      block,
      hash,
      body: Buffer.concat(this.chunks, this.bytes),
      tiles: this.tiles,
      frames: this.placed,
      gaps: this.gaps,
      size: this.tree.size,
      root: this.tree.root(),
      frontier: this.tree.frontier().hashes(),
    };
  }

  private append(leaf: Hash): void {
    const finished = this.tree.append(leaf);
    if (finished.length === 0) return;
    this.tiles.push(...finished);
    this.onFull(finished);
  }

  private push(...chunks: Buffer[]): void {
    for (const chunk of chunks) {
      this.chunks.push(chunk);
      this.bytes += chunk.length;
    }
  }
}

function lengthOf(entry: Buffer): Buffer {
  const length = Buffer.allocUnsafe(2);
  length.writeUInt16BE(entry.length);
  return length;
}
