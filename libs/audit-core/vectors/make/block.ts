import { formatBlockText, leafHash, openBlock, signBlock, treeRoot, ZERO_HASH, type Block } from '@everseal/audit-core';
import { at, CAST, castKeys, castOf, ORIGIN } from '../cast.js';
import { bytesOf, invalid, valid, type Case, type Keys, type VectorFile } from '../vector-file.js';
import { ENTRIES, FRAME_NOTE } from './frame.js';
import type { LogRecordInput } from './gap.js';
import { GENESIS_NOTE } from './key-set.js';
import { noteCases, textCases } from './note-cases.js';

const FIRST: Block = {
  origin: ORIGIN,
  height: 0,
  previous: ZERO_HASH,
  first: 0,
  entries: 1,
  root: leafHash(Buffer.from(GENESIS_NOTE)),
  sealed: at(0),
};
const FIRST_NOTE = signBlock(FIRST, CAST.log);

/** Entries 0 to 5 of the small log that the files have in common: key set, block 0, frame 1 of a, its three events. */
const LEAVES = [GENESIS_NOTE, FIRST_NOTE, FRAME_NOTE, ...ENTRIES].map((entry) => leafHash(Buffer.from(entry)));

/** The block after the first, over the frame and its events. */
export const BLOCK: Block = {
  origin: ORIGIN,
  height: 1,
  previous: leafHash(Buffer.from(FIRST_NOTE)),
  first: 2,
  entries: 4,
  root: treeRoot(LEAVES),
  sealed: at(2),
};

/** Leaf hashes of the small log, entries 0 to 6. */
export const LOG_LEAVES = [...LEAVES, leafHash(Buffer.from(signBlock(BLOCK, CAST.log)))];

export function readBlock({ note, log }: LogRecordInput, keyOf: Keys): Block {
  return openBlock(bytesOf(note), [keyOf(log)]);
}

export function blockVectors(): VectorFile<LogRecordInput> {
  const text = formatBlockText(BLOCK);
  const good = (name: string, block: Block): Case<LogRecordInput> => {
    const note = signBlock(block, CAST.log);
    return valid(name, { note, log: 'log' }, () => readBlock({ note, log: 'log' }, castKeys));
  };
  return {
    format: 'block',
    specification: 'formats.md, "Block"; C2SP signed-note',
    how: 'Open `note` as a block entry while `log` is the log key in force.',
    keys: castOf('log', 'log-2', 'stranger', 'op2', 'v1'),
    cases: [
      good('block 0', FIRST),
      good('block 1', BLOCK),
      good('a heartbeat block', { ...BLOCK, entries: 0 }),
      good('the largest block', { ...BLOCK, entries: 16_384 }),
      good('at the largest index', { ...BLOCK, first: Number.MAX_SAFE_INTEGER - 5 }),
      invalid(
        'by the log key before a rotation',
        { note: signBlock(BLOCK, CAST.log), log: 'log-2' },
        'note.line-key',
        'the log key in force is another',
      ),
      ...[...noteCases(text, [CAST.log], 'block.lines'), ...textCases(text, [CAST.log], TEXT_CASES)].map((vector) => ({
        ...vector,
        log: 'log' as const,
      })),
    ],
  };
}

const ZERO = ZERO_HASH.toString('base64');
const TEXT_CASES: Parameters<typeof textCases>[2] = [
  ['another kind', { 1: 'everseal/frame/v1' }, 'block.kind', 'a block says so in its first line'],
  ['a line missing', { 8: null }, 'block.lines', 'every line is there'],
  ['a line more', { 8: `${BLOCK.sealed}\n${BLOCK.sealed}` }, 'block.lines', 'nothing stands after the last line'],
  ['origin with a port', { 2: 'audit.example.com:443/main' }, 'block.origin', 'an origin is <domain>/<ledger>'],
  ['height negative', { 3: '-1' }, 'block.height', 'numbers have no sign'],
  ['height 0 with a block before it', { 3: '0', 5: '0' }, 'block.previous', 'block 0 has 32 zero bytes there'],
  ['height 1 with none before it', { 4: ZERO }, 'block.previous', '32 zero bytes stand in block 0 only'],
  ['previous of 33 bytes', { 4: Buffer.alloc(33, 1).toString('base64') }, 'block.previous', 'a hash has 32 bytes'],
  ['height 0 that starts later', { 3: '0', 4: ZERO, 5: '2' }, 'block.first', 'block 0 starts at entry 0'],
  ['height 1 that starts at 0', { 5: '0' }, 'block.first', 'only block 0 starts at entry 0'],
  ['first with a decimal point', { 5: '2.0' }, 'block.first', 'one spelling per number'],
  ['entries 16,385', { 6: '16385' }, 'block.entries', 'readers accept blocks of at most 16,384 entries'],
  ['beyond the largest index', { 5: '9007199254740987' }, 'block.entries', 'indexes and sizes are below 2^53'],
  ['root of hexadecimal', { 7: BLOCK.root.toString('hex') }, 'block.root', 'hashes are base64'],
  ['time with a space', { 8: BLOCK.sealed.replace('T', ' ') }, 'block.sealed', 'one spelling per time'],
];
