import { describe, expect, it } from '@jest/globals';
import {
  BLOCK_CUT_ENTRIES,
  encodeBundle,
  formatTimestamp,
  leafHash,
  LogState,
  TileBuilder,
  treeRoot,
  ZERO_HASH,
  type FullTile,
  type Hash,
} from '@everseal/audit-core';
import { KEYS, LogWriter, ORIGIN, type MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { checkedOf } from './checked-frames.fixture.js';
import { OpenBlock, type CutBlock } from './open-block.js';

/** Seals frames block by block as the sealer does; `blocks` says which frames go into which block. */
function sealAll(log: LogWriter, blocks: readonly (readonly MadeFrame[])[]): { cuts: CutBlock[]; told: FullTile[] } {
  const tree = TileBuilder.empty();
  const told: FullTile[] = [];
  let previous: Hash = ZERO_HASH;
  const cuts = blocks.map((frames, height) => {
    const open = new OpenBlock({ origin: ORIGIN, height, previous }, tree, (tiles) => told.push(...tiles));
    if (height === 0) expect(open.addNote(log.genesis)).toBe(0);
    for (const made of frames) open.addFrame(checkedOf(made, 7));
    const cut = open.cut(formatTimestamp(Date.UTC(2026, 0, 2) + height), KEYS.log);
    previous = cut.hash;
    return cut;
  });
  return { cuts, told };
}

const events = (count: number): string[] => Array.from({ length: count }, (_, i) => `{"n":${i}}`);

describe('an open block', () => {
  it('has a body that is the entry bundle of its parts, and reads back through LogState', () => {
    const log = new LogWriter();
    const blocks = [
      [],
      [log.frame('a', events(3)), log.frame('b', events(1))],
      [log.frame('a', events(300))],
      [],
      [log.frame('b', events(512)), log.frame('a', events(2)), log.frame('b', events(1))],
    ];
    const { cuts } = sealAll(log, blocks);
    const state = LogState.empty(log.trust);
    const leaves: Hash[] = [];
    for (const [height, cut] of cuts.entries()) {
      const parts = blocks[height]!.flatMap(({ note, entries }) => [note, ...entries]);
      if (height === 0) parts.unshift(log.genesis);
      const bundle = encodeBundle(parts);
      expect(cut.body.subarray(0, bundle.length).equals(bundle)).toBe(true);

      const read = state.readBlock(cut.body);
      expect(read).toMatchObject({ ok: true, block: cut.block, hash: cut.hash });
      if (!read.ok) return;
      leaves.push(...read.leaves);
      expect(cut.size).toBe(leaves.length);
      expect(cut.root).toEqual(treeRoot(leaves));
      expect(cut.frontier).toEqual(state.frontier().hashes());
      const placed = read.frames.map(({ frame, hash, index }) => ({
        ingester: frame.ingester,
        number: frame.number,
        hash,
        position: index,
        sequence: 7,
      }));
      expect(cut.frames).toEqual(placed);
      expect(cut.block.entries).toBe(parts.length);
    }
  });

  it('hands out every tile that it fills, at once and with the block that filled it', () => {
    const log = new LogWriter();
    const { cuts, told } = sealAll(log, [[], ...[512, 100, 300, 500].map((count) => [log.frame('a', events(count))])]);
    const whole = TileBuilder.empty();
    const state = LogState.empty(log.trust);
    for (const { body, tiles } of cuts) {
      const read = state.readBlock(body);
      const full = read.ok ? read.leaves.flatMap((leaf) => [...whole.append(leaf)]) : [];
      expect(tiles).toEqual(full);
    }
    expect(told).toEqual(cuts.flatMap(({ tiles }) => tiles));
    expect(told.length).toBe(Math.floor(whole.size / 256));
  });

  it('tells of a tile before the block is cut: a proof over an older checkpoint may need it', () => {
    const log = new LogWriter();
    const tree = TileBuilder.empty();
    const told: FullTile[] = [];
    const open = new OpenBlock({ origin: ORIGIN, height: 0, previous: ZERO_HASH }, tree, (tiles) =>
      told.push(...tiles),
    );
    open.addNote(log.genesis);
    const made = log.frame('a', events(512));
    open.addFrame(checkedOf(made));
    const leaves = [log.genesis, made.note, ...made.entries].map((entry) => leafHash(entry));
    expect(told.map(({ level, number }) => [level, number])).toEqual([
      [0, 0],
      [0, 1],
    ]);
    expect(told[0]!.data.equals(Buffer.concat(leaves.slice(0, 256)))).toBe(true);
    expect(told[0]!.root).toEqual(treeRoot(leaves.slice(0, 256)));
  });

  it('is full once it holds so many entries, not before', () => {
    const log = new LogWriter();
    const open = new OpenBlock(
      { origin: ORIGIN, height: 1, previous: ZERO_HASH },
      TileBuilder.empty(),
      () => undefined,
    );
    expect([open.entries, open.full]).toEqual([0, false]);
    const each = 511; // with the note 512 entries a frame
    for (let entries = 512; entries <= BLOCK_CUT_ENTRIES; entries += 512) {
      open.addFrame(checkedOf(log.frame('a', events(each))));
      expect([open.entries, open.full]).toEqual([entries, entries === BLOCK_CUT_ENTRIES]);
    }
  });

  it('is full once it holds so many bytes', () => {
    const log = new LogWriter();
    const open = new OpenBlock(
      { origin: ORIGIN, height: 1, previous: ZERO_HASH },
      TileBuilder.empty(),
      () => undefined,
    );
    const large = [`{"s":"${'x'.repeat(60_000)}"}`];
    let frames = 0;
    for (; !open.full; frames++) open.addFrame(checkedOf(log.frame('a', large)));
    expect(frames).toBe(Math.ceil((4 * 1024 * 1024) / checkedOf(log.frame('b', large)).events.length));
  });
});
