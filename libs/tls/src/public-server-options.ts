/**
 * Options of an HTTPS server that strangers may reach: TLS 1.3, and where the operator says so TLS 1.2 with ephemeral keys
 * (ECDHE) and authenticated encryption (AEAD) only. Node's own list for 1.2 has CBC and, with an RSA key, suites without
 * forward secrecy (tested); so the list stands here.
 *
 * Whether clients are asked for a certificate is decided for a listener as a whole. One that asks refuses who has none
 * before any of our code runs; taking the decision by hand, after the handshake, is what Node makes easy to get wrong.
 */
import { httpsServerOptions, type HttpsServerOptions } from './connection-options.js';
import type { Material } from './material.js';

export interface PublicServerOptions extends HttpsServerOptions {
  ciphers: string;
  honorCipherOrder: true;
}

const TLS13 = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'];
const TLS12 = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
];

/** The suites that may be spoken with strangers, in order, for Node's `ciphers`. */
export function publicCiphers({ tls12 }: { tls12: boolean }): string {
  return [...TLS13, ...(tls12 ? TLS12 : [])].join(':');
}

/**
 * The full set for a new server, and again for its `setSecureContext` after a renewal.
 * @param clients `certificate`: every client must show one of the material's caFile; `none`: nobody is asked
 * @throws Error without a caFile where certificates are asked for: nobody, or anybody, could come in
 */
export function publicServerOptions(
  material: Material,
  { clients, tls12 }: { clients: 'certificate' | 'none'; tls12: boolean },
): PublicServerOptions {
  if (clients === 'certificate' && material.ca === undefined) {
    throw new Error(`no caFile beside ${material.files.certFile}: client certificates could not be checked`);
  }
  const asked = clients === 'certificate' ? material : { ...material, ca: undefined };
  return {
    ...httpsServerOptions(asked),
    minVersion: tls12 ? 'TLSv1.2' : 'TLSv1.3',
    ciphers: publicCiphers({ tls12 }),
    honorCipherOrder: true,
  };
}
