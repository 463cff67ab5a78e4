/**
 * Certificates as plain facts, and how a chain ends in a trusted root. Pure computing with node:crypto.
 *
 * The hash of a signature is read from the DER by hand: Node 20 and 22 do not tell it.
 */
import { createHash, X509Certificate, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { Malformed } from './byte-reader.js';
import { readDer, readOid, readSequence } from './der.js';
import type { ObservedCertificate, ObservedChain, PathState } from './observation.js';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const RSASSA_PSS = '1.2.840.113549.1.1.10';
const LONGEST_PATH = 10;

const SIGNATURE_HASHES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.2': 'md2',
  '1.2.840.113549.1.1.3': 'md4',
  '1.2.840.113549.1.1.4': 'md5',
  '1.2.840.113549.1.1.5': 'sha1',
  '1.2.840.113549.1.1.14': 'sha224',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10040.4.3': 'sha1',
  '2.16.840.1.101.3.4.3.2': 'sha256',
  '1.2.840.10045.4.1': 'sha1',
  '1.2.840.10045.4.3.1': 'sha224',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.101.112': 'none',
  '1.3.101.113': 'none',
  // Hashes themselves, as RSASSA-PSS names them.
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

const CURVE_BITS: Readonly<Record<string, number>> = {
  prime192v1: 192,
  secp192r1: 192,
  secp224r1: 224,
  prime256v1: 256,
  secp256k1: 256,
  brainpoolP256r1: 256,
  secp384r1: 384,
  brainpoolP384r1: 384,
  secp521r1: 521,
  brainpoolP512r1: 512,
};

/** @throws never: what cannot be told is `unknown`, 0 or empty */
export function observeCertificate(certificate: X509Certificate): ObservedCertificate {
  const key = publicKeyOf(certificate);
  return {
    subject: certificate.subject?.replaceAll('\n', ', ') ?? '',
    issuer: certificate.issuer?.replaceAll('\n', ', ') ?? '',
    names: certificate.subjectAltName ?? '',
    serial: certificate.serialNumber,
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
    keyType: key?.asymmetricKeyType ?? 'unknown',
    keyBits: key ? keyBits(key) : 0,
    signatureHash: signatureHash(certificate.raw),
    isAuthority: certificate.ca,
    purposes: (certificate.keyUsage ?? []).map((usage) => {
      return usage === CLIENT_AUTH ? 'client' : usage === SERVER_AUTH ? 'server' : 'other';
    }),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    spki: key
      ? createHash('sha256')
          .update(key.export({ type: 'spki', format: 'der' }))
          .digest('hex')
      : '',
  };
}

/**
 * @param sent leaf first
 * @param library what OpenSSL says against the chain; undefined when it was not asked
 */
export function observeChain(
  sent: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  host: string,
  library: string | null,
): ObservedChain | null {
  const [leaf, ...others] = sent;
  if (leaf === undefined) return null;
  const { state, used } = pathOf(leaf, others, roots);
  return {
    sent: sent.map(observeCertificate),
    path: state,
    used: used.map(observeCertificate),
    isForHost: isFor(leaf, host),
    library,
  };
}

function isFor(leaf: X509Certificate, host: string): boolean {
  const found = isIP(host) === 0 ? leaf.checkHost(host, { subject: 'never' }) : leaf.checkIP(host);
  return found !== undefined;
}

function pathOf(
  leaf: X509Certificate,
  others: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): { state: PathState; used: X509Certificate[] } {
  const used = [leaf];
  for (let current = leaf; used.length <= LONGEST_PATH;) {
    if (roots.some(({ fingerprint256 }) => fingerprint256 === current.fingerprint256))
      return { state: 'trusted', used };
    const root = roots.find((candidate) => isIssuedBy(current, candidate));
    if (root) return { state: 'trusted', used: [...used, root] };
    if (isIssuedBy(current, current)) return { state: current === leaf ? 'self-signed' : 'untrusted', used };
    const next = others.find(
      (candidate) => !used.includes(candidate) && candidate.ca && isIssuedBy(current, candidate),
    );
    if (next === undefined) break;
    used.push(next);
    current = next;
  }
  return { state: 'incomplete', used };
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  const key = publicKeyOf(issuer);
  try {
    return key !== null && certificate.checkIssued(issuer) && certificate.verify(key);
  } catch {
    return false; // a key or signature that OpenSSL does not know has signed nothing that counts
  }
}

function publicKeyOf(certificate: X509Certificate): KeyObject | null {
  try {
    return certificate.publicKey;
  } catch {
    return null;
  }
}

function keyBits({ asymmetricKeyType, asymmetricKeyDetails: details = {} }: KeyObject): number {
  if (asymmetricKeyType === 'ed25519') return 256;
  if (asymmetricKeyType === 'ed448') return 448;
  return details.modulusLength ?? CURVE_BITS[details.namedCurve ?? ''] ?? 0;
}

/** @param der of a certificate */
function signatureHash(der: Buffer): string {
  try {
    const [, algorithm] = readSequence(der);
    const [oid, parameters] = readDer(algorithm!.content);
    const name = readOid(oid!);
    if (name !== RSASSA_PSS) return SIGNATURE_HASHES[name] ?? 'unknown';
    const hash = readDer(parameters!.content).find(({ tag }) => tag === 0xa0);
    if (hash === undefined) return 'sha1'; // its default
    return SIGNATURE_HASHES[readOid(readSequence(hash.content)[0]!)] ?? 'unknown';
  } catch (error) {
    if (error instanceof Malformed || error instanceof TypeError) return 'unknown';
    throw error;
  }
}

/** Certificates in PEM, one or several in each. @throws as X509Certificate for what is none */
export function parseCertificates(pem: string): X509Certificate[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  return found.map((one) => new X509Certificate(one));
}
