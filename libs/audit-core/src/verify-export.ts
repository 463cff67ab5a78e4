/**
 * Checks an export offline, whole: its files in, what is proven out. It trusts the policy alone and derives the rest again: every
 * leaf, tile and root; of a whole ledger every signature and chain (log-state.ts), of a range its frames (range-custody.ts), of a query
 * each proof; that the checkpoints which were time-stamped are of the same log; the counts of the completeness statement. Memory is a
 * bundle, a block and the counts, whatever the size.
 *
 * Time-stamp tokens are not read here: whoever shows them does that (libs/timestamps).
 */
import { BlockSplitter } from './block-splitter.js';
import { openCheckpoint } from './checkpoint.js';
import { cosignaturesOf } from './cosignature.js';
import {
  exportedRange,
  fitsQuery,
  parseCompleteness,
  requireSameStatement,
  type Completeness,
  type ExportEvidence,
  type ExportSelection,
  type ExportVersion,
} from './completeness.js';
import { splitBundle } from './entry-bundle.js';
import type { SealedFrame } from './entry-walk.js';
import { EventCensus, type CensusEvent } from './event-census.js';
import {
  bundlesOf,
  bundleWidth,
  checkpointFile,
  eventFile,
  EXPORT_FILES,
  EXPORT_FOLDERS,
  exportedTiles,
  keysFile,
  numbersIn,
  readExported,
  stampedFile,
  type ExportFiles,
} from './export-layout.js';
import { ExportedKeys } from './exported-keys.js';
import { FormatError } from './format-error.js';
import { FrameTally, type OnFrame } from './frame-tally.js';
import { equalHash, leafHash, type Hash } from './hash.js';
import { LogState } from './log-state.js';
import { verifyProofBundle } from './proof-bundle.js';
import { RangeCustody } from './range-custody.js';
import { listStamps, requireStamped, stampShares } from './stamped-checkpoints.js';
import { TileBuilder, type FullTile } from './tile-builder.js';
import { TileTree } from './tile-tree.js';
import { entriesPath, tilePath, TILE_WIDTH } from './tile.js';
import { openUnderPolicy, type Believed, type TlogPolicy } from './tlog-policy.js';

export type VerifiedExport = Completeness & {
  readonly believed: Believed;
  /** Leaf hash of entry 0; null where it is not in the export. */
  readonly genesis: Hash | null;
  /** Older checkpoints that were found to be of the same log. */
  readonly olderCheckpoints: number;
};

/** Who is told on the way. */
export interface ExportListener {
  /** Now and then how many entries more were checked. */
  readonly onChecked?: (entries: number) => void;
  /** Who signed: of a query once for each event, of a part without custody (version 1) not at all. It counts if all of the export holds. */
  readonly onFrame?: OnFrame;
}

/**
 * @throws FormatError `export.*` as below, and what the checks of its parts throw
 * - `export.unfinished`               its writing was interrupted
 * - `export.missing`, `export.name`   a file is not there, or is none of an export
 * - `export.bundle`, `export.tile`    entries or hashes are not those of the tree
 * - `export.root`                     they are not under the checkpoint
 * - `export.log`                      the entries are no log: the message names the verdict and the first bad entry
 * - `export.keys`, `export.checkpoint`  a key set or an older checkpoint is another one than the log's
 * - `export.custody`                  an entry of a range is not signed by whom the log's key sets name for it
 * - `export.event`                    an event of a query does not fit it, or is under another checkpoint
 * - `export.completeness`             the completeness statement says something else than the files
 */
export async function verifyExport(
  files: ExportFiles,
  policy: TlogPolicy,
  listener: ExportListener = {},
): Promise<VerifiedExport> {
  if ((await files.read(EXPORT_FILES.state)) !== null) {
    throw new FormatError('export.unfinished', 'the export was interrupted: run everseal export again to finish it');
  }
  const statement = await readExported(files, EXPORT_FILES.completeness);
  const { version, ledger, made, selection } = parseCompleteness(statement);
  const note = await readExported(files, EXPORT_FILES.checkpoint);
  const believed = openUnderPolicy(note, policy);
  const { origin, size, root } = believed.checkpoint;
  if (origin !== ledger)
    throw new FormatError('export.completeness', `the checkpoint is one of ${origin}, not of ${ledger}`);
  const parts = { census: new EventCensus(), tally: new FrameTally(), ...listener };
  const export_: Export = { files, policy, believed, note, version, selection, ...parts };
  const { keySets, ...found } = await CHECKS[selection.kind](export_);
  const timestamps = stampShares(await listStamps(files));
  const evidence = version === 1 ? null : { keySets, custody: parts.tally.result(), timestamps };
  const derived = { ledger, size, root, made, selection, census: parts.census.result(), evidence };
  requireSameStatement(statement, derived);
  return { ...derived, believed, ...found };
}

interface Export extends ExportListener {
  files: ExportFiles;
  policy: TlogPolicy;
  believed: Believed;
  note: Buffer;
  version: ExportVersion;
  selection: ExportSelection;
  census: EventCensus;
  tally: FrameTally;
}

type Found = Pick<VerifiedExport, 'genesis' | 'olderCheckpoints'> & Pick<ExportEvidence, 'keySets'>;

const CHECKS: Readonly<Record<ExportSelection['kind'], (export_: Export) => Promise<Found>>> = {
  ledger: checkLedger,
  range: checkRange,
  query: checkQuery,
};

/** Every entry from 0 on: the tree is built again, and the log is read by its grammar. */
async function checkLedger(export_: Export): Promise<Found> {
  const { files, believed, note, onChecked } = export_;
  const { size, root, origin } = believed.checkpoint;
  const tree = TileBuilder.empty();
  const log = new ExportedLog(export_, await listOlder(files));
  for (let number = 0; number < bundlesOf(size); number++) {
    const entries = await readBundle(files, number, size);
    for (const entry of entries) {
      const leaf = leafHash(entry);
      for (const tile of tree.append(leaf)) await requireTile(files, tile, TILE_WIDTH);
      await log.take(entry, leaf);
    }
    onChecked?.(entries.length);
  }
  for (let level = 0; level < tree.levels; level++) await requireEdge(files, tree, level, size);
  if (!equalHash(tree.root(), root))
    throw new FormatError('export.root', `the ${size} entries are not those of the checkpoint`);
  await log.end(size);
  // The keys that the log itself names at this size: the policy must not stand for another log key.
  openCheckpoint(note, [log.keys.log], origin);
  return { genesis: log.genesis, olderCheckpoints: log.compared, keySets: log.keySets };
}

interface OlderCheckpoint {
  readonly size: number;
  readonly path: string;
}

/** Those that are kept for their days and those that were time-stamped, by size. */
async function listOlder(files: ExportFiles): Promise<OlderCheckpoint[]> {
  const daily = await numbersIn(files, EXPORT_FOLDERS.checkpoints);
  const stamped = await numbersIn(files, EXPORT_FOLDERS.timestamps);
  const all = [
    ...daily.map((size) => ({ size, path: checkpointFile(size) })),
    ...stamped.map((size) => ({ size, path: stampedFile(size) })),
  ];
  return all.sort((a, b) => a.size - b.size);
}

async function requireTile(files: ExportFiles, { level, number, data }: FullTile, width: number): Promise<void> {
  const path = tilePath({ level, number, width });
  if ((await readExported(files, path)).equals(data)) return;
  throw new FormatError('export.tile', `${path} does not hold the hashes that the entries give`);
}

async function requireEdge(files: ExportFiles, tree: TileBuilder, level: number, size: number): Promise<void> {
  const data = tree.partial(level);
  if (data.length === 0) return;
  const number = Math.floor(size / TILE_WIDTH ** (level + 1));
  await requireTile(files, { level, number, data, root: data }, data.length / 32);
}

/** The entries of a whole export as a log: read block by block, with its key sets and older checkpoints. */
class ExportedLog {
  genesis: Hash | null = null;
  compared = 0;
  keySets = 0;
  private state: LogState | null = null;
  private readonly splitter = new BlockSplitter(0);

  /** @param older the older checkpoints, by size */
  constructor(
    private readonly export_: Export,
    private readonly older: OlderCheckpoint[],
  ) {}

  get keys(): NonNullable<LogState['keySet']> {
    const keys = this.state?.keySet;
    if (!keys) throw new FormatError('export.log', 'the log has no key set');
    return keys;
  }

  async take(entry: Buffer, leaf: Hash): Promise<void> {
    const { census, believed } = this.export_;
    const index = this.splitter.next;
    if (this.state === null) {
      this.genesis = leaf;
      this.state = LogState.empty({ origin: believed.checkpoint.origin, genesis: leaf });
    }
    const body = atEntry(index, () => this.splitter.push(entry));
    atEntry(index, () => census.add(index, entry));
    if (body === null) return;
    const read = this.state.readBlock(body);
    if (!read.ok) {
      const { code, detail, index: at } = read.finding;
      throw new FormatError('export.log', `${code} at entry ${at ?? index}: ${detail}`);
    }
    this.countFrames(read.frames);
    if (read.keysIndex !== null) await this.requireKeys(read.keysIndex, body);
    while (this.older.length > 0 && this.older[0]!.size <= this.state.size) await this.compare(this.older.shift()!);
  }

  private countFrames(frames: readonly SealedFrame[]): void {
    for (const { frame, index } of frames) {
      this.export_.tally.add(frame, frame.count);
      this.export_.onFrame?.({ frame, first: index + 1, last: index + frame.count });
    }
  }

  private async requireKeys(index: number, body: Buffer): Promise<void> {
    const offsets = splitBundle(body);
    const first = this.state!.size - offsets.count;
    const entry = body.subarray(offsets.start(index - first), offsets.end(index - first));
    if (!(await readExported(this.export_.files, keysFile(index))).equals(entry)) {
      throw new FormatError('export.keys', `${keysFile(index)} is not the key set that stands at entry ${index}`);
    }
    this.keySets += 1;
  }

  private async compare({ size, path }: OlderCheckpoint): Promise<void> {
    const { files, believed } = this.export_;
    const opened = openCheckpoint(await readExported(files, path), [this.keys.log], believed.checkpoint.origin);
    cosignaturesOf(opened, this.keys.verifiers); // those that are there have to verify
    const { root, size: said } = opened;
    if (said !== size || size !== this.state!.size || !equalHash(root, this.state!.root)) {
      throw new FormatError(
        'export.checkpoint',
        `${path} is signed by the log and says something else than its entries: keep it, that is a fork`,
      );
    }
    this.compared += 1;
  }

  async end(size: number): Promise<void> {
    if (this.splitter.isInside || this.state?.size !== size) {
      throw new FormatError('export.log', `the log does not end with a block at size ${size}`);
    }
    if (this.older.length > 0) {
      throw new FormatError(
        'export.checkpoint',
        `${this.older[0]!.path} is signed for more entries than the export's checkpoint`,
      );
    }
    const listed = (await this.export_.files.list(EXPORT_FOLDERS.keys)).length;
    if (listed !== this.keySets)
      throw new FormatError('export.keys', `keys holds ${listed} files, the log has ${this.keySets} key sets`);
  }
}

/** Every bundle of the range hangs in the tree of the checkpoint: nothing between its first and last entry can be missing. */
async function checkRange(export_: Export): Promise<Found> {
  const { files, version, believed, selection, census, tally, onChecked, onFrame } = export_;
  const { origin, size, root } = believed.checkpoint;
  const { from, to } = exportedRange(selection, size)!;
  if (to <= from) throw new FormatError('export.completeness', `the tree of ${size} entries has none of this range`);
  const tree = await TileTree.open(exportedTiles(files), size, root);
  await tree.requireUpper();
  const keys = version === 1 ? null : await openKeys(export_, tree);
  const custody = keys && (await RangeCustody.open(files, { origin, keys, tree, from, tally, onFrame }));
  let genesis: Hash | null = keys?.genesis ?? null;
  for (let number = from / TILE_WIDTH; number < bundlesOf(to); number++) {
    const entries = await readBundle(files, number, size);
    const leaves = entries.map((entry) => leafHash(entry));
    await tree.requireBundle(number, leaves);
    if (number === 0) genesis = leaves[0]!;
    for (const [i, entry] of entries.entries()) {
      atEntry(number * TILE_WIDTH + i, () => census.add(number * TILE_WIDTH + i, entry));
      custody?.take(entry, leaves[i]!);
    }
    onChecked?.(entries.length);
  }
  await custody?.end();
  return { genesis, olderCheckpoints: await countStamped(export_, keys), keySets: keys?.count ?? 0 };
}

/** The key sets that a part brings since version 2; the newest names the log key of the checkpoint. */
async function openKeys({ files, believed, note }: Export, tree: TileTree): Promise<ExportedKeys> {
  const { origin } = believed.checkpoint;
  const keys = await ExportedKeys.open(files, origin, tree);
  openCheckpoint(note, [keys.newest.log], origin);
  return keys;
}

/** How many checkpoints of a part were time-stamped, each of the same history. */
async function countStamped({ files, believed }: Export, keys: ExportedKeys | null): Promise<number> {
  if (keys === null) return 0;
  const trees = await listStamps(files);
  await requireStamped(files, trees, keys, believed.checkpoint);
  return trees.length;
}

/** Each event with its own proof; that there are no others is not checked, and not said. */
async function checkQuery(export_: Export): Promise<Found> {
  const { files, version, policy, believed, selection, census, tally, onChecked, onFrame } = export_;
  if (selection.kind !== 'query') throw new RangeError('not a query');
  const { size, root } = believed.checkpoint;
  const keys = version === 1 ? null : await openKeys(export_, await TileTree.open(exportedTiles(files), size, root));
  let genesis: Hash | null = keys?.genesis ?? null;
  for (const folder of await numbersIn(files, EXPORT_FOLDERS.events)) {
    const names = (await files.list(`${EXPORT_FOLDERS.events}/${folder}`)).filter((name) =>
      name.endsWith('.tlog-proof'),
    );
    const indexes = names.map((name) => Number(name.slice(0, -'.tlog-proof'.length))).sort((a, b) => a - b);
    for (const index of indexes) {
      const [proof, entry, custody] = (await Promise.all(
        ['tlog-proof', 'entry', 'custody'].map((part) => readExported(files, `${eventFile(index)}.${part}`)),
      )) as [Buffer, Buffer, Buffer];
      const proven = verifyProofBundle({ proof, entry, custody }, policy);
      if (proven.index !== index || !equalHash(proven.believed.checkpoint.root, believed.checkpoint.root)) {
        throw new FormatError('export.event', `${eventFile(index)} proves another entry, or under another checkpoint`);
      }
      requireFit(selection, index, census.add(index, entry));
      const { frame, genesis: named } = proven.custody!;
      genesis = named;
      tally.add(frame, 1);
      onFrame?.({ frame, first: index, last: index });
    }
    onChecked?.(indexes.length);
  }
  return { genesis, olderCheckpoints: await countStamped(export_, keys), keySets: keys?.count ?? 0 };
}

function requireFit(
  selection: Extract<ExportSelection, { kind: 'query' }>,
  index: number,
  event: CensusEvent | null,
): void {
  const fits = event && fitsQuery(selection, index, { accepted: event.accepted, source: event.said?.source ?? null });
  if (!fits) throw new FormatError('export.event', `entry ${index} is no event that the query asks for`);
}

async function readBundle(files: ExportFiles, number: number, size: number): Promise<Buffer[]> {
  const width = bundleWidth(number, size);
  const path = entriesPath(number, width);
  const bytes = await readExported(files, path);
  const offsets = splitBundle(bytes, { maxEntries: TILE_WIDTH });
  if (offsets.count !== width)
    throw new FormatError('export.bundle', `${path} holds ${offsets.count} entries, not ${width}`);
  return Array.from({ length: width }, (_, i) => bytes.subarray(offsets.start(i), offsets.end(i)));
}

/** Says which entry it was that cannot be read. */
function atEntry<T>(index: number, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError('export.log', `entry ${index} is none of a log: ${cause.message} (${cause.code})`, { cause });
  }
}
