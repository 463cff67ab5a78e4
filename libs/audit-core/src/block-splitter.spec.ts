import { describe, expect, it } from '@jest/globals';
import { BlockSplitter } from './block-splitter.js';
import { splitBundle } from './entry-bundle.js';
import { FormatError } from './format-error.js';
import { MAX_BLOCK_BYTES } from './limits.js';
import { LogWriter } from './log.fixture.js';

function entriesOf(body: Buffer): Buffer[] {
  const offsets = splitBundle(body);
  return Array.from({ length: offsets.count }, (_, i) => body.subarray(offsets.start(i), offsets.end(i)));
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
  return 'none';
}

describe('finding blocks in a flat list of entries', () => {
  it('gives every body back byte for byte, wherever it is begun', () => {
    const writer = new LogWriter();
    writer.block(writer.frame('a', ['{"n":1}', '{"n":2}']), writer.frame('b', ['{"n":3}']));
    writer.block();
    writer.frame('b', ['{"lost":1}']);
    writer.block(writer.gap('b', 2, 2), writer.frame('b', ['{"n":4}']));
    writer.block(writer.frame('a', ['{"n":5}']));
    let first = 0;
    for (let height = 0; height < writer.bodies.length; height++) {
      const splitter = new BlockSplitter(first);
      const found: Buffer[] = [];
      for (const entry of writer.bodies.slice(height).flatMap(entriesOf)) {
        const body = splitter.push(entry);
        if (body) found.push(body);
        expect(splitter.isInside).toBe(body === null);
      }
      expect(found).toEqual(writer.bodies.slice(height));
      expect(splitter.next).toBe(writer.range.size);
      first += entriesOf(writer.bodies[height]!).length;
    }
  });

  it('goes by place: an event that is a genuine block note ends nothing', () => {
    const writer = new LogWriter();
    const note = entriesOf(writer.block()).at(-1)!;
    const body = writer.block(writer.rawFrame('a', [note, note]));
    const splitter = new BlockSplitter(writer.range.size);
    const entries = entriesOf(body);
    for (const entry of entries.slice(0, -1)) expect(splitter.push(entry)).toBeNull();
    expect(splitter.push(entries.at(-1)!)).toEqual(body);
  });

  it('refuses what cannot stand there, and stops within the bounds of a block', () => {
    const splitter = new BlockSplitter(7);
    expect(codeOf(() => splitter.push(Buffer.from('{"an":"event"}')))).toBe('entry.kind');
    expect(codeOf(() => new BlockSplitter(0).push(Buffer.from('everseal/frame/v1\nand no more\n')))).toMatch(
      /^(note|frame)\./,
    );
    const writer = new LogWriter();
    const endless = new BlockSplitter(0);
    const gap = writer.gap('a', 1, 1);
    const most = Math.ceil(MAX_BLOCK_BYTES / gap.length) + 1;
    expect(codeOf(() => Array.from({ length: most }, () => endless.push(gap)))).toBe('block.size');
    expect(endless.next).toBeLessThanOrEqual(16_385);
  });
});
