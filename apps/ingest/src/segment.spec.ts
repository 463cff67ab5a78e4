import { crc32 } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  encodeRecordHeader,
  encodeSegmentHeader,
  RECORD_HEADER,
  scanSegment,
  SEGMENT_HEADER,
  SegmentDamaged,
} from './segment.js';

const SIZE = 4_096;

/** A segment with these messages, as it is after the appends. */
function segmentOf(messages: Buffer[], size = SIZE): { file: Buffer; ends: number[] } {
  const file = Buffer.alloc(size);
  encodeSegmentHeader(size).copy(file);
  let at = SEGMENT_HEADER;
  const ends = [at];
  for (const message of messages) {
    encodeRecordHeader(message).copy(file, at);
    message.copy(file, at + RECORD_HEADER);
    at += RECORD_HEADER + message.length;
    ends.push(at);
  }
  return { file, ends };
}

function read(file: Buffer): { messages: string[]; end: number; torn: boolean } {
  const messages: string[] = [];
  const { end, torn } = scanSegment(file, (message) => messages.push(message.toString()));
  return { messages, end, torn };
}

const text = (n: number): Buffer => Buffer.from(`{"n":${n},"pad":"${'y'.repeat(700 + n)}"}`);
const three = [text(1), text(2), text(3)];

describe('a segment', () => {
  it('gives back what was written, and where the next record goes', () => {
    const { file, ends } = segmentOf(three);
    expect(read(file)).toEqual({ messages: three.map(String), end: ends[3], torn: false });
    expect(read(segmentOf([]).file)).toEqual({ messages: [], end: SEGMENT_HEADER, torn: false });
  });

  it('cuts the last record wherever its write was interrupted, and nothing else', () => {
    const { file, ends } = segmentOf(three);
    const start = ends[2] as number;
    for (let cut = start; cut < (ends[3] as number); cut += 1) {
      const copy = Buffer.from(file).fill(0, cut);
      const found = read(copy);
      expect(found.messages).toEqual(three.slice(0, 2).map(String));
      expect(found.end).toBe(start);
      expect(found.torn).toBe(copy.subarray(start).some((byte) => byte !== 0));
    }
  });

  it('cuts the last record when any of its sectors did not reach the disk', () => {
    const { file, ends } = segmentOf(three);
    const [start, end] = [ends[2] as number, ends[3] as number];
    for (let sector = Math.floor(start / 512); sector * 512 < end; sector += 1) {
      const from = Math.max(start, sector * 512);
      const copy = Buffer.from(file).fill(0, from, Math.min(end, (sector + 1) * 512));
      expect(read(copy)).toEqual({ messages: three.slice(0, 2).map(String), end: start, torn: true });
    }
  });

  it('finds every flipped bit, in the last record too', () => {
    const { file, ends } = segmentOf(three);
    for (let at = 0; at < (ends[3] as number); at += 1) {
      const copy = Buffer.from(file);
      copy[at] = (copy[at] as number) ^ (1 << (at % 8));
      expect(() => read(copy)).toThrow(SegmentDamaged);
    }
  });

  it('control: a flipped event byte with the checksum made right again goes unnoticed', () => {
    const { file, ends } = segmentOf(three);
    const start = (ends[1] as number) + RECORD_HEADER;
    file[start + 100] = 0x7a;
    file.writeUInt32BE(crc32(file.subarray(start, ends[2])), start - 4);
    expect(read(file).messages[1]).toContain('z');
  });

  it('finds a record that was zeroed or lost in the middle', () => {
    const { file, ends } = segmentOf(three);
    file.fill(0, ends[1], ends[2]);
    expect(() => read(file)).toThrow(/record at byte 7\d\d is damaged/);
  });

  it('refuses a file that is shorter or longer than it was made, at every length', () => {
    const { file } = segmentOf(three);
    for (let length = 0; length < file.length; length += 7) {
      expect(() => read(file.subarray(0, length))).toThrow(SegmentDamaged);
    }
    expect(() => read(Buffer.concat([file, Buffer.alloc(512)]))).toThrow(/has 4608 bytes, not the 4096/);
  });

  it('never reads anything but a prefix of what was written, whatever is overwritten', () => {
    fc.assert(
      fc.property(fc.nat(SIZE - 1), fc.uint8Array({ minLength: 1, maxLength: 600 }), (at, junk) => {
        const { file } = segmentOf(three);
        file.set(junk.subarray(0, SIZE - at), at);
        const messages: string[] = [];
        try {
          scanSegment(file, (message) => messages.push(message.toString()));
        } catch (error) {
          expect(error).toBeInstanceOf(SegmentDamaged);
        }
        expect(three.map(String).slice(0, messages.length)).toEqual(messages);
      }),
    );
  });
});
