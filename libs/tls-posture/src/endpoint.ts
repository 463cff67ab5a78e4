/**
 * What is scanned, written as a URL whose scheme says how the connection comes to TLS:
 *
 *     https://host:port               TLS at once; clients may come without a certificate
 *     https+mtls://host:port          TLS at once; clients must show one
 *     nats://host:port                the server says INFO in the clear, TLS follows
 *     nats+tlsfirst://host:port       TLS at once (handshake_first)
 *     postgres://role@host:port/db    SSLRequest, then TLS
 *     postgres+direct://role@host:port/db   TLS at once, ALPN `postgresql` (Postgres 17)
 *
 * NATS and Postgres must let nobody in without a certificate. Role and database are those that the scanner tries to log in
 * with, `postgres` unless given.
 */
import { isIPv6 } from 'node:net';

export const SCHEMES = ['https', 'https+mtls', 'nats', 'nats+tlsfirst', 'postgres', 'postgres+direct'] as const;
export type Scheme = (typeof SCHEMES)[number];

export interface Endpoint {
  /** In its one form; what names it everywhere. */
  url: string;
  scheme: Scheme;
  protocol: 'https' | 'nats' | 'postgres';
  host: string;
  port: number;
  /** Postgres alone. */
  role: string;
  database: string;
  /** Clients must show a certificate. */
  wantsCertificate: boolean;
}

/** An endpoint, and who is told of each connection that is opened to it. */
export interface Target extends Endpoint {
  /** @param from local address of the connection */
  opened?: ((from: string) => void) | undefined;
}

const DEFAULT_PORTS = { https: 443, nats: 4222, postgres: 5432 };
const NAME = /^[A-Za-z0-9_.-]{1,63}$/;
const DEFAULT_NAME = 'postgres';

/** @throws TypeError that says what is wrong with it and what it should look like */
export function parseEndpoint(text: string): Endpoint {
  const match = /^([a-z+]+):\/\/(?:([^@/]*)@)?(\[[^\]]+\]|[^:/@]+)(?::(\d{1,5}))?(?:\/([^/]*))?$/.exec(text);
  const [, scheme, role, bracketed = '', port, database] = match ?? [];
  const known = SCHEMES.find((one) => one === scheme);
  if (match === null || known === undefined) throw refused(text, `a scheme is one of ${SCHEMES.join(', ')}`);
  const protocol = known.split('+')[0] as Endpoint['protocol'];
  const host = bracketed.replace(/^\[|\]$/g, '');
  const isHost = bracketed.startsWith('[') ? isIPv6(host) : /^[A-Za-z0-9.-]{1,253}$/.test(host);
  if (!isHost) throw refused(text, 'its host is no name or address');
  const number = port === undefined ? DEFAULT_PORTS[protocol] : Number(port);
  if (number < 1 || number > 65_535) throw refused(text, 'its port is none');
  if (protocol !== 'postgres' && (role !== undefined || (database ?? '') !== '')) {
    throw refused(text, 'a role or a path means something to Postgres only');
  }
  const names = { role: role ?? DEFAULT_NAME, database: database || DEFAULT_NAME };
  if (!NAME.test(names.role) || !NAME.test(names.database))
    throw refused(text, 'its role or database is no plain name');
  const address = `${isIPv6(host) ? `[${host}]` : host}:${number}`;
  const url =
    protocol === 'postgres' ? `${known}://${names.role}@${address}/${names.database}` : `${known}://${address}`;
  return { url, scheme: known, protocol, host, port: number, ...names, wantsCertificate: known !== 'https' };
}

function refused(text: string, why: string): TypeError {
  return new TypeError(`"${text}" is no endpoint: ${why}; they look like nats+tlsfirst://nats.example.com:4222`);
}
