import {
  encodeEventEntry,
  eventPrefix,
  FrameTree,
  leafHash,
  formatFrameText,
  openFrame,
  signFrame,
  signNote,
  ZERO_HASH,
  type Frame,
} from '@everseal/audit-core';
import { at, CAST, castKeys, castOf, ORIGIN, OTHER_ORIGIN, type Label } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type Keys, type VectorFile } from '../vector-file.js';
import { noteCases, textCases, withLines } from './note-cases.js';

/** `keys`: labels of the ingest keys in force; `origin`: the ledger that is read. */
export type FrameInput = { note: Bytes; keys: Label[]; origin: string };

export function readFrame({ note, keys, origin }: FrameInput, keyOf: Keys): Frame {
  return openFrame(bytesOf(note), keys.map(keyOf), origin);
}

/** The three events of the frame that most files use. */
export const EVENTS = ['{"specversion":"1.0","id":"1","source":"/billing","type":"invoice.paid"}', '{"id":"2"}', '[]'];
export const ENTRIES = EVENTS.map((event) =>
  encodeEventEntry(eventPrefix(ORIGIN, 'billing', at(1)), Buffer.from(event)),
);
export const TREE = new FrameTree(ENTRIES.map((entry) => leafHash(entry)));

/** Ingester a's frame 1 with the three events above. */
export const FRAME: Frame = {
  origin: ORIGIN,
  ingester: 'a',
  number: 1,
  previous: ZERO_HASH,
  count: 3,
  root: TREE.root,
  accepted: at(1),
};
export const FRAME_NOTE = signFrame(FRAME, CAST.a);

const SECOND: Frame = { ...FRAME, number: 2, previous: leafHash(Buffer.from(FRAME_NOTE)), count: 512, accepted: at(2) };
const LARGEST: Frame = { ...SECOND, number: Number.MAX_SAFE_INTEGER, accepted: '9999-12-31T23:59:59.999Z' };
const IN_FORCE: Label[] = ['a', 'b'];

export function frameVectors(): VectorFile<FrameInput> {
  const text = formatFrameText(FRAME);
  const good = (name: string, note: string, keys: Label[] = IN_FORCE): Case<FrameInput> =>
    valid(name, { note, keys, origin: ORIGIN }, () => readFrame({ note, keys, origin: ORIGIN }, castKeys));
  const bad = (name: string, note: string, code: string, reason: string, given: Partial<FrameInput> = {}) =>
    invalid<FrameInput>(name, { note, keys: IN_FORCE, origin: ORIGIN, ...given }, code, reason);
  return {
    format: 'frame',
    specification: 'formats.md, "Frame"; C2SP signed-note',
    how: 'Open `note` as a frame entry of ledger `origin` while the ingest keys `keys` are in force.',
    keys: castOf('a', 'a-2', 'b', 'stranger', 'op2', 'v1'),
    cases: [
      good('the first frame', FRAME_NOTE),
      good('a later frame with the most events', signFrame(SECOND, CAST.a)),
      good('the largest number and time', signFrame(LARGEST, CAST.a)),
      good('with the second key while the ingester rotates', signFrame(FRAME, CAST['a-2']), ['a', 'a-2', 'b']),
      bad(
        "ingester b's key on a's frame",
        signNote(text, [CAST.b]),
        'note.line-key',
        'b is in force, but a frame is signed by the ingester that it names',
      ),
      bad('by a key no longer in force', FRAME_NOTE, 'note.line-key', 'the key was dropped', { keys: ['a-2', 'b'] }),
      bad(
        'a frame of another ledger',
        signNote(withLines(text, { 2: OTHER_ORIGIN }), [CAST.a]),
        'frame.ledger',
        'an ingester signs for all its ledgers with one key: the origin line decides',
      ),
      ...[...noteCases(text, [CAST.a], 'frame.lines'), ...textCases(text, [CAST.a], TEXT_CASES)].map((vector) => ({
        ...vector,
        keys: IN_FORCE,
        origin: ORIGIN,
      })),
    ],
  };
}

const HASH = ZERO_HASH.toString('base64');
const TEXT_CASES: Parameters<typeof textCases>[2] = [
  ['another kind', { 1: 'everseal/block/v1' }, 'frame.kind', 'a frame says so in its first line'],
  ['a later version', { 1: 'everseal/frame/v2' }, 'frame.kind', 'an unknown version is an unknown kind'],
  ['a line missing', { 8: null }, 'frame.lines', 'every line is there'],
  ['a line more', { 8: `${FRAME.accepted}\nmore` }, 'frame.lines', 'nothing stands after the last line'],
  ['an empty line at the end', { 8: `${FRAME.accepted}\n` }, 'frame.lines', 'nothing stands after the last line'],
  ['origin without a ledger', { 2: 'audit.example.com' }, 'frame.origin', 'an origin is <domain>/<ledger>'],
  ['origin in upper case', { 2: 'Audit.example.com/main' }, 'frame.origin', 'names are lower-case'],
  ['ingester with a space', { 3: 'a ' }, 'frame.ingester', 'names are a-z, 0-9 and hyphens'],
  ['ingester empty', { 3: '' }, 'frame.ingester', 'a name has at least one character'],
  ['number 0', { 4: '0' }, 'frame.number', 'frames are numbered from 1'],
  ['number with a leading zero', { 4: '01' }, 'frame.number', 'one spelling per number'],
  ['number with a sign', { 4: '+1' }, 'frame.number', 'one spelling per number'],
  ['number in hexadecimal', { 4: '0x1' }, 'frame.number', 'decimal only'],
  [
    'number 2^53',
    { 4: '9007199254740992', 5: FRAME.root.toString('base64') },
    'frame.number',
    'numbers are below 2^53',
  ],
  [
    'first frame with a frame before it',
    { 5: FRAME.root.toString('base64') },
    'frame.previous',
    'frame 1 has 32 zero bytes there',
  ],
  ['second frame with none before it', { 4: '2' }, 'frame.previous', '32 zero bytes stand in frame 1 only'],
  ['previous without padding', { 5: HASH.slice(0, -1) }, 'frame.previous', 'base64 is padded'],
  ['previous of 31 bytes', { 5: Buffer.alloc(31).toString('base64') }, 'frame.previous', 'a hash has 32 bytes'],
  ['count 0', { 6: '0' }, 'frame.count', 'a frame holds at least one event'],
  ['count 513', { 6: '513' }, 'frame.count', 'a frame holds at most 512 events'],
  [
    'root not canonical',
    { 7: `${HASH.slice(0, -2)}B=` },
    'frame.root',
    'the last character has bits that belong to no byte',
  ],
  ['time without milliseconds', { 8: '2026-01-31T09:00:01Z' }, 'frame.accepted', 'three decimals'],
  ['time with an offset', { 8: '2026-01-31T10:00:01.000+01:00' }, 'frame.accepted', 'UTC, written Z'],
  ['a day that is not in the calendar', { 8: '2026-02-29T09:00:01.000Z' }, 'frame.accepted', '2026 is no leap year'],
  ['a leap second', { 8: '2016-12-31T23:59:60.000Z' }, 'frame.accepted', 'seconds go to 59'],
  ['year 0000', { 8: '0000-01-01T00:00:00.000Z' }, 'frame.accepted', 'years are 0001 to 9999'],
];
