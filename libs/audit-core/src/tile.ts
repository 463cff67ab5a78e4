/**
 * Tiles (C2SP tlog-tiles): the hashes of a Merkle tree in files of at most 256.
 *
 *   tile/<L>/<N>[.p/<W>]        level L, 0 to 63; number N; width W of a partial tile, 1 to 255; W · 32 bytes
 *   tile/entries/<N>[.p/<W>]    the entries under the level 0 tile N, as an entry bundle
 *
 * N is written in groups of three digits, all but the last with `x` before: 5 is `005`, 1234067 is `x001/x234/067`.
 * Hash i of tile (L, N) is the root over entries [(256·N + i)·256^L, (256·N + i + 1)·256^L). So a level 1 hash exists
 * only when its level 0 tile is full; the rows between two levels and the roots of unfinished subtrees are in no tile.
 * A tree of 70,000 has at level 0 273 full tiles and one of 112, at level 1 one full and one of 17, at level 2 one of 1.
 */
import { isCount } from './decimal.js';
import { FormatError } from './format-error.js';
import { quote } from './quote.js';

export const TILE_WIDTH = 256;
/** Rows of the tree that one level of tiles spans. */
export const TILE_ROWS = 8;
/** Bytes of a full tile. */
export const TILE_BYTES = TILE_WIDTH * 32;
const MOST_LEVEL = 63;

export type TileRef = {
  level: number;
  number: number;
  /** 1 to 256 hashes */
  width: number;
};

const TILE = /^tile\/(0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;
const ENTRIES = /^tile\/entries\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** How many tiles of a level are full in a tree of `size` leaves. */
export function fullTiles(size: number, level: number): number {
  return Math.floor(size / TILE_WIDTH ** (level + 1));
}

/** Width of the tile at the right edge of a level, 0 to 255; 0 means that there is none. */
export function partialWidth(size: number, level: number): number {
  return Math.floor(size / TILE_WIDTH ** level) % TILE_WIDTH;
}

/** How many levels have a hash in a tree of `size` leaves: 0 for the empty tree, 1 up to size 255, 2 from 256. */
export function tileLevels(size: number): number {
  let levels = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / TILE_WIDTH)) levels += 1;
  return levels;
}

/** The tile (level, number) as it is in a tree of `size` leaves. Throws RangeError when it has no hash there. */
export function tileAt(level: number, number: number, size: number): TileRef {
  const full = fullTiles(size, level);
  const width = number < full ? TILE_WIDTH : partialWidth(size, level);
  if (number > full || width === 0) throw new RangeError(`a tree of ${size} has no tile ${number} at level ${level}`);
  return { level, number, width };
}

/** `tile/0/x001/x234/067.p/8`. Throws RangeError for a tile that cannot be. */
export function tilePath({ level, number, width }: TileRef): string {
  if (!Number.isInteger(level) || level < 0 || level > MOST_LEVEL) throw new RangeError(`no tile level ${level}`);
  return `tile/${level}/${numberPath(number)}${widthPath(width)}`;
}

/** `tile/entries/000.p/15`; width 256 for a full bundle. Throws RangeError for a bundle that cannot be. */
export function entriesPath(number: number, width: number): string {
  return `tile/entries/${numberPath(number)}${widthPath(width)}`;
}

/** Reads a tile path. Throws FormatError `tile.path` for any other spelling. */
export function parseTilePath(path: string): TileRef {
  const [, level = '', number = '', width] = TILE.exec(path) ?? [];
  const ref = { level: Number(level), number: parseNumber(number), width: parseWidth(width) };
  return checked(path, ref, level !== '' && ref.level <= MOST_LEVEL, tilePath);
}

/** Reads the path of an entry bundle. Throws FormatError `tile.path` for any other spelling. */
export function parseEntriesPath(path: string): { number: number; width: number } {
  const [, number = '', width] = ENTRIES.exec(path) ?? [];
  const ref = { number: parseNumber(number), width: parseWidth(width) };
  return checked(path, ref, number !== '', (r) => entriesPath(r.number, r.width));
}

function checked<T extends { number: number; width: number }>(
  path: string,
  ref: T,
  wellFormed: boolean,
  format: (ref: T) => string,
): T {
  const { number, width } = ref;
  if (!wellFormed || !isCount(number) || width > TILE_WIDTH || format(ref) !== path) {
    throw new FormatError('tile.path', `${quote(path)} is not the path of a tile`);
  }
  return ref;
}

function numberPath(number: number): string {
  if (!isCount(number)) throw new RangeError(`no tile number ${number}`);
  const digits = String(number);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/g) as string[];
  return groups.map((group, i) => (i + 1 < groups.length ? `x${group}` : group)).join('/');
}

function widthPath(width: number): string {
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH) throw new RangeError(`no tile width ${width}`);
  return width === TILE_WIDTH ? '' : `.p/${width}`;
}

function parseNumber(groups: string): number {
  return Number(groups.replaceAll(/[x/]/g, ''));
}

function parseWidth(width: string | undefined): number {
  return width === undefined ? TILE_WIDTH : Number(width);
}
