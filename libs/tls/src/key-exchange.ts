/**
 * The groups of the key exchange that our servers offer: the hybrid post-quantum one first where this Node's OpenSSL has it (3.5, that is
 * Node 24 and later), then the two that every TLS 1.3 client has. Recorded traffic is what a quantum computer would be used on later.
 *
 * Decided by the version, and not by trying: a list that OpenSSL refuses leaves an error behind, which Node then throws at whatever is
 * done with a key next (seen).
 */
const HYBRID = 'X25519MLKEM768';
const CLASSIC = 'X25519:P-256';

/** For `ecdhCurve`. @param openssl version, e.g. `3.5.8` */
export function keyExchange(openssl: string): string {
  const [major = 0, minor = 0] = openssl.split('.').map(Number);
  return major > 3 || (major === 3 && minor >= 5) ? `${HYBRID}:${CLASSIC}` : CLASSIC;
}
