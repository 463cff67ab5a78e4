import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { BodyRing } from './body-ring.js';

const body = (height: number, bytes = 100): Buffer => Buffer.alloc(bytes, height);

let folder: TemporaryFolder;
let ring: string;
beforeEach(() => {
  folder = temporaryFolder('ring');
  ring = path.join(folder.path, 'bodies');
});
afterEach(() => folder.remove());

async function keep(bodies: BodyRing, from: number, to: number): Promise<void> {
  for (let height = from; height < to; height++) await bodies.keep(height, body(height));
  bodies.sync();
}
const kept = (bodies: BodyRing, most: number): number[] =>
  Array.from({ length: most }, (_, height) => height).filter((height) => bodies.read(height) !== null);

describe('the body ring', () => {
  it('gives back what it keeps, byte for byte, after a restart as well', async () => {
    const bodies = new BodyRing(ring, 10_000);
    await keep(bodies, 0, 12);
    for (const reader of [bodies, new BodyRing(ring, 10_000)]) {
      for (let height = 0; height < 12; height++) expect(reader.read(height)?.equals(body(height))).toBe(true);
      expect(reader.read(12)).toBeNull();
    }
  });

  it('lets the oldest go when the bound is passed, and never the newest', async () => {
    const bodies = new BodyRing(ring, 550);
    await keep(bodies, 0, 9);
    expect(kept(bodies, 9)).toEqual([4, 5, 6, 7, 8]);
    await bodies.keep(9, body(9, 2_000)); // larger than the whole ring
    expect(kept(bodies, 10)).toEqual([9]);
    expect(readdirSync(ring)).toHaveLength(1);
  });

  it('counts what a former process kept against the bound, in order of height', async () => {
    await keep(new BodyRing(ring, 10_000), 8, 13); // 9 to 10 has another number of digits
    const restarted = new BodyRing(ring, 350);
    await restarted.keep(13, body(13));
    expect(kept(restarted, 14)).toEqual([11, 12, 13]);
  });

  it('keeps a height once: a block that is read again after a restart replaces its file', async () => {
    const bodies = new BodyRing(ring, 250);
    await bodies.keep(0, body(0));
    await bodies.keep(1, body(7));
    await bodies.keep(1, body(1));
    expect(kept(bodies, 2)).toEqual([0, 1]);
    expect(bodies.read(1)?.equals(body(1))).toBe(true);
  });

  it('takes no notice of what a crash left half written, or of files that are not its own', async () => {
    await keep(new BodyRing(ring, 10_000), 0, 2);
    writeFileSync(path.join(ring, `${'2'.padStart(16, '0')}.new`), 'half');
    writeFileSync(path.join(ring, 'README'), 'x');
    const restarted = new BodyRing(ring, 10_000);
    expect(kept(restarted, 4)).toEqual([0, 1]);
    await keep(restarted, 2, 3);
    expect(restarted.read(2)?.equals(body(2))).toBe(true);
  });

  it('does without a file that somebody took away', async () => {
    const bodies = new BodyRing(ring, 10_000);
    await keep(bodies, 0, 3);
    rmSync(path.join(ring, '1'.padStart(16, '0')));
    expect(kept(bodies, 3)).toEqual([0, 2]);
  });
});
