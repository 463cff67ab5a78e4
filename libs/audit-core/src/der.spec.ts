import { describe, expect, it } from '@jest/globals';
import { DER_TAG, writeDer, writeOid } from './der.js';

describe('DER', () => {
  it.each([
    [0, '0400'],
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [65_536, '0483010000'],
  ])('writes a length of %d in its shortest form', (length, head) => {
    const bytes = writeDer(DER_TAG.octetString, Buffer.alloc(length, 9));
    expect(bytes.toString('hex', 0, head.length / 2)).toBe(head);
    expect(bytes).toHaveLength(head.length / 2 + length);
  });

  it.each([
    ['1.2.840.10045.4.3.2', '06082a8648ce3d040302'],
    ['2.5.29.17', '0603551d11'],
    ['1.2.840.113549.1.7.2', '06092a864886f70d010702'],
    ['2.25.4294967296', '0606699080808000'],
  ])('writes the object identifier %s', (dotted, hex) => {
    expect(writeOid(dotted).toString('hex')).toBe(hex);
  });
});
