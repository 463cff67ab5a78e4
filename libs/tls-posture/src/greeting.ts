/**
 * The first words of each protocol, and what the answer means: was this client let in? Used over TLS, and in the clear.
 *
 * | protocol | asks | let in | refused |
 * | --- | --- | --- | --- |
 * | HTTPS | GET / | any other status | 400, 401, 403, 495, 496 |
 * | NATS | CONNECT, PING | PONG | -ERR |
 * | Postgres | StartupMessage | any authentication request, or an error behind it | SQLSTATE class 28 |
 *
 * Postgres that asks for a password has let in whom the certificate should have kept out. That a database does not exist
 * (3D000) it says only to those whom it knows.
 */
import type { Endpoint } from './endpoint.js';
import { natsLine, parseInfo } from './to-tls.js';

export interface Greeting {
  letIn: boolean;
  said: string;
  /** HTTPS: seconds of Strict-Transport-Security. */
  hsts: number | null;
}

const PROTOCOL_3 = 196_608;
const KEPT_OUT = new Set([400, 401, 403, 495, 496]);
const MOST_HEAD = 64 * 1024;
/** Postgres, before or beside authentication: too many connections, starting up, shutting down, out of something. */
const NOT_NOW = /^(?:53|57|58|XX)/;

/** What the client says first. */
export function greet({ protocol, host, port, role, database }: Endpoint): Buffer {
  switch (protocol) {
    case 'https':
      return Buffer.from(
        `GET / HTTP/1.1\r\nHost: ${host}:${port}\r\nUser-Agent: everseal-tls-scan\r\nConnection: close\r\n\r\n`,
      );
    case 'nats': {
      const connect = { verbose: false, pedantic: false, lang: 'everseal-tls-scan', version: '0', protocol: 1 };
      return Buffer.from(`CONNECT ${JSON.stringify(connect)}\r\nPING\r\n`);
    }
    case 'postgres': {
      const text = Buffer.from(`user\0${role}\0database\0${database}\0application_name\0everseal-tls-scan\0\0`);
      const head = Buffer.alloc(8);
      head.writeUInt32BE(text.length + 8);
      head.writeUInt32BE(PROTOCOL_3, 4);
      return Buffer.concat([head, text]);
    }
  }
}

/** @returns null while more is needed, or when what came says neither */
export function readGreeting({ protocol }: Endpoint, bytes: Buffer): Greeting | null {
  if (protocol === 'https') return readHttp(bytes);
  return protocol === 'nats' ? readNats(bytes) : readPostgres(bytes);
}

/**
 * Whether a peer that hung up after these bytes has said nothing to the point: then nobody was let in. Half an answer, or a
 * Postgres that has no place just now, may have been anything.
 */
export function isSilence({ protocol }: Endpoint, bytes: Buffer): boolean {
  return bytes.length === 0 || protocol === 'nats'; // NATS says INFO to everybody
}

function readHttp(bytes: Buffer): Greeting | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1 || end > MOST_HEAD) return null;
  const head = bytes.subarray(0, end).toString('latin1');
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]);
  if (Number.isNaN(status)) return null;
  const age = /^strict-transport-security:[^\r\n]*max-age="?(\d{1,12})/im.exec(head)?.[1];
  return { letIn: !KEPT_OUT.has(status), said: `HTTP ${status}`, hsts: age === undefined ? null : Number(age) };
}

function readNats(bytes: Buffer): Greeting | null {
  for (let rest = bytes; ;) {
    const line = natsLine(rest);
    if (line === null) return null;
    if (line === 'PONG') return { letIn: true, said: 'PONG', hsts: null };
    if (line.startsWith('-ERR')) return { letIn: false, said: line.slice(0, 200), hsts: null };
    if (line !== 'PING' && line !== '+OK' && parseInfo(line) === null) return null;
    rest = rest.subarray(Buffer.byteLength(line, 'latin1') + 2);
  }
}

function readPostgres(bytes: Buffer): Greeting | null {
  for (let rest = bytes; ;) {
    if (rest.length < 5) return null;
    const type = String.fromCharCode(rest[0]!);
    const length = rest.readUInt32BE(1);
    if (length < 4 || length > MOST_HEAD) return null;
    if (rest.length < length + 1) return null;
    const body = rest.subarray(5, length + 1);
    if (type === 'R') return { letIn: true, said: authenticationText(body), hsts: null };
    if (type === 'E') return readPostgresError(body);
    rest = rest.subarray(length + 1);
  }
}

function authenticationText(body: Buffer): string {
  const request = body.length >= 4 ? body.readUInt32BE(0) : -1;
  return request === 0 ? 'logged in without anything' : `asked for a password (authentication ${request})`;
}

function readPostgresError(body: Buffer): Greeting | null {
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  );
  const state = fields.get('C') ?? '';
  if (!/^[0-9A-Z]{5}$/.test(state) || NOT_NOW.test(state)) return null;
  return { letIn: !state.startsWith('28'), said: `${state} ${fields.get('M') ?? ''}`.slice(0, 200), hsts: null };
}
