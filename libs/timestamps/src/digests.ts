/** Hash and signature algorithms of tokens: SHA-2 with RSA (PKCS #1 v1.5) or ECDSA. Others are refused. */

export const OID_SHA256 = '2.16.840.1.101.3.4.2.1';

export type Digest = 'sha256' | 'sha384' | 'sha512';

export const DIGESTS: Readonly<Record<string, Digest>> = {
  [OID_SHA256]: 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

/** RSA with a digest that is said elsewhere: how a token of ours names RSA. */
export const OID_RSA = '1.2.840.113549.1.1.1';

/** Which digest each signature algorithm signs; null where the digest algorithm says it. */
export const SIGNATURES: Readonly<Record<string, { key: 'rsa' | 'ec'; digest: Digest | null }>> = {
  [OID_RSA]: { key: 'rsa', digest: null },
  '1.2.840.113549.1.1.11': { key: 'rsa', digest: 'sha256' },
  '1.2.840.113549.1.1.12': { key: 'rsa', digest: 'sha384' },
  '1.2.840.113549.1.1.13': { key: 'rsa', digest: 'sha512' },
  '1.2.840.10045.4.3.2': { key: 'ec', digest: 'sha256' },
  '1.2.840.10045.4.3.3': { key: 'ec', digest: 'sha384' },
  '1.2.840.10045.4.3.4': { key: 'ec', digest: 'sha512' },
};
