import {
  checkFrameMessage,
  encodeEventEntry,
  encodeFrameMessage,
  eventPrefix,
  leafHash,
  openFrame,
  parseFrameMessage,
  signFrame,
  treeRoot,
  ZERO_HASH,
  type Frame,
} from '@everseal/audit-core';
import { at, CAST, castKeys, castOf, ORIGIN, OTHER_ORIGIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type Keys, type VectorFile } from '../vector-file.js';
import { ENTRIES, FRAME, FRAME_NOTE } from './frame.js';
import { GENESIS_NOTE } from './key-set.js';

/** Ingest key `a` is in force; the ledger is `audit.example.com/main`. */
export type FrameMessageInput = { message: Bytes };

/** Reads a message as the sealer does: parts, note, events. */
export function readMessage(input: FrameMessageInput, keyOf: Keys): unknown {
  const message = parseFrameMessage(bytesOf(input.message));
  const frame = openFrame(message.note, [keyOf('a')], ORIGIN);
  const leaves = checkFrameMessage(frame, message);
  const { count } = message.entries;
  const entries = Array.from({ length: count }, (_, i) =>
    message.bytes.subarray(message.entries.start(i), message.entries.end(i)),
  );
  return { frame, noteHash: leafHash(message.note), entries, leaves };
}

const NOTE = Buffer.from(FRAME_NOTE);
const MESSAGE = encodeFrameMessage(NOTE, ENTRIES);

/** A frame over any entries, signed by its ingester. */
function frameOver(entries: readonly Buffer[], changed: Partial<Frame> = {}): Buffer {
  const root = treeRoot(entries.map((entry) => leafHash(entry)));
  return Buffer.from(signFrame({ ...FRAME, count: entries.length, root, ...changed }, CAST.a));
}

function hex(...parts: Uint8Array[]): Bytes {
  return [{ hex: Buffer.concat(parts).toString('hex') }];
}

export function frameMessageVectors(): VectorFile<FrameMessageInput> {
  const good = (name: string, message: Bytes): Case<FrameMessageInput> =>
    valid(name, { message }, () => readMessage({ message }, castKeys));
  const digest = Buffer.from(
    eventPrefix(ORIGIN, 'orders', at(1))
      .toString()
      .replace('"event":', `"digest":"${ZERO_HASH.toString('base64')}"}`),
  );
  return {
    format: 'frame-message',
    specification: 'formats.md, "Frame" (frame message); C2SP tlog-tiles for the part after the note',
    how: `Take \`message\` apart, open its note as a frame of ${ORIGIN} with ingest key \`a\` in force, and check that the entries are the events of that frame.`,
    keys: castOf('a'),
    cases: [
      good('three events of one producer', hex(MESSAGE)),
      good('events of two producers, one erased to its digest', hex(messageOver([ENTRIES[0] as Buffer, digest]))),
      good(
        'one event that is not JSON',
        hex(messageOver([encodeEventEntry(eventPrefix(ORIGIN, 'orders', at(1)), Buffer.of(0xff))])),
      ),
      ...brokenMessages(),
      ...brokenEvents(),
    ],
  };
}

function messageOver(entries: readonly Buffer[], changed: Partial<Frame> = {}): Buffer {
  return encodeFrameMessage(frameOver(entries, changed), entries);
}

/** Bytes that are no frame message. */
function brokenMessages(): Case<FrameMessageInput>[] {
  const bad = (name: string, message: Bytes, code: string, reason: string): Case<FrameMessageInput> =>
    invalid(name, { message }, `frame-message.${code}`, reason);
  const u32 = (n: number): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(n);
    return length;
  };
  return [
    bad('nothing', '', 'truncated', 'the length of the note is missing'),
    bad('three bytes', [{ hex: '000001' }], 'truncated', 'the length of the note has four'),
    bad('a note of no bytes', hex(u32(0), MESSAGE.subarray(4)), 'note-size', 'a note has at least one byte'),
    bad(
      'a note of 65,536 bytes',
      hex(u32(65_536), MESSAGE.subarray(4)),
      'note-size',
      'an entry has at most 65,535 bytes',
    ),
    bad(
      'a note of 4 GiB',
      hex(u32(0xffff_ffff), MESSAGE.subarray(4)),
      'note-size',
      'an entry has at most 65,535 bytes',
    ),
    bad(
      'a length in little-endian',
      hex(u32(NOTE.length).toReversed(), MESSAGE.subarray(4)),
      'note-size',
      'big-endian',
    ),
    bad(
      'a note longer than the message',
      hex(u32(MESSAGE.length - 3), MESSAGE.subarray(4)),
      'truncated',
      'the note goes beyond the end',
    ),
    bad('the note alone', hex(u32(NOTE.length), NOTE), 'count', 'a frame has at least one event'),
    bad('the last byte cut off', hex(MESSAGE.subarray(0, -1)), 'truncated', 'the last event goes beyond the end'),
    bad('one byte left over', hex(MESSAGE, Buffer.alloc(1)), 'truncated', 'nothing stands after the last event'),
    bad(
      '513 events',
      [{ hex: MESSAGE.subarray(0, 4 + NOTE.length).toString('hex') }, { hex: '0000', times: 513 }],
      'count',
      'a frame has at most 512',
    ),
    bad('786,433 bytes', [{ hex: '00', times: 786_433 }], 'size', 'a frame message has at most 786,432'),
  ];
}

/** Messages whose events are not those of their frame. */
function brokenEvents(): Case<FrameMessageInput>[] {
  const [one, two, three] = ENTRIES as [Buffer, Buffer, Buffer];
  const bad = (name: string, message: Buffer, code: string, reason: string): Case<FrameMessageInput> =>
    invalid(name, { message: hex(message) }, code, reason);
  const other = (origin: string, accepted: string): Buffer =>
    encodeEventEntry(eventPrefix(origin, 'billing', accepted), Buffer.from('{}'));
  const genuineNote = Buffer.from(GENESIS_NOTE);
  return [
    bad(
      'two events swapped',
      encodeFrameMessage(NOTE, [two, one, three]),
      'frame.entry-root',
      'the root fixes the order',
    ),
    bad('an event missing', encodeFrameMessage(NOTE, [one, two]), 'frame.entry-count', 'the frame says 3'),
    bad('an event more', encodeFrameMessage(NOTE, [one, two, three, three]), 'frame.entry-count', 'the frame says 3'),
    bad(
      'the last event twice, count right',
      encodeFrameMessage(NOTE, [one, two, two]),
      'frame.entry-root',
      'other leaves',
    ),
    bad(
      'an event empty after the last',
      Buffer.concat([MESSAGE, Buffer.alloc(2)]),
      'frame.entry-count',
      'the frame says 3, an empty entry is one more',
    ),
    bad(
      'an old genuine key set as an event',
      messageOver([genuineNote]),
      'event-entry.envelope',
      'signed by the ingester, but no event: the frame is invalid as a whole',
    ),
    bad(
      'a frame note as an event',
      messageOver([one, NOTE]),
      'event-entry.envelope',
      'a note in the place of an event is no event',
    ),
    bad(
      'an empty entry as an event',
      messageOver([one, Buffer.alloc(0)]),
      'event-entry.envelope',
      'an entry is its whole envelope',
    ),
    bad(
      'an event of another ledger',
      messageOver([one, other(OTHER_ORIGIN, at(1))]),
      'frame.entry-origin',
      'its ledger is not the frame’s',
    ),
    bad(
      'an event of another time',
      messageOver([one, other(ORIGIN, at(2))]),
      'frame.entry-accepted',
      'its time is not the frame’s',
    ),
    invalid('an event too large', { message: tooLarge() }, 'event-entry.event-size', 'at most 61,440 bytes'),
  ];
}

/** A message of one event of 61,441 letters x, which are written as a repetition. */
function tooLarge(): Bytes {
  const entry = Buffer.concat([eventPrefix(ORIGIN, 'billing', at(1)), Buffer.alloc(61_441, 'x'), Buffer.from('}')]);
  const message = messageOver([entry]);
  return [{ hex: message.subarray(0, -61_442).toString('hex') }, { text: 'x', times: 61_441 }, { text: '}' }];
}
