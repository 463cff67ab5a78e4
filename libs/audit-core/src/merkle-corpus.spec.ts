import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { verifyConsistency } from './consistency.js';
import { verifyInclusion } from './inclusion.js';

/**
 * The proof corpus of transparency-dev/merkle (Apache-2.0), when it is beside the repository: 98 inclusion and 98
 * consistency cases. Where it is not, these tests show as skipped; vectors/merkle.json has the cases that matter most.
 */
const corpus = path.resolve(process.cwd(), '..', 'shared', 'vectors', 'merkle');
const whenPresent = existsSync(corpus) ? describe : describe.skip;

/** The only case where this library and the corpus differ, and why. */
const DIFFERENT = new Map([
  ['consistency/additional/sizes-are-equal-one-and-proof-is-empty.json', 'accepts roots of 12 bytes; a root has 32'],
]);

/** Three that a verifier written straight from the RFC gets wrong. */
const DELICATE = [
  'inclusion/single-entry/empty-root-and-leaf.json', // leaf and root of no bytes are equal, so they "verify"
  'consistency/additional/sizes-are-equal-zero-and-proof-is-empty.json', // size 0: equal roots say nothing
  'consistency/additional/size1-is-zero-and-size2-is-not-zero.json', // 0 to n: nothing to fold, nothing compared
];

type Inclusion = { leafIdx: number; treeSize: number; leafHash: string; root: string };
type Consistency = { size1: number; size2: number; root1: string; root2: string };
type Case = { proof: string[] | null; wantErr: boolean };

function filesOf(kind: string): string[] {
  if (!existsSync(corpus)) return [];
  return readdirSync(path.join(corpus, kind), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => path.join(kind, name));
}

function read<T>(file: string): T & Case {
  return JSON.parse(readFileSync(path.join(corpus, file), 'utf8')) as T & Case;
}

const unbase64 = (text: string): Buffer => Buffer.from(text, 'base64');

function inclusionHolds(file: string): boolean {
  const { leafIdx, treeSize, leafHash, proof, root } = read<Inclusion>(file);
  return verifyInclusion(leafIdx, treeSize, unbase64(leafHash), (proof ?? []).map(unbase64), unbase64(root));
}

function consistencyHolds(file: string): boolean {
  const { size1, size2, root1, root2, proof } = read<Consistency>(file);
  return verifyConsistency(size1, size2, (proof ?? []).map(unbase64), unbase64(root1), unbase64(root2));
}

whenPresent('corpus of transparency-dev/merkle', () => {
  it.each([
    ['inclusion', inclusionHolds],
    ['consistency', consistencyHolds],
  ] as const)('%s', (kind, holds) => {
    const files = filesOf(kind);
    expect(files).toHaveLength(98);
    for (const file of files) {
      const expected = !read(file).wantErr && !DIFFERENT.has(file);
      expect(`${file}: ${holds(file)}`).toBe(`${file}: ${expected}`);
    }
  });

  it('with the cases that need care', () => {
    for (const file of DELICATE) {
      expect(read(file).wantErr).toBe(true);
      expect(file.startsWith('inclusion') ? inclusionHolds(file) : consistencyHolds(file)).toBe(false);
    }
    for (const file of DIFFERENT.keys()) expect([read(file).wantErr, consistencyHolds(file)]).toEqual([false, false]);
  });
});
