import { describe, expect, it } from '@jest/globals';
import type { AnnouncedHead } from './announcement.js';
import { leafHash } from './hash.js';
import { proveInclusion } from './inclusion.js';
import { LogReplay } from './log-replay.js';
import { splitBundle } from './entry-bundle.js';
import { LogWriter, ORIGIN } from './log.fixture.js';
import { successorOf, type Restore } from './restore.js';
import { formatSurvivingHeads, parseSurvivingHeads, survivingHead } from './surviving-heads.js';

/** A log in which b owes frame 1, and the record that closes it there. */
function closedLog(): { replay: LogReplay; restore: Restore; heads: AnnouncedHead[] } {
  const writer = new LogWriter();
  writer.block(writer.frame('a', ['{}', '{}']), writer.frame('a', ['{}']));
  writer.frame('b', ['{"lost":1}']);
  writer.block(writer.gap('b', 1, 1), writer.frame('b', ['{}']));
  const replay = LogReplay.empty(writer.trust);
  for (const body of writer.bodies) expect(replay.read(Buffer.from(body)).ok).toBe(true);
  const entries = writer.bodies.flatMap((body) => {
    const offsets = splitBundle(body);
    return Array.from({ length: offsets.count }, (_, i) => body.subarray(offsets.start(i), offsets.end(i)));
  });
  const leaves = entries.map((entry) => leafHash(entry));
  const heads = [...replay.heads].map(([ingester, { number, index }]) => {
    const note = String(entries[index]);
    return { ingester, number, index, proof: proveInclusion(index, leaves), note, debts: replay.debtsOf(ingester) };
  });
  const surviving = { size: replay.size, root: replay.root };
  const checkpoint = { size: 100, root: leafHash(Buffer.from('lost')) };
  const restore = { origin: successorOf(ORIGIN), closed: ORIGIN, checkpoint, surviving, reason: 'a spec', time: '' };
  return { replay, restore, heads };
}

describe('surviving heads', () => {
  const { replay, restore, heads } = closedLog();

  it('say, proven, which frames of each ingester survive', () => {
    const read = parseSurvivingHeads(formatSurvivingHeads(heads));
    expect(read).toEqual(heads);
    for (const [ingester, { number, hash }] of replay.heads) {
      const debts = ingester === 'b' ? [[1, 1]] : [];
      expect(survivingHead(restore, read, ingester)).toEqual({ number, hash, debts });
    }
    expect(survivingHead(restore, read, 'c')).toBeNull();
  });

  it('are refused without their note, with that of another frame, or where they are not in what survives', () => {
    const [a, b] = heads as [AnnouncedHead, AnnouncedHead];
    const judge = (head: AnnouncedHead, record = restore): unknown => survivingHead(record, [head], 'a');
    for (const bad of [
      { ...a, note: undefined },
      { ...a, note: b.note },
      { ...a, number: a.number + 1 },
    ]) {
      expect(() => judge(bad)).toThrow(expect.objectContaining({ code: 'surviving-heads.note' }));
    }
    const other = { ...restore, closed: 'audit.example.com/other' };
    expect(() => judge(a, other)).toThrow(expect.objectContaining({ code: 'surviving-heads.note' }));
    const less = { ...restore, surviving: { size: a.index, root: restore.surviving.root } };
    for (const [head, record] of [
      [{ ...a, index: a.index + 1 }, restore],
      [{ ...a, proof: a.proof.slice(1) }, restore],
      [a, less],
      [a, { ...restore, surviving: restore.checkpoint }],
    ] as const) {
      expect(() => judge(head, record)).toThrow(expect.objectContaining({ code: 'surviving-heads.inclusion' }));
    }
  });

  it('are one JSON object that names an ingester once', () => {
    const [a] = heads as [AnnouncedHead];
    expect(parseSurvivingHeads(formatSurvivingHeads([]))).toEqual([]);
    expect(() => formatSurvivingHeads([a, a])).toThrow(expect.objectContaining({ code: 'surviving-heads.heads' }));
    expect(() => parseSurvivingHeads(Buffer.from('[]'))).toThrow(
      expect.objectContaining({ code: 'surviving-heads.json' }),
    );
  });
});
