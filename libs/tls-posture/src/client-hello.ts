/**
 * A ClientHello as bytes: whatever a client could offer, however old or weak. Pure; the random bytes come in.
 *
 *     record  22, version, length  ▸  handshake  1, length  ▸  version, random, session ID, suites, compression, extensions
 *
 * For TLS 1.3 the key_share is empty on purpose (RFC 8446 §4.2.8 allows it): the server then names the group it wants in a
 * HelloRetryRequest, so that groups are found without computing in any of them, post-quantum ones included.
 *
 * Source: RFC 8446 §4.1.2 and §4.2; RFC 5246 §7.4.1.2; RFC 6101 (SSLv3 has no extensions).
 */
import { isIP } from 'node:net';
import { TLS_VERSIONS, type TlsVersion } from './tls-version.js';

export interface Offer {
  version: TlsVersion;
  /** Numbers of cipher suites, in the order of preference. */
  suites: readonly number[];
  /** Numbers of groups. */
  groups: readonly number[];
  /** Host that is asked for; an IP address is not sent, as RFC 6066 wants. */
  host: string;
  /** Application protocols, none unless given. */
  alpn?: readonly string[] | undefined;
  /** Also offers DEFLATE; never with TLS 1.3. */
  compression?: boolean | undefined;
}

export const EXTENSION = {
  serverName: 0,
  groups: 10,
  pointFormats: 11,
  signatures: 13,
  alpn: 16,
  extendedMasterSecret: 23,
  sessionTicket: 35,
  versions: 43,
  pskModes: 45,
  keyShare: 51,
  renegotiation: 0xff01,
} as const;

/** ECDSA, EdDSA, RSA-PSS, RSA; SHA-1 and MD5 as well, so that a server with an old certificate still answers. */
const SIGNATURES = [
  0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601,
  0x0203, 0x0201, 0x0202, 0x0402, 0x0303, 0x0301, 0x0101,
];
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const NULL_COMPRESSION = 0;
const DEFLATE = 1;

/** @param random 64 bytes; the last half is the session ID of TLS 1.3's middlebox mode */
export function encodeClientHello(offer: Offer, random: Buffer): Buffer {
  const version = TLS_VERSIONS[offer.version];
  const isTls13 = offer.version === 'TLS 1.3';
  const hasExtensions = offer.version !== 'SSLv3';
  const body = Buffer.concat([
    u16(Math.min(version, TLS_VERSIONS['TLS 1.2'])),
    random.subarray(0, 32),
    v8(isTls13 ? random.subarray(32, 64) : Buffer.alloc(0)),
    v16(numbers(offer.suites)),
    v8(Buffer.from(offer.compression ? [DEFLATE, NULL_COMPRESSION] : [NULL_COMPRESSION])),
    hasExtensions ? v16(extensions(offer, isTls13)) : Buffer.alloc(0),
  ]);
  const handshake = Buffer.concat([u8(CLIENT_HELLO), u24(body.length), body]);
  const recordVersion = offer.version === 'SSLv3' ? TLS_VERSIONS.SSLv3 : TLS_VERSIONS['TLS 1.0'];
  return Buffer.concat([u8(HANDSHAKE), u16(recordVersion), v16(handshake)]);
}

function extensions({ version, groups, host, alpn = [] }: Offer, isTls13: boolean): Buffer {
  const all: Buffer[] = [];
  if (isIP(host) === 0) all.push(extension(EXTENSION.serverName, v16(Buffer.concat([u8(0), v16(Buffer.from(host))]))));
  all.push(extension(EXTENSION.groups, v16(numbers(groups))), extension(EXTENSION.pointFormats, v8(u8(0))));
  if (isTls13 || version === 'TLS 1.2') all.push(extension(EXTENSION.signatures, v16(numbers(SIGNATURES))));
  if (alpn.length > 0) {
    all.push(extension(EXTENSION.alpn, v16(Buffer.concat(alpn.map((name) => v8(Buffer.from(name)))))));
  }
  if (isTls13) {
    all.push(extension(EXTENSION.versions, v8(u16(TLS_VERSIONS['TLS 1.3']))));
    all.push(extension(EXTENSION.keyShare, v16(Buffer.alloc(0))), extension(EXTENSION.pskModes, v8(u8(1))));
  } else {
    all.push(extension(EXTENSION.renegotiation, v8(Buffer.alloc(0))));
    all.push(extension(EXTENSION.extendedMasterSecret, Buffer.alloc(0)));
    all.push(extension(EXTENSION.sessionTicket, Buffer.alloc(0)));
  }
  return Buffer.concat(all);
}

const u8 = (value: number): Buffer => Buffer.from([value]);
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const u24 = (value: number): Buffer => Buffer.from([value >> 16, (value >> 8) & 0xff, value & 0xff]);
const v8 = (bytes: Buffer): Buffer => Buffer.concat([u8(bytes.length), bytes]);
const v16 = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);
const numbers = (values: readonly number[]): Buffer => Buffer.concat(values.map(u16));
const extension = (type: number, bytes: Buffer): Buffer => Buffer.concat([u16(type), v16(bytes)]);
