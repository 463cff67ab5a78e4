/** A small export in memory, written by none of the code that writes exports: a log of the fixture, cut into the files it has to be. */
import { formatCompleteness, type ExportSelection } from './completeness.js';
import { formatCustodyFile } from './custody-file.js';
import { encodeBundle, splitBundle } from './entry-bundle.js';
import { EventCensus } from './event-census.js';
import { bundlesOf, bundleWidth, checkpointFile, eventFile, keysFile, type ExportFiles } from './export-layout.js';
import { leafHash, type Hash } from './hash.js';
import { proveInclusion } from './inclusion.js';
import { KEYS, LogWriter, ORIGIN } from './log.fixture.js';
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

/** Some 640 entries: frames of two ingesters, a gap record, two full tiles. */
export function exportedLog(): { writer: LogWriter; entries: Buffer[]; older: string; olderSize: number } {
  const writer = new LogWriter();
  const event = (n: number): string => `{"id":"${n}","source":"urn:${n % 3}"}`;
  const events = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => event(from + i));
  writer.block(writer.frame('a', events(0, 250)));
  const olderSize = writer.range.size;
  const older = writer.checkpoint();
  writer.frame('b', ['{"id":"lost"}']);
  writer.block(writer.gap('b', 1, 1), writer.frame('b', events(250, 130)));
  writer.block(writer.frame('a', [...events(380, 249), '"no object"']));
  const entries = writer.bodies.flatMap((body) => {
    const offsets = splitBundle(body);
    return Array.from({ length: offsets.count }, (_, i) =>
      Buffer.from(body.subarray(offsets.start(i), offsets.end(i))),
    );
  });
  return { writer, entries, older, olderSize };
}

export function memoryExport(selection: ExportSelection, log = exportedLog()): MemoryFiles {
  const { writer, entries } = log;
  const size = entries.length;
  const made = new MemoryFiles();
  const note = writer.checkpoint();
  const census = new EventCensus();
  const leaves = entries.map((entry) => leafHash(entry));
  if (selection.kind === 'query') writeEvents(made, log, leaves, note, census);
  else {
    writeTiles(made, leaves);
    const [from, to] =
      selection.kind === 'ledger' ? [0, bundlesOf(size)] : [selection.from / TILE_WIDTH, bundlesOf(selection.to)];
    for (let number = from; number < to; number++) {
      const width = bundleWidth(number, size);
      const some = entries.slice(number * TILE_WIDTH, number * TILE_WIDTH + width);
      made.files.set(entriesPath(number, width), encodeBundle(some));
      for (const [i, entry] of some.entries()) census.add(number * TILE_WIDTH + i, entry);
    }
  }
  if (selection.kind === 'range' && selection.from > 0) made.files.delete('tile/0/000');
  if (selection.kind === 'ledger') {
    made.files.set(keysFile(0), writer.genesis);
    made.files.set(checkpointFile(log.olderSize), Buffer.from(log.older));
  }
  made.files.set('checkpoint', Buffer.from(note));
  const completeness = {
    ledger: ORIGIN,
    size,
    root: writer.range.root(),
    made: '2026-01-31T09:30:00.000Z',
    selection,
    census: census.result(),
  };
  made.files.set('completeness.json', Buffer.from(formatCompleteness(completeness)));
  return made;
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
  { writer, entries }: ReturnType<typeof exportedLog>,
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
