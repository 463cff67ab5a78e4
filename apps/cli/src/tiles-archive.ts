/**
 * A copy of a log in C2SP tlog-tiles layout, as a mirror or an export has it:
 *
 *   checkpoint              the signed checkpoint of its newest size
 *   checkpoints/<size>      older ones, where there are
 *   tile/entries/<N>        256 entries each, as an entry bundle
 *   tile/entries/<N>.p/<W>  the last ones, W of them
 *
 * Entries are all that is read; hash tiles follow from them, and whatever else lies there is left alone. A last bundle that
 * has grown since (a wider one, or a full one) serves for a smaller size, as the specification asks of readers.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import {
  BlockSplitter,
  entriesPath,
  FormatError,
  parseCheckpointText,
  parseNote,
  splitBundle,
  TILE_WIDTH,
  tileAt,
} from '@everseal/audit-core';
import { badRecord, type Archive, type ArchivedBody, type NotArchived } from './archive.js';
import { readArchiveFile } from './archive-file.js';

const SIZE = /^[1-9][0-9]{0,15}$/;
const MOST_NOTE_BYTES = 65_535;
/** 256 entries of 65,535 bytes with two bytes of length each. */
const MOST_BUNDLE_BYTES = TILE_WIDTH * (65_535 + 2);

/** @throws CliFailure when there is no checkpoint of any log in it */
export async function openTilesArchive(folder: string): Promise<Archive> {
  const record = path.join(folder, 'checkpoint');
  const note = await readNote(record);
  let size: number;
  try {
    ({ size } = parseCheckpointText(parseNote(note).text));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw badRecord(record, error.message, error);
  }
  return new TilesArchive(folder, size, [{ note, from: record }, ...(await olderCheckpoints(folder))]);
}

async function readNote(record: string): Promise<Buffer> {
  const note = await readArchiveFile(record, MOST_NOTE_BYTES);
  if (note === null || note === 'tooLarge') throw badRecord(record, 'it is larger than any checkpoint');
  return note;
}

async function olderCheckpoints(folder: string): Promise<Archive['checkpoints']> {
  const older = path.join(folder, 'checkpoints');
  const names = await readdir(older).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  const found = [];
  for (const name of names.filter((one) => SIZE.test(one)).sort()) {
    const from = path.join(older, name);
    found.push({ from, note: await readNote(from) });
  }
  return found;
}

interface Bundle {
  readonly number: number;
  readonly record: string;
  readonly entries: readonly Buffer[];
}

class TilesArchive implements Archive {
  readonly what: string;
  /** The one read last: blocks do not end where bundles do. */
  private newest: Bundle | null = null;

  constructor(
    private readonly folder: string,
    private readonly size: number,
    readonly checkpoints: Archive['checkpoints'],
  ) {
    this.what = `the copy ${folder}`;
  }

  async body(_height: number, first: number): Promise<ArchivedBody | NotArchived> {
    const splitter = new BlockSplitter(first);
    const records: string[] = [];
    while (splitter.next < this.size) {
      const bundle = await this.bundle(Math.floor(splitter.next / TILE_WIDTH));
      if ('missing' in bundle) return bundle;
      records.push(bundle.record);
      const body = take(splitter, bundle);
      if (body !== null) return { body, record: rangeOf(records) };
    }
    if (splitter.isInside) throw badRecord(rangeOf(records), `it ends at entry ${this.size}, within a block`);
    return { missing: `it ends at size ${this.size}` };
  }

  private async bundle(number: number): Promise<Bundle | NotArchived> {
    if (this.newest?.number === number) return this.newest;
    const { width } = tileAt(0, number, this.size);
    const tried = [...new Set([entriesPath(number, width), entriesPath(number, TILE_WIDTH)])];
    for (const name of tried) {
      const record = path.join(this.folder, ...name.split('/'));
      const bytes = await readArchiveFile(record, MOST_BUNDLE_BYTES);
      if (bytes === null) continue;
      if (bytes === 'tooLarge') throw badRecord(record, 'it is larger than any entry bundle');
      const holds = name === entriesPath(number, TILE_WIDTH) ? TILE_WIDTH : width;
      return (this.newest = { number, record, entries: splitEntries(record, bytes, holds, width) });
    }
    return { missing: `${tried.join(', ')} is not there, entries from ${number * TILE_WIDTH} on` };
  }
}

/** The files that a block lies in. */
function rangeOf(records: readonly string[]): string {
  return records.length === 1 ? records[0]! : `${records[0]} to ${records.at(-1)}`;
}

/** The first `width` of exactly `holds` entries. @throws CliFailure */
function splitEntries(record: string, bytes: Buffer, holds: number, width: number): Buffer[] {
  try {
    const offsets = splitBundle(bytes, { maxEntries: TILE_WIDTH });
    if (offsets.count !== holds) {
      throw new FormatError('bundle.entries', `it holds ${offsets.count} entries, by its name ${holds}`);
    }
    return Array.from({ length: width }, (_, i) => bytes.subarray(offsets.start(i), offsets.end(i)));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw badRecord(record, error.message, error);
  }
}

/** Pushes the entries of a bundle from where the splitter stands, until a block ends. @throws CliFailure */
function take(splitter: BlockSplitter, { number, record, entries }: Bundle): Buffer | null {
  const begin = number * TILE_WIDTH;
  while (splitter.next < begin + entries.length) {
    const at = splitter.next;
    try {
      const body = splitter.push(entries[at - begin]!);
      if (body !== null) return body;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw badRecord(`entry ${at} in ${record}`, error.message, error);
    }
  }
  return null;
}
