/**
 * What an export has beside its entries: the log's key sets, the note of the frame that a range begins in, time stamps. Of a part of a
 * ledger all of it is shown by tiles of the tree, which are written as they are read (`writtenTiles`), and what was written is checked
 * by the code that whoever gets the export checks it with, before the export is there.
 */
import { readFileSync } from 'node:fs';
import {
  ExportedKeys,
  EXPORT_FOLDERS,
  frameFile,
  keysFile,
  listStamps,
  proveConsistencyFromTiles,
  RangeCustody,
  requireStamped,
  stampedFile,
  stampedSpan,
  stampShares,
  tilePath,
  TileTree,
  tokenFile,
  type Completeness,
  type ExportEvidence,
  type TileReader,
} from '@everseal/audit-core';
import type { CliSettings } from './config.js';
import type { ExportFolder } from './export-folder.js';
import { requireInTree, type ExportJob } from './export-job.js';
import { coveringStamps, storedStamps, type StoredStamp } from './stored-stamps.js';

/** The key sets below the checkpoint. @returns how many */
export async function writeKeySets({ folder, ledger, size }: ExportJob): Promise<number> {
  const sets = await ledger.proofs.keySets(size);
  for (const { note, index } of sets) await folder.write(keysFile(index), note);
  return sets.length;
}

/** What a part of a ledger is shown by. */
export interface ShownTree {
  /** Every tile that is read of it is written. */
  readonly tree: TileTree;
  readonly keys: ExportedKeys;
}

/** The key sets, with the tiles that they stand in. */
export async function writeShownKeys(job: ExportJob): Promise<ShownTree> {
  const { folder, ledger, size, root } = job;
  await writeKeySets(job);
  await folder.settle();
  const shown = await requireInTree(ledger, async () => {
    const tree = await TileTree.open(writtenTiles(job), size, root);
    return { tree, keys: await ExportedKeys.open(folder, ledger.origin, tree) };
  });
  await folder.settle();
  return shown;
}

/** The frame that the first entry of a range is an event of, if it is one, and who signed from there on. */
export async function writeCustody(job: ExportJob, { tree, keys }: ShownTree, from: number): Promise<RangeCustody> {
  const { folder, ledger, tally } = job;
  const { frame } = await ledger.proofs.event(from);
  if (frame !== null) await folder.write(frameFile(frame.index), frame.note);
  await folder.settle();
  return requireInTree(ledger, () => RangeCustody.open(folder, { origin: ledger.origin, keys, tree, from, tally }));
}

/** Reads tiles out of the database, and writes each of them once. */
function writtenTiles({ folder, ledger }: ExportJob): TileReader {
  const written = new Set<string>();
  return async (refs) => {
    const tiles = await ledger.proofs.tiles(refs);
    for (const [i, tile] of tiles.entries()) {
      const path = tilePath(refs[i]!);
      if (written.has(path)) continue;
      written.add(path);
      await folder.write(path, tile);
    }
    return tiles;
  };
}

/** The time stamps of authorities that the settings name: of a whole ledger all, of a part those that cover it. */
export async function writeStamps(
  job: ExportJob,
  settings: CliSettings,
  completeness: Completeness,
  shown: ShownTree | null,
): Promise<void> {
  const { folder, ledger, size } = job;
  const names =
    shown === null
      ? await writeTokens(folder, storedStamps(ledger, settings, 0, size))
      : await writeCovering(job, settings, completeness, shown);
  for (const { name, certificatesFile } of settings.authorities) {
    if (names.has(name))
      await folder.write(`${EXPORT_FOLDERS.authorities}/${name}.pem`, readFileSync(certificatesFile));
  }
  await folder.settle();
}

/** @returns of which authorities there are any */
async function writeCovering(
  job: ExportJob,
  settings: CliSettings,
  completeness: Completeness,
  { keys }: ShownTree,
): Promise<Set<string>> {
  const { folder, ledger, size, root } = job;
  // Those of a run before, under an older checkpoint or other settings.
  for (const name of [EXPORT_FOLDERS.timestamps, EXPORT_FOLDERS.authorities]) await folder.remove(name);
  const span = stampedSpan(completeness);
  const stamps = span === null ? [] : await coveringStamps(ledger, settings, span, size);
  const names = await writeTokens(folder, stamps);
  const tiles = writtenTiles(job);
  await requireInTree(ledger, async () => {
    for (const stamp of stamps) await proveConsistencyFromTiles(stamp.size, size, tiles);
    await folder.settle();
    await requireStamped(folder, await listStamps(folder), keys, { origin: ledger.origin, size, root });
  });
  return names;
}

/**
 * @param stamps by size
 * @returns of which authorities there are any
 */
async function writeTokens(
  folder: ExportFolder,
  stamps: Iterable<StoredStamp> | AsyncIterable<StoredStamp>,
): Promise<Set<string>> {
  const names = new Set<string>();
  let before = 0;
  for await (const { size, signed, token, authority } of stamps) {
    if (size !== before) await folder.write(stampedFile(size), signed);
    await folder.write(tokenFile(size, authority), token);
    names.add(authority);
    before = size;
  }
  return names;
}

/** What there is, as whoever checks the export finds it. */
export async function evidenceOf({ folder, tally }: ExportJob, keySets: number): Promise<ExportEvidence> {
  return { keySets, custody: tally.result(), timestamps: stampShares(await listStamps(folder)) };
}
