/**
 * Groups of the key exchange, by their number in supported_groups (RFC 8446 §4.2.7, RFC 7919, draft-ietf-tls-ecdhe-mlkem).
 * Post-quantum are those with ML-KEM in them: what is recorded today cannot be read by a later quantum computer.
 */
export const KEY_GROUPS = {
  X25519MLKEM768: 0x11ec,
  SecP256r1MLKEM768: 0x11eb,
  SecP384r1MLKEM1024: 0x11ed,
  X25519: 0x001d,
  'P-256': 0x0017,
  'P-384': 0x0018,
  'P-521': 0x0019,
  X448: 0x001e,
  ffdhe2048: 0x0100,
  ffdhe3072: 0x0101,
  ffdhe4096: 0x0102,
  brainpoolP256r1: 0x001f,
  'secp256k1 (K-256)': 0x0016,
  'P-224': 0x0015,
  'P-192': 0x0013,
} as const;

const NAMES = new Map<number, string>(Object.entries(KEY_GROUPS).map(([name, number]) => [number, name]));

/** The name, or `group 0x…` of one that is not listed. */
export function groupName(number: number): string {
  return NAMES.get(number) ?? `group 0x${number.toString(16).padStart(4, '0')}`;
}

export function isPostQuantum(name: string): boolean {
  return name.includes('MLKEM');
}
