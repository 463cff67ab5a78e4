/**
 * Proofs out of the database: tiles, inclusion proofs, the chain of key sets and the custody of an event. Nothing that is read here
 * is believed: whoever uses it checks what came out, as everybody else can.
 */
import {
  encodeBase64,
  equalHash,
  formatCustodyFile,
  formatTlogProof,
  FormatError,
  FrameTree,
  leafHash,
  parseFrameText,
  parseKeySetText,
  parseNote,
  proveConsistencyFromTiles,
  proveInclusionFromTiles,
  splitBundle,
  TILE_WIDTH,
  tilePath,
  type CustodyFile,
  type Hash,
  type ProvenNote,
  type TileReader,
  type TileRef,
} from '@everseal/audit-core';
import { bodyOf, findLeaf, readEntry, readTiles, tileRoots, type StoredBlock } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { CliFailure } from './cli-failure.js';
import { EXIT } from './exit-code.js';

/** An event in its block. */
export interface StoredEvent {
  entry: Buffer;
  /** Null where the entry is a record of the log itself. */
  frame: { note: Buffer; index: number; leaves: Hash[] } | null;
}

const HASH_BYTES = 32;
const MOST_KEY_SETS = 2_000;
/** 8 KiB each: the proofs of neighbours share most of theirs. */
const TILES_KEPT = 1_024;

/** The files of one entry's proof. */
export interface MadeBundle {
  entry: Buffer;
  proof: Buffer;
  /** Null for an entry that is no event. */
  custody: Buffer | null;
}

export class StoredProofs {
  /** The block that was read last: neighbours are asked for together. */
  private block: StoredBlock | null = null;

  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    readonly origin: string,
    /** Index of the newest key set, as the head row says. */
    private readonly keysIndex: number,
  ) {}

  /** Everything that proves one entry under a checkpoint of this size, as the bytes of its files. */
  async bundle(index: number, size: number, checkpoint: string): Promise<MadeBundle> {
    const { entry, frame } = await this.event(index);
    const proof = formatTlogProof({ index, proof: await this.inclusion(index, size), checkpoint });
    const custody = frame === null ? null : formatCustodyFile(await this.custody(index, frame, size));
    return { entry, proof: Buffer.from(proof), custody: custody === null ? null : Buffer.from(custody) };
  }

  /** Reads tiles of any tree that the log has been: full ones are stored, the right edge is made from what lies below it. */
  readonly tiles: TileReader = async (refs) => {
    const missing = refs.filter((ref) => !this.kept.has(tilePath(ref)));
    const rows = await readTiles(this.pool, this.ledgerId, missing);
    for (const ref of missing) {
      const stored = rows.find(({ level, number }) => level === ref.level && number === ref.number);
      this.kept.set(tilePath(ref), stored?.data.subarray(0, ref.width * HASH_BYTES) ?? (await this.edgeTile(ref)));
    }
    const tiles = refs.map((ref) => this.kept.get(tilePath(ref))!);
    for (const path of this.kept.keys()) {
      if (this.kept.size <= TILES_KEPT) break;
      this.kept.delete(path);
    }
    return tiles;
  };

  private readonly kept = new Map<string, Buffer>();

  private async edgeTile({ level, number, width }: TileRef): Promise<Buffer> {
    const from = number * TILE_WIDTH;
    if (level === 0) return Buffer.concat(await this.leaves(from, from + width));
    const roots = await tileRoots(this.pool, this.ledgerId, level - 1, from, from + width);
    return Buffer.concat(roots.map(({ root }) => root));
  }

  private async leaves(from: number, to: number): Promise<Hash[]> {
    const leaves: Hash[] = [];
    for (let index = from; index < to;) {
      const { block, body } = await this.blockAt(index);
      const offsets = splitBundle(body);
      for (let i = index - block.first; i < offsets.count && index < to; i++, index++) {
        leaves.push(leafHash(body.subarray(offsets.start(i), offsets.end(i))));
      }
    }
    return leaves;
  }

  private async blockAt(index: number): Promise<{ block: StoredBlock; body: Buffer }> {
    const held = this.block;
    if (held === null || index < held.first || index >= held.next) {
      this.block = await bodyOf(this.pool, this.ledgerId, index);
    }
    const block = this.block;
    if (!block?.body || splitBundle(block.body).count !== block.next - block.first) {
      throw altered(`entry ${index} of ${this.origin} is not in the database, though a checkpoint covers it`);
    }
    return { block, body: block.body };
  }

  inclusion(index: number, size: number): Promise<Hash[]> {
    return this.made(() => proveInclusionFromTiles(index, size, this.tiles));
  }

  consistency(oldSize: number, size: number): Promise<Hash[]> {
    return this.made(() => proveConsistencyFromTiles(oldSize, size, this.tiles));
  }

  private async made<T>(make: () => Promise<T>): Promise<T> {
    try {
      return await make();
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      throw altered(`the stored tiles of ${this.origin} give no proof (${cause.message})`, cause);
    }
  }

  /** The bytes of an entry, and the frame that brought it when it is an event. */
  async event(index: number): Promise<StoredEvent> {
    const { block, body } = await this.blockAt(index);
    const offsets = splitBundle(body);
    const at = (i: number): Buffer => body.subarray(offsets.start(i), offsets.end(i));
    const wanted = index - block.first;
    for (let i = 0; i < offsets.count;) {
      const count = eventsBehind(at(i));
      if (wanted === i) break;
      if (wanted <= i + count) {
        const leaves = Array.from({ length: count }, (_, k) => leafHash(at(i + 1 + k)));
        return { entry: Buffer.from(at(wanted)), frame: { note: Buffer.from(at(i)), index: block.first + i, leaves } };
      }
      i += 1 + count;
    }
    return { entry: Buffer.from(at(wanted)), frame: null };
  }

  /** The custody of an event below a checkpoint of this size. */
  async custody(index: number, frame: NonNullable<StoredEvent['frame']>, size: number): Promise<CustodyFile> {
    const position = index - frame.index - 1;
    const keys: ProvenNote[] = [];
    for (const { note, index: at } of await this.keySets(frame.index)) keys.push(await this.proven(note, at, size));
    return {
      ledger: this.origin,
      frame: await this.proven(frame.note, frame.index, size),
      position,
      proof: new FrameTree(frame.leaves).proveRange(position, 1),
      keys,
    };
  }

  private async proven(note: Buffer, index: number, size: number): Promise<ProvenNote> {
    return { note: note.toString(), index, proof: await this.inclusion(index, size) };
  }

  private allKeySets: { note: Buffer; index: number }[] | null = null;

  /** The key sets below an index, oldest first: followed back from the newest by the hashes that they name. */
  async keySets(before: number): Promise<readonly { note: Buffer; index: number }[]> {
    this.allKeySets ??= await this.followKeySets();
    return this.allKeySets.filter(({ index }) => index < before);
  }

  private async followKeySets(): Promise<{ note: Buffer; index: number }[]> {
    const sets: { note: Buffer; index: number }[] = [];
    for (let index = this.keysIndex; index > 0 && sets.length < MOST_KEY_SETS;) {
      const note = await readEntry(this.pool, this.ledgerId, index);
      sets.unshift({ note, index });
      index = await this.placeOf(previousOf(note, index), index);
    }
    sets.unshift({ note: await readEntry(this.pool, this.ledgerId, 0), index: 0 });
    return sets;
  }

  /** Where the entry with this leaf hash stands: in the tiles, or behind the last full one. */
  private async placeOf(hash: Hash, before: number): Promise<number> {
    const edge = Math.floor(before / TILE_WIDTH) * TILE_WIDTH;
    const leaves = await this.leaves(edge, before);
    for (let i = leaves.length - 1; i >= 0; i--) if (equalHash(leaves[i]!, hash)) return edge + i;
    const found = await findLeaf(this.pool, this.ledgerId, hash, before);
    if (found === null)
      throw altered(`no entry of ${this.origin} has the hash ${encodeBase64(hash)} that a key set names`);
    return found;
  }
}

function previousOf(note: Buffer, index: number): Hash {
  try {
    return parseKeySetText(parseNote(note).text).previous;
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw altered(`entry ${index} is no key set (${cause.message})`, cause);
  }
}

/** How many events follow a note: those of a frame. */
function eventsBehind(note: Buffer): number {
  try {
    return parseFrameText(parseNote(note).text).count;
  } catch (error) {
    if (error instanceof FormatError) return 0;
    throw error;
  }
}

/** Something is stored that does not fit; what exactly is for `everseal verify` to say. */
export function altered(what: string, cause?: unknown): CliFailure {
  const options = cause === undefined ? {} : { cause };
  return new CliFailure(EXIT.findings, `${what}: run everseal verify, which names the first bad record`, options);
}
