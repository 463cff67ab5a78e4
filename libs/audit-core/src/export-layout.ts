/**
 * The files of an export (formats.md, "Export"): the C2SP tlog-tiles layout of the log, and what an auditor needs beside it. Names
 * only; whoever reads them brings the folder.
 *
 * Of a range or query the tree is there as far as something is shown by it: the tiles that lead from a key set, a frame note or a stamped
 * checkpoint to the root.
 *
 *   checkpoint                     the newest cosigned one, size n
 *   checkpoints/<size>             older ones: the last of every day
 *   tile/<L>/<N>, tile/entries/<N> as C2SP tlog-tiles has them in the tree of size n
 *   events/<k>/<index>.<part>      of a query instead: the proof of each event (proof-bundle.ts), k = index / 1,000
 *   timestamps/<size>/checkpoint   checkpoints that were time-stamped, as the log signed them, without cosignatures
 *   timestamps/<size>/<name>.tst   their time-stamp tokens (RFC 3161), by the name of the authority
 *   authorities/<name>.pem         certificates that an authority is known by
 *   keys/<index>                   the key sets, by the index of their entry
 *   frames/<index>                 of a range that begins inside a frame: the note of that frame, which stands before the range
 *   policy                         C2SP tlog-policy: the log's key and its verifiers
 *   completeness.json              completeness.ts
 *   .export-state.json             while it is being written; with it there is no export
 */
import { FormatError } from './format-error.js';
import { HASH_BYTES } from './hash.js';
import { tilePath, TILE_WIDTH, type TileRef } from './tile.js';
import type { TileReader } from './tile-proof.js';

export const EXPORT_FILES = {
  checkpoint: 'checkpoint',
  policy: 'policy',
  completeness: 'completeness.json',
  state: '.export-state.json',
} as const;
export const EXPORT_FOLDERS = {
  checkpoints: 'checkpoints',
  keys: 'keys',
  frames: 'frames',
  events: 'events',
  timestamps: 'timestamps',
  authorities: 'authorities',
} as const;

/** An export as somebody holds it. */
export interface ExportFiles {
  /** The bytes of a file, null when there is none. Path with slashes, from the folder of the export. */
  read(path: string): Promise<Buffer | null>;
  /** Names in a folder; none when there is no such folder. */
  list(folder: string): Promise<readonly string[]>;
}

const EVENTS_A_FOLDER = 1_000;

export const keysFile = (index: number): string => `${EXPORT_FOLDERS.keys}/${index}`;
export const frameFile = (index: number): string => `${EXPORT_FOLDERS.frames}/${index}`;
export const checkpointFile = (size: number): string => `${EXPORT_FOLDERS.checkpoints}/${size}`;
/** A checkpoint that was time-stamped; beside it are its tokens. */
export const stampedFile = (size: number): string => `${EXPORT_FOLDERS.timestamps}/${size}/checkpoint`;
export const tokenFile = (size: number, authority: string): string =>
  `${EXPORT_FOLDERS.timestamps}/${size}/${authority}.tst`;
/** The files of one event of a query, without their endings. */
export const eventFile = (index: number): string =>
  `${EXPORT_FOLDERS.events}/${Math.floor(index / EVENTS_A_FOLDER)}/${index}`;

/** @throws FormatError `export.missing` */
export async function readExported(files: ExportFiles, path: string): Promise<Buffer> {
  const bytes = await files.read(path);
  if (bytes === null) throw new FormatError('export.missing', `the export has no file ${path}`);
  return bytes;
}

/** Names in a folder that are numbers, ascending. @throws FormatError `export.name` for any other name */
export async function numbersIn(files: ExportFiles, folder: string, ending = ''): Promise<number[]> {
  const numbers = (await files.list(folder)).map((name) => {
    const number = name.endsWith(ending) ? name.slice(0, name.length - ending.length) : '';
    if (/^(?:0|[1-9]\d{0,15})$/.test(number)) return Number(number);
    throw new FormatError(
      'export.name',
      `${folder} holds something else than an export: ${JSON.stringify(name).slice(0, 80)}`,
    );
  });
  return numbers.sort((a, b) => a - b);
}

/** Tiles that a reader keeps: those on the way from a bundle to the root, and their neighbours. */
const TILES_KEPT = 64;

/** Reads the tiles of an export. Throws FormatError `export.missing`, `export.tile` (not of its length). */
export function exportedTiles(files: ExportFiles): TileReader {
  const kept = new Map<string, Buffer>();
  const readOne = async (ref: TileRef): Promise<Buffer> => {
    const path = tilePath(ref);
    const held = kept.get(path);
    if (held) return held;
    const tile = await readExported(files, path);
    requireWidth(path, tile, ref.width);
    kept.set(path, tile);
    if (kept.size > TILES_KEPT) kept.delete(kept.keys().next().value as string);
    return tile;
  };
  return async (refs) => {
    const tiles: Buffer[] = [];
    for (const ref of refs) tiles.push(await readOne(ref));
    return tiles;
  };
}

function requireWidth(path: string, tile: Buffer, width: number): void {
  if (tile.length === width * HASH_BYTES) return;
  throw new FormatError('export.tile', `${path} has ${tile.length} bytes, not ${width * HASH_BYTES}`);
}

/** How many bundles of entries a tree has, the last one perhaps not full. */
export const bundlesOf = (size: number): number => Math.ceil(size / TILE_WIDTH);
/** How many entries a bundle has in a tree. */
export const bundleWidth = (number: number, size: number): number => Math.min(TILE_WIDTH, size - number * TILE_WIDTH);
