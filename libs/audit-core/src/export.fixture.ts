/**
 * A small export in memory, written by none of the code that writes exports: a log of the fixture, cut into the files it has to be.
 * It has a time stamp of each half of the log, by a token that nobody can read here.
 */
import { formatCompleteness, type ExportSelection } from './completeness.js';
import { formatCustodyFile } from './custody-file.js';
import { encodeBundle, splitBundle } from './entry-bundle.js';
import { EventCensus } from './event-census.js';
import {
  bundlesOf,
  bundleWidth,
  checkpointFile,
  eventFile,
  frameFile,
  keysFile,
  stampedFile,
  tokenFile,
  type ExportFiles,
} from './export-layout.js';
import type { FrameShare } from './frame-tally.js';
import { leafHash, sha256, type Hash } from './hash.js';
import { proveInclusion } from './inclusion.js';
import { NOTE_KEY, SigningKey } from './key.js';
import { signKeySet } from './key-set.js';
import { genesisKeys, KEYS, LogWriter, ORIGIN, type MadeFrame } from './log.fixture.js';
import { parseNote } from './note.js';
import { proveRange } from './range-proof.js';
import { TileBuilder } from './tile-builder.js';
import { entriesPath, partialWidth, fullTiles, tilePath, TILE_WIDTH } from './tile.js';
import { parseTlogPolicy, type TlogPolicy } from './tlog-policy.js';
import { formatTlogProof } from './tlog-proof.js';

export const EXPORT_POLICY: TlogPolicy = parseTlogPolicy(
  Buffer.from(`log ${KEYS.log.verifier.vkey}\nwitness v1 ${KEYS.verifier.verifier.vkey}\nquorum v1\n`),
);

/** The files of an export by name; what they say can be changed. */
export class MemoryFiles implements ExportFiles {
  readonly files = new Map<string, Buffer>();

  read(name: string): Promise<Buffer | null> {
    return Promise.resolve(this.files.get(name) ?? null);
  }

  list(folder: string): Promise<readonly string[]> {
    const below = [...this.files.keys()].filter((name) => name.startsWith(`${folder}/`));
    return Promise.resolve([...new Set(below.map((name) => name.slice(folder.length + 1).split('/')[0]!))]);
  }

  clone(): MemoryFiles {
    const copy = new MemoryFiles();
    for (const [name, bytes] of this.files) copy.files.set(name, Buffer.from(bytes));
    return copy;
  }
}

export interface ExportedLog {
  readonly writer: LogWriter;
  readonly entries: readonly Buffer[];
  /** Checkpoints over the first blocks, by size. */
  readonly older: { readonly size: number; readonly note: string }[];
  readonly frames: { readonly ingester: string; readonly index: number; readonly count: number }[];
  /** Index of the second key set, with another key of ingester a. */
  readonly keysIndex: number;
}

const ROTATED: typeof KEYS = { ...KEYS, a: SigningKey.fromSeed(KEYS.a.name, sha256(Buffer.from('rotated')), NOTE_KEY) };

/** Some 640 entries: frames of two ingesters, a gap record, a rotation, two full tiles. */
export function exportedLog(): ExportedLog {
  const writer = new LogWriter();
  const event = (n: number): string => `{"id":"${n}","source":"urn:${n % 3}"}`;
  const events = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => event(from + i));
  const frames: ExportedLog['frames'] = [];
  const older: ExportedLog['older'] = [];
  const seal = (ingester: 'a' | 'b', frame: MadeFrame, ...before: Buffer[]): void => {
    const index = Math.max(1, writer.range.size) + before.length;
    frames.push({ ingester, index, count: frame.entries.length });
    writer.block(...before, frame);
    older.push({ size: writer.range.size, note: writer.checkpoint() });
  };
  seal('a', writer.frame('a', events(0, 250)));
  writer.frame('b', ['{"id":"lost"}']);
  const gap = writer.gap('b', 1, 1);
  seal('b', writer.frame('b', events(250, 130)), gap);
  const keysIndex = writer.range.size;
  const keys = { ...genesisKeys(ROTATED), previous: leafHash(writer.genesis), time: writer.time() };
  writer.keys = ROTATED;
  seal(
    'a',
    writer.frame('a', [...events(380, 249), '"no object"']),
    Buffer.from(signKeySet(keys, KEYS.log, KEYS.operator)),
  );
  older.pop();
  const entries = writer.bodies.flatMap((body) => {
    const offsets = splitBundle(body);
    return Array.from({ length: offsets.count }, (_, i) =>
      Buffer.from(body.subarray(offsets.start(i), offsets.end(i))),
    );
  });
  return { writer, entries, older, frames, keysIndex };
}

export interface MemoryExport {
  readonly version?: 1 | 2;
  /** Which of the older checkpoints was stamped; null for none. */
  readonly stamped?: number | null;
}

/** An export with everything that is in one, of a version. */
export function memoryExport(
  selection: ExportSelection,
  log = exportedLog(),
  { version = 2, stamped = 0 }: MemoryExport = {},
): MemoryFiles {
  const { writer, entries, older } = log;
  const size = entries.length;
  const made = new MemoryFiles();
  const note = writer.checkpoint();
  const census = new EventCensus();
  const leaves = entries.map((entry) => leafHash(entry));
  if (selection.kind === 'query') writeEvents(made, log, leaves, note, census);
  else writeBundles(made, log, selection, census);
  if (selection.kind !== 'query' || version === 2) writeTiles(made, leaves);
  if (version === 1 && selection.kind === 'range' && selection.from > 0) made.files.delete('tile/0/000');
  if (selection.kind === 'ledger') made.files.set(checkpointFile(older[0]!.size), Buffer.from(older[0]!.note));
  if (selection.kind === 'ledger' || version === 2) {
    for (const index of [0, log.keysIndex]) made.files.set(keysFile(index), entries[index]!);
  }
  if (version === 2) {
    writeOpening(made, log, selection);
    if (stamped !== null) writeStamp(made, older[stamped]!);
  }
  made.files.set('checkpoint', Buffer.from(note));
  const timestamps =
    stamped === null
      ? []
      : [{ authority: 'tsa', stamps: 1, firstSize: older[stamped]!.size, lastSize: older[stamped]!.size }];
  const completeness = {
    ledger: ORIGIN,
    size,
    root: writer.range.root(),
    made: '2026-01-31T09:30:00.000Z',
    selection,
    census: census.result(),
    evidence: version === 1 ? null : { keySets: 2, custody: custodyOf(log, selection), timestamps },
  };
  made.files.set('completeness.json', Buffer.from(formatCompleteness(completeness)));
  return made;
}

function writeBundles(
  made: MemoryFiles,
  { entries }: ExportedLog,
  selection: ExportSelection,
  census: EventCensus,
): void {
  const size = entries.length;
  const { from, to } = selection.kind === 'range' ? selection : { from: 0, to: size };
  for (let number = from / TILE_WIDTH; number < bundlesOf(to); number++) {
    const width = bundleWidth(number, size);
    const some = entries.slice(number * TILE_WIDTH, number * TILE_WIDTH + width);
    made.files.set(entriesPath(number, width), encodeBundle(some));
    for (const [i, entry] of some.entries()) census.add(number * TILE_WIDTH + i, entry);
  }
}

/** The note of the frame that a range begins in. */
function writeOpening(made: MemoryFiles, { frames, entries }: ExportedLog, selection: ExportSelection): void {
  if (selection.kind !== 'range') return;
  const { from } = selection;
  const opening = frames.find(({ index, count }) => index < from && from <= index + count);
  if (opening) made.files.set(frameFile(opening.index), entries[opening.index]!);
}

function writeStamp(made: MemoryFiles, { size, note }: { size: number; note: string }): void {
  const { text } = parseNote(note);
  made.files.set(stampedFile(size), Buffer.from(`${text}\n${note.slice(text.length + 1).split('\n')[0]!}\n`));
  made.files.set(tokenFile(size, 'tsa'), Buffer.from('a token'));
}

/** Who signed the events of a selection, by what was written. */
function custodyOf({ frames, entries }: ExportedLog, selection: ExportSelection): FrameShare[] {
  const { from, to } = selection.kind === 'ledger' ? { from: 0, to: entries.length } : selection;
  const shares = new Map<string, FrameShare>();
  for (const { ingester, index, count } of frames) {
    const events = Math.min(to, index + 1 + count) - Math.max(from, index + 1);
    if (events <= 0) continue;
    const share = shares.get(ingester) ?? { ingester, frames: 0, events: 0 };
    shares.set(ingester, { ingester, frames: share.frames + 1, events: share.events + events });
  }
  return [...shares.values()].sort((a, b) => (a.ingester < b.ingester ? -1 : 1));
}

function writeTiles(made: MemoryFiles, leaves: readonly Hash[]): void {
  const tree = TileBuilder.empty();
  for (const leaf of leaves) {
    for (const tile of tree.append(leaf)) made.files.set(tilePath({ ...tile, width: TILE_WIDTH }), tile.data);
  }
  for (let level = 0; level < tree.levels; level++) {
    const width = partialWidth(leaves.length, level);
    if (width > 0)
      made.files.set(tilePath({ level, number: fullTiles(leaves.length, level), width }), tree.partial(level));
  }
}

/** The first events of the frame at entry 2. */
function writeEvents(
  made: MemoryFiles,
  { writer, entries }: ExportedLog,
  leaves: readonly Hash[],
  note: string,
  census: EventCensus,
): void {
  const frame = 1;
  const inFrame = leaves.slice(frame + 1, frame + 251);
  const proven = (bytes: Buffer, index: number) => ({
    note: bytes.toString(),
    index,
    proof: proveInclusion(index, leaves),
  });
  for (let position = 0; position < 4; position++) {
    const index = frame + 1 + position;
    const custody = {
      ledger: ORIGIN,
      frame: proven(entries[frame]!, frame),
      position,
      proof: proveRange(position, 1, inFrame),
      keys: [proven(writer.genesis, 0)],
    };
    made.files.set(`${eventFile(index)}.entry`, entries[index]!);
    made.files.set(`${eventFile(index)}.custody`, Buffer.from(formatCustodyFile(custody)));
    const proof = formatTlogProof({ index, proof: proveInclusion(index, leaves), checkpoint: note });
    made.files.set(`${eventFile(index)}.tlog-proof`, Buffer.from(proof));
    census.add(index, entries[index]!);
  }
}
