/**
 * Node TLS options for the three kinds of connection, all TLS 1.3 only. Each is shaped by how its client library reads a
 * renewed certificate (all three tested): nats.js reads the files at every connect, node-postgres reads the option
 * object at every connect, a Node server keeps its context until it is handed a whole new one.
 */
import { constants } from 'node:crypto';
import type { SecureVersion } from 'node:tls';
import type { CertificateFacts } from './certificate-facts.js';
import { keyExchange } from './key-exchange.js';
import type { Material } from './material.js';

const VERSION: SecureVersion = 'TLSv1.3';

export interface NatsTlsOptions {
  certFile: string;
  keyFile: string;
  caFile: string;
  /** The TLS handshake comes before the server's INFO line, so nothing is ever said in the clear. */
  handshakeFirst: true;
  minVersion: SecureVersion;
}

/** @throws Error without a caFile: nothing would be trusted */
export function natsTlsOptions(files: {
  certFile: string;
  keyFile: string;
  caFile?: string | undefined;
}): NatsTlsOptions {
  const { certFile, keyFile, caFile } = files;
  if (caFile === undefined) throw new Error(`no caFile beside ${certFile}: the NATS server could not be checked`);
  return { certFile, keyFile, caFile, handshakeFirst: true, minVersion: VERSION };
}

export interface PostgresTlsOptions {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
  readonly minVersion: SecureVersion;
  readonly rejectUnauthorized: true;
}

/**
 * The `ssl` object for node-postgres. Own getters, not fixed values: the pool copies them for each new connection, so a
 * connection made after a renewal uses the renewed pair. (Getters of a class would not be copied.)
 * @param current gives the newest material; MaterialWatch.current
 */
export function postgresTlsOptions(current: () => Material): PostgresTlsOptions {
  return {
    get cert() {
      return current().cert;
    },
    get key() {
      return current().key;
    },
    get ca() {
      return current().ca;
    },
    minVersion: VERSION,
    rejectUnauthorized: true,
  };
}

/** Longest life of a database session, seconds: what its pool would have it be without certificates. */
const MOST_SESSION_SECONDS = 3_600;

/**
 * How long a database session may live, whole seconds: Postgres does not end one whose certificate has expired, so one that was made
 * just before a renewal (at two thirds of the life) must be gone when the old certificate ends.
 */
export function sessionSeconds({ notBefore, notAfter }: Pick<CertificateFacts, 'notBefore' | 'notAfter'>): number {
  const third = Math.floor((notAfter.getTime() - notBefore.getTime()) / 3_000);
  return Math.max(1, Math.min(MOST_SESSION_SECONDS, third - 1));
}

export interface HttpsServerOptions {
  cert: Buffer;
  key: Buffer;
  ca: Buffer | undefined;
  requestCert: boolean;
  rejectUnauthorized: boolean;
  minVersion: SecureVersion;
  /** Groups of the key exchange, the preferred one first. */
  ecdhCurve: string;
  secureOptions: number;
}

/**
 * Options of an HTTPS server, and again for its `setSecureContext` after a renewal: always the full set, because what is
 * left out there falls back to Node's defaults (a reload without minVersion would let TLS 1.2 in; tested).
 *
 * With a caFile every client must show a certificate of it. No session tickets: Node resumes a session although the
 * client's certificate has expired meanwhile.
 */
export function httpsServerOptions(material: Material): HttpsServerOptions {
  const clients = material.ca !== undefined;
  return {
    cert: material.cert,
    key: material.key,
    ca: material.ca,
    requestCert: clients,
    rejectUnauthorized: clients,
    minVersion: VERSION,
    ecdhCurve: keyExchange(process.versions.openssl),
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
