/**
 * The entries and tiles of an export, in C2SP tlog-tiles layout: of a whole ledger up to a checkpoint, or of a range. Blocks are
 * streamed; memory is a block, a bundle and the right edge of the tree. What comes out of the database is hashed on its way, and is
 * not handed out unless it leads to the checkpoint's root.
 */
import {
  bundlesOf,
  bundleWidth,
  encodeBundle,
  entriesPath,
  equalHash,
  exportedRange,
  fullTiles,
  leafHash,
  partialWidth,
  splitBundle,
  TILE_WIDTH,
  TileBuilder,
  TileTree,
  tileLevels,
  tilePath,
  type ExportSelection,
  type TileRef,
} from '@everseal/audit-core';
import { blockOf, readBodies } from '@everseal/ledger-store';
import { writeCustody, writeShownKeys, type ShownTree } from './export-evidence.js';
import { Interrupted, requireInTree, type ExportJob } from './export-job.js';
import { altered } from './stored-proofs.js';

const BLOCKS_A_READ = 64;
/** Tiles of upper levels that are read at once. */
const TILES_A_READ = 128;

/** Every entry below the checkpoint and every tile of its tree. Bundles that stand already are read from the folder instead. */
export async function exportWholeLedger(job: ExportJob): Promise<void> {
  const { folder, size, root, census, tally, ledger } = job;
  const tree = TileBuilder.empty();
  for await (const { number, entries, stands } of bundles(job, 0, bundlesOf(size))) {
    for (const [i, entry] of entries.entries()) {
      for (const tile of tree.append(leafHash(entry))) {
        const name = tilePath({ ...tile, width: TILE_WIDTH });
        if (!stands || !(await folder.has(name))) await folder.write(name, tile.data);
      }
      ledger.checked(() => {
        census.add(number * TILE_WIDTH + i, entry);
        tally.addEntry(entry);
      });
    }
    if (!stands) await folder.write(entriesPath(number, entries.length), encodeBundle(entries));
  }
  if (!equalHash(tree.root(), root))
    throw altered(`the entries of ${ledger.origin} are not those of its checkpoint of size ${size}`);
  for (let level = 0; level < tree.levels; level++) {
    const width = partialWidth(size, level);
    if (width > 0) await folder.write(tilePath({ level, number: fullTiles(size, level), width }), tree.partial(level));
  }
}

/** The bundles of a range, the tiles that show where they hang in the tree, and who signed them. */
export async function exportRange(
  job: ExportJob,
  selection: Extract<ExportSelection, { kind: 'range' }>,
): Promise<ShownTree> {
  const { folder, size, root, census, ledger } = job;
  await writeUpperTiles(job);
  await folder.settle();
  const tree = await requireInTree(ledger, () => TileTree.open(ledger.proofs.tiles, size, root));
  const { from, to } = exportedRange(selection, size)!;
  const shown = await writeShownKeys(job);
  const custody = await writeCustody(job, shown, from);
  for await (const { number, entries } of bundles(job, from / TILE_WIDTH, bundlesOf(to))) {
    const leaves = entries.map((entry) => leafHash(entry));
    const width = bundleWidth(number, size);
    await folder.write(tilePath({ level: 0, number, width }), Buffer.concat(leaves));
    await requireInTree(ledger, () => tree.requireBundle(number, leaves));
    for (const [i, entry] of entries.entries()) {
      ledger.checked(() => {
        census.add(number * TILE_WIDTH + i, entry);
        custody.take(entry, leaves[i]!);
      });
    }
    await folder.write(entriesPath(number, width), encodeBundle(entries));
  }
  await requireInTree(ledger, () => custody.end());
  return shown;
}

/** All tiles above the leaves, and the right edge of these. */
async function writeUpperTiles({ ledger, folder, size }: ExportJob): Promise<void> {
  const refs: TileRef[] = [];
  const edge = partialWidth(size, 0);
  if (edge > 0) refs.push({ level: 0, number: fullTiles(size, 0), width: edge });
  for (let level = 1; level < tileLevels(size); level++) {
    for (let number = 0; number < fullTiles(size, level); number++) refs.push({ level, number, width: TILE_WIDTH });
    const width = partialWidth(size, level);
    if (width > 0) refs.push({ level, number: fullTiles(size, level), width });
  }
  for (let at = 0; at < refs.length; at += TILES_A_READ) {
    const some = refs.slice(at, at + TILES_A_READ);
    for (const [i, tile] of (await ledger.proofs.tiles(some)).entries()) await folder.write(tilePath(some[i]!), tile);
  }
}

interface Bundle {
  number: number;
  entries: Buffer[];
  /** It is in the folder already. */
  stands: boolean;
}

/** Bundles [from, to): those that an interrupted run has written, then the others out of the database. */
async function* bundles(job: ExportJob, from: number, to: number): AsyncGenerator<Bundle> {
  let number = from;
  for (; number < to; number++) {
    const bytes = await job.folder.read(entriesPath(number, bundleWidth(number, job.size)));
    if (bytes === null) break;
    const offsets = splitBundle(bytes, { maxEntries: TILE_WIDTH });
    const entries = Array.from({ length: offsets.count }, (_, i) => bytes.subarray(offsets.start(i), offsets.end(i)));
    yield goingOn(job, { number, entries, stands: true });
  }
  let entries: Buffer[] = [];
  for await (const entry of entriesFrom(job, number * TILE_WIDTH, Math.min(job.size, to * TILE_WIDTH))) {
    entries.push(entry);
    if (entries.length < bundleWidth(number, job.size)) continue;
    yield goingOn(job, { number, entries, stands: false });
    number += 1;
    entries = [];
  }
}

function goingOn({ progress, signal }: ExportJob, bundle: Bundle): Bundle {
  if (signal.aborted) throw new Interrupted();
  progress.add(bundle.entries.length);
  return bundle;
}

/** Entries [from, to) out of the database, as views of their blocks. */
async function* entriesFrom({ ledger }: ExportJob, from: number, to: number): AsyncGenerator<Buffer> {
  const { pool, ledgerId, origin } = ledger;
  let index = from;
  let height = (await blockOf(pool, ledgerId, from))?.height ?? 0;
  while (index < to) {
    const before = index;
    for await (const { first, next, body } of readBodies(pool, ledgerId, height, BLOCKS_A_READ)) {
      if (index >= to) continue; // to the end: leaving a COPY early costs the connection
      if (body === null || first > index) throw altered(`entry ${index} of ${origin} is not in the database`);
      const offsets = splitBundle(body);
      if (offsets.count !== next - first) throw altered(`the block at entry ${first} of ${origin} has not its length`);
      for (; index < next && index < to; index++)
        yield body.subarray(offsets.start(index - first), offsets.end(index - first));
      height += 1;
    }
    if (index === before && index < to) throw altered(`entry ${index} of ${origin} is not in the database`);
  }
}
