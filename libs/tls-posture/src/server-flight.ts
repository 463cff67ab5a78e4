/**
 * What a server answers to a ClientHello, as far as it can be read without keys: an alert, or its ServerHello and, before
 * TLS 1.3, certificate, key exchange and the request for a client certificate. Pure and strict; the peer may be hostile.
 *
 * Source: RFC 8446 §4.1.3 (ServerHello, HelloRetryRequest), RFC 5246 §7.4 (the flight before 1.3), RFC 8422 §5.4 (ECDHE).
 */
import { ByteReader, Malformed } from './byte-reader.js';
import { suiteName } from './cipher-suite.js';
import { EXTENSION } from './client-hello.js';

export interface ServerHello {
  /** Number of the version that the server chose. */
  version: number;
  suite: number;
  /** 0 is none, 1 DEFLATE. */
  compression: number;
  /** Numbers of its extensions. */
  extensions: ReadonlySet<number>;
  /** TLS 1.3: the group it wants; before, the curve it chose. Null when it names none. */
  group: number | null;
  /** Application protocol; null when it says nothing. Always null for TLS 1.3, which encrypts it. */
  alpn: string | null;
  /** Whether it would take the session up again by its ID. */
  hasSessionId: boolean;
}

/** Before TLS 1.3. */
export interface ClearFlight {
  /** DER, leaf first, exactly as sent. */
  chain: Buffer[];
  /** Length of the prime of a finite-field key exchange, bits. */
  dhBits: number | null;
  asksForCertificate: boolean;
}

export type ServerFlight =
  | { kind: 'alert'; alert: number }
  | { kind: 'hello'; hello: ServerHello; clear: ClearFlight }
  /** Something that is not TLS. */
  | { kind: 'other'; first: Buffer };

const RECORD = { alert: 21, handshake: 22 };
const MESSAGE = { serverHello: 2, certificate: 11, keyExchange: 12, certificateRequest: 13, helloDone: 14 };
const TLS_1_3 = 0x0304;
const NAMED_CURVE = 3;
const FATAL_BUT_WARNING = 112; // unrecognized_name, which comes as a warning before the ServerHello

/**
 * Reads a flight from what has arrived so far.
 * @returns null while more is needed
 * @throws Malformed
 */
export function readServerFlight(bytes: Buffer): ServerFlight | null {
  const records = new ByteReader(bytes);
  const handshake: Buffer[] = [];
  for (;;) {
    if (records.left === 0) return null;
    const type = records.number(1);
    if (type !== RECORD.alert && type !== RECORD.handshake) return other(bytes, handshake);
    if (records.left < 4) return null;
    if (records.number(2) >> 8 !== 3) return other(bytes, handshake);
    const length = records.number(2);
    if (records.left < length) return null;
    const content = records.take(length);
    if (type === RECORD.alert) {
      if (content.length < 2) throw new Malformed('an alert of one byte');
      const [level, alert = 0] = content;
      if (level === 1 && alert === FATAL_BUT_WARNING) continue;
      return { kind: 'alert', alert };
    }
    handshake.push(content);
    const flight = readMessages(Buffer.concat(handshake));
    if (flight) return flight;
  }
}

/** Once a hello was read, what follows in the clear cannot be anything else; before, it is another protocol. */
function other(bytes: Buffer, handshake: readonly Buffer[]): ServerFlight {
  if (handshake.length > 0) throw new Malformed('a record of another type within the flight');
  return { kind: 'other', first: bytes.subarray(0, 64) };
}

function readMessages(bytes: Buffer): ServerFlight | null {
  const messages = new ByteReader(bytes);
  let hello: ServerHello | null = null;
  const clear: ClearFlight = { chain: [], dhBits: null, asksForCertificate: false };
  while (messages.left >= 4) {
    const type = messages.number(1);
    const length = messages.number(3);
    if (messages.left < length) return null;
    const body = new ByteReader(messages.take(length));
    if (hello === null) {
      if (type !== MESSAGE.serverHello) throw new Malformed(`message ${type} instead of a ServerHello`);
      hello = readHello(body);
      if (hello.version >= TLS_1_3) return { kind: 'hello', hello, clear };
    } else if (type === MESSAGE.certificate) clear.chain = readChain(body);
    else if (type === MESSAGE.keyExchange) readKeyExchange(body, hello, clear);
    else if (type === MESSAGE.certificateRequest) clear.asksForCertificate = true;
    else if (type === MESSAGE.helloDone) return { kind: 'hello', hello, clear };
  }
  return null;
}

function readHello(body: ByteReader): ServerHello {
  let version = body.number(2);
  body.take(32);
  const sessionId = body.vector(1);
  const suite = body.number(2);
  const compression = body.number(1);
  const found = new Map<number, Buffer>();
  if (body.left > 0) {
    const extensions = new ByteReader(body.vector(2));
    while (extensions.left > 0) found.set(extensions.number(2), extensions.vector(2));
  }
  const chosen = found.get(EXTENSION.versions);
  if (chosen) version = new ByteReader(chosen).number(2);
  const share = found.get(EXTENSION.keyShare);
  const alpn = found.get(EXTENSION.alpn);
  return {
    version,
    suite,
    compression,
    extensions: new Set(found.keys()),
    group: share ? new ByteReader(share).number(2) : null,
    alpn: alpn ? new ByteReader(new ByteReader(alpn).vector(2)).vector(1).toString('latin1') : null,
    hasSessionId: sessionId.length > 0,
  };
}

function readChain(body: ByteReader): Buffer[] {
  const list = new ByteReader(body.vector(3));
  const chain: Buffer[] = [];
  while (list.left > 0) chain.push(Buffer.from(list.vector(3)));
  return chain;
}

/** The parameters come first in every form of this message that is asked for. */
function readKeyExchange(body: ByteReader, hello: ServerHello, clear: ClearFlight): void {
  const name = suiteName(hello.suite);
  if (name.startsWith('TLS_ECDH')) {
    if (body.number(1) === NAMED_CURVE) hello.group = body.number(2);
  } else if (name.startsWith('TLS_DH')) {
    const prime = body.vector(2);
    const first = prime.findIndex((byte) => byte !== 0);
    clear.dhBits = first === -1 ? 0 : (prime.length - first) * 8 - (Math.clz32(prime[first]!) - 24);
  }
}
