import { describe, expect, it } from '@jest/globals';
import { CompactRange } from './compact-range.js';
import { splitBundle } from './entry-bundle.js';
import { leafHash, ZERO_HASH } from './hash.js';
import { LogReplay, type ReplayedBlock } from './log-replay.js';
import { LogWriter } from './log.fixture.js';
import { TILE_WIDTH } from './tile.js';

/** More than a full tile of level 0, in blocks of 50 events, one with a gap record. */
function longLog(): LogWriter {
  const writer = new LogWriter();
  for (let block = 0; block < 8; block++) {
    const events = Array.from({ length: 50 }, (_, n) => `{"n":${n}}`);
    if (block === 4) writer.frame('b', ['{"lost":1}']);
    const gap = block === 4 ? [writer.gap('b', 1, 1), writer.frame('b', ['{}'])] : [];
    writer.block(writer.frame('a', events), ...gap);
  }
  return writer;
}

function replayed(writer: LogWriter, replay = LogReplay.empty(writer.trust), from = 0): ReplayedBlock[] {
  return writer.bodies.slice(from).map((body) => {
    const result = replay.read(body);
    if (!result.ok) throw new Error(result.finding.detail);
    return result.block;
  });
}

describe('replaying a log', () => {
  it('says of each block what the tables say: places, hashes, frames, gaps, tiles, the head behind it', () => {
    const writer = longLog();
    const blocks = replayed(writer);
    const leaves = writer.bodies.flatMap((body) => {
      const offsets = splitBundle(body);
      return Array.from({ length: offsets.count }, (_, i) => leafHash(body.subarray(offsets.start(i), offsets.end(i))));
    });
    const range = CompactRange.empty();
    let at = 0;
    for (const [height, block] of blocks.entries()) {
      expect(block).toMatchObject({ height, first: at, next: at + block.entries + 1, keysIndex: 0 });
      expect(block.previous).toEqual(height === 0 ? null : blocks[height - 1]!.hash);
      expect(block.hash).toEqual(leaves[block.next - 1]);
      for (; at < block.next; at++) range.append(leaves[at]!);
      expect(block.frontier).toEqual(range.hashes());
      for (const { hash, position } of block.frames) expect(hash).toEqual(leaves[position]);
    }
    expect(blocks.flatMap(({ frames }) => frames.map(({ ingester, number }) => `${ingester}${number}`))).toEqual([
      'a1',
      'a2',
      'a3',
      'a4',
      'a5',
      'b2',
      'a6',
      'a7',
      'a8',
    ]);
    const gaps = blocks.flatMap((block) => block.gaps);
    expect(gaps).toMatchObject([{ ingester: 'b', first: 1, last: 1, cause: 'lost' }]);
    const tiles = blocks.flatMap((block) => block.tiles);
    expect(tiles.map(({ level, number }) => [level, number])).toEqual([[0, 0]]);
    expect(tiles[0]!.data).toEqual(Buffer.concat(leaves.slice(0, TILE_WIDTH)));
  });

  it('goes on from a copy as the original does, and leaves the original where it was', () => {
    const writer = longLog();
    const whole = replayed(writer);
    const replay = LogReplay.empty(writer.trust);
    for (const body of writer.bodies.slice(0, 3)) replay.read(body);
    const copy = replay.clone();
    expect(replayed(writer, copy, 3)).toEqual(whole.slice(3));
    expect(replay.height).toBe(3);
    expect(replayed(writer, replay, 3)).toEqual(whole.slice(3));
  });

  it('stays where it is when a block is not good', () => {
    const writer = longLog();
    const replay = LogReplay.empty(writer.trust);
    expect(replay.read(writer.bodies[1]!)).toMatchObject({ ok: false });
    const bad = Buffer.from(writer.bodies[0]!);
    bad[bad.length - 700]! ^= 1;
    expect(replay.read(bad)).toMatchObject({ ok: false, finding: { height: 0 } });
    expect([replay.size, replay.height, replay.keySet]).toEqual([0, 0, null]);
    const [first] = replayed(writer, replay);
    expect(first!.previous).toBeNull();
    expect(first!.hash).not.toEqual(ZERO_HASH);
  });
});
