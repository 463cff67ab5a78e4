/**
 * Options of HTTPS requests to a server that somebody else runs: the system's roots unless others are given, our certificate
 * only where one is, TLS 1.3, and TLS 1.2 (ECDHE, AEAD) only where the operator says so.
 */
import type { SecureVersion } from 'node:tls';
import type { Material } from './material.js';
import { publicCiphers } from './public-server-options.js';

export interface PublicClientOptions {
  /** Left out, Node takes the roots of the system that it was built with. */
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
  rejectUnauthorized: true;
  minVersion: SecureVersion;
  ciphers: string;
}

/** @param ca roots (PEM), null for the system's; @param identity what the client shows of itself, null for nothing */
export function publicClientOptions(
  ca: Buffer | null,
  identity: Pick<Material, 'cert' | 'key'> | null,
  { tls12 }: { tls12: boolean },
): PublicClientOptions {
  return {
    ...(ca === null ? {} : { ca }),
    ...(identity === null ? {} : { cert: identity.cert, key: identity.key }),
    rejectUnauthorized: true,
    minVersion: tls12 ? 'TLSv1.2' : 'TLSv1.3',
    ciphers: publicCiphers({ tls12 }),
  };
}
