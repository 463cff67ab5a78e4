/**
 * The way of each protocol to the first byte of TLS: what is said in the clear before, and what was heard there.
 *
 * Sources: NATS client protocol (INFO), Postgres frontend/backend protocol §54.2.12 (SSLRequest).
 */
import type { Endpoint } from './endpoint.js';
import type { Wire } from './wire.js';

/** The peer is there and does not go on to TLS. */
export class NoTls extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NoTls';
  }
}

/** Length 8, code 80877103. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const MOST_INFO = 64 * 1024;

/** @throws NoTls; WireError as the wire */
export async function goToTls(wire: Wire, { scheme }: Endpoint): Promise<void> {
  if (scheme === 'nats') await readInfo(wire);
  if (scheme === 'postgres') await requestSsl(wire);
}

async function readInfo(wire: Wire): Promise<void> {
  const line = await wire.read((bytes) => natsLine(bytes));
  const info = parseInfo(line);
  if (info === null) throw new NoTls('what comes first is no INFO of NATS');
  if (!info.tlsRequired && !info.tlsAvailable) throw new NoTls('INFO says that there is no TLS');
  wire.drop(Buffer.byteLength(line) + 2);
}

async function requestSsl(wire: Wire): Promise<void> {
  wire.write(SSL_REQUEST);
  const answer = await wire.read((bytes) => bytes.subarray(0, 1).toString('latin1'));
  if (answer !== 'S') throw new NoTls(answer === 'N' ? 'Postgres says that it does no TLS' : 'no answer of Postgres');
  wire.drop(1);
}

/** The first line without its end; null while it has not arrived. @throws NoTls when it has no end */
export function natsLine(bytes: Buffer): string | null {
  const end = bytes.indexOf('\r\n');
  if (end === -1 && bytes.length > MOST_INFO) throw new NoTls('a line without an end');
  return end === -1 ? null : bytes.subarray(0, end).toString('latin1');
}

/** What an INFO line says of TLS; null for what is none. */
export function parseInfo(line: string): { tlsRequired: boolean; tlsAvailable: boolean } | null {
  if (!/^INFO /i.test(line)) return null;
  try {
    const info = JSON.parse(line.slice('INFO '.length)) as Record<string, unknown>;
    return { tlsRequired: info['tls_required'] === true, tlsAvailable: info['tls_available'] === true };
  } catch {
    return null;
  }
}
