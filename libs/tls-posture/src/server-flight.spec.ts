/** Bytes of a peer that may be hostile: whatever comes, an answer, a wait for more, or Malformed; and nothing else. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DER_TAG, writeDer, writeOid } from '@everseal/audit-core';
import { Malformed } from './byte-reader.js';
import { EXTENSION, encodeClientHello } from './client-hello.js';
import { readDer, readOid, readTime } from './der.js';
import { readServerFlight, type ServerFlight } from './server-flight.js';

const record = (type: number, body: Buffer, version = 0x0303): Buffer =>
  Buffer.concat([Buffer.from([type]), u16(version), u16(body.length), body]);
const message = (type: number, body: Buffer): Buffer => Buffer.concat([Buffer.from([type, 0]), u16(body.length), body]);
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const extension = (type: number, body: Buffer): Buffer => Buffer.concat([u16(type), u16(body.length), body]);

function hello(version: number, suite: number, extensions: Buffer): Buffer {
  const body = [u16(version), Buffer.alloc(32), Buffer.from([0]), u16(suite), Buffer.from([0]), u16(extensions.length)];
  return message(2, Buffer.concat([...body, extensions]));
}

const CERTIFICATE = message(11, Buffer.from([0, 0, 6, 0, 0, 3, 1, 2, 3]));
const DHE = message(12, Buffer.concat([u16(128), Buffer.from([0x0f]), Buffer.alloc(127, 1), Buffer.from([0, 1, 2])]));
const OLD = Buffer.concat([
  hello(0x0303, 0x009e, Buffer.concat([extension(EXTENSION.renegotiation, Buffer.from([0]))])),
  CERTIFICATE,
  DHE,
  message(13, Buffer.alloc(4)),
  message(14, Buffer.alloc(0)),
]);
const RETRY = hello(
  0x0303,
  0x1302,
  Buffer.concat([extension(EXTENSION.versions, u16(0x0304)), extension(EXTENSION.keyShare, u16(0x11ec))]),
);

describe('a flight before TLS 1.3', () => {
  const expected: ServerFlight = {
    kind: 'hello',
    hello: {
      version: 0x0303,
      suite: 0x009e,
      compression: 0,
      extensions: new Set([EXTENSION.renegotiation]),
      group: null,
      alpn: null,
      hasSessionId: false,
    },
    clear: { chain: [Buffer.from([1, 2, 3])], dhBits: 1_020, asksForCertificate: true },
  };

  it('is read whole, however it is cut into records and packets', () => {
    const cut = Buffer.concat([
      record(22, OLD.subarray(0, 20)),
      record(22, OLD.subarray(20, 90)),
      record(22, OLD.subarray(90)),
    ]);
    for (const bytes of [record(22, OLD), cut]) {
      for (let length = 1; length < bytes.length; length++)
        expect(readServerFlight(bytes.subarray(0, length))).toBeNull();
      expect(readServerFlight(bytes)).toEqual(expected);
    }
  });
});

describe('an answer', () => {
  it('of TLS 1.3 names the group that it wants', () => {
    expect(readServerFlight(record(22, RETRY))).toMatchObject({
      hello: { version: 0x0304, suite: 0x1302, group: 0x11ec },
    });
  });

  it('may be an alert, after a warning as well, or another protocol', () => {
    const fatal = record(21, Buffer.from([2, 70]));
    expect(readServerFlight(fatal)).toEqual({ kind: 'alert', alert: 70 });
    const warning = record(21, Buffer.from([1, 112]));
    expect(readServerFlight(Buffer.concat([warning, fatal]))).toEqual({ kind: 'alert', alert: 70 });
    expect(readServerFlight(Buffer.from('HTTP/1.1 400 Bad Request\r\n'))).toMatchObject({ kind: 'other' });
  });

  it('that is damaged is Malformed, or waits for more, or is another answer, and never anything else', () => {
    const whole = record(22, OLD);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, byte, length) => {
        const bytes = Buffer.from(whole.subarray(0, length));
        if (at < length) bytes[at] = byte;
        try {
          readServerFlight(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('a ClientHello', () => {
  const offer = { suites: [0x1301], groups: [0x1d], host: 'nats.example.com' };

  it('of SSLv3 has no extensions, one of TLS 1.3 an empty share', () => {
    const old = encodeClientHello({ ...offer, version: 'SSLv3' }, Buffer.alloc(64));
    expect(old.subarray(0, 5).toString('hex')).toBe('160300002d');
    expect(old).toHaveLength(5 + 4 + 2 + 32 + 1 + 4 + 2);
    const now = encodeClientHello({ ...offer, version: 'TLS 1.3', alpn: ['postgresql'] }, Buffer.alloc(64));
    expect(now.includes(Buffer.from([0, EXTENSION.keyShare, 0, 2, 0, 0]))).toBe(true);
    expect(now.includes(Buffer.from('postgresql'))).toBe(true);
    expect(now.includes(Buffer.from('nats.example.com'))).toBe(true);
  });

  it('names no host that is an address', () => {
    const bytes = encodeClientHello({ ...offer, host: '127.0.0.1', version: 'TLS 1.2' }, Buffer.alloc(64));
    expect(bytes.includes(Buffer.from('127.0.0.1'))).toBe(false);
  });
});

describe('DER', () => {
  it('is written and read back', () => {
    const oid = '1.3.6.1.4.1.311.21.10';
    expect(readOid(readDer(writeOid(oid))[0]!)).toBe(oid);
    for (const length of [0, 127, 128, 255, 256, 5_000]) {
      const [value] = readDer(writeDer(DER_TAG.octetString, Buffer.alloc(length, 9)));
      expect(value).toEqual({ tag: DER_TAG.octetString, content: Buffer.alloc(length, 9) });
    }
    expect(readTime({ tag: DER_TAG.utcTime, content: Buffer.from('261129204034Z') })).toBe(
      Date.UTC(2026, 10, 29, 20, 40, 34),
    );
    expect(readTime({ tag: DER_TAG.generalizedTime, content: Buffer.from('20510101000000Z') })).toBe(
      Date.UTC(2051, 0, 1),
    );
  });

  it('that is damaged is Malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          for (const value of readDer(Buffer.from(bytes))) readOid(value);
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
