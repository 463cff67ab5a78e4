/**
 * A time-stamp token (RFC 3161, RFC 5816): a CMS signature of a time-stamp authority (TSA) over "these bytes, by their SHA-256, were
 * shown to me at this time".
 *
 * Only one form of a token is kept and read, so that every byte of a stored one is signed or follows from what is: what the signature
 * does not cover and does not need is left out (certificates that are not in the chain, revocation lists, unsigned attributes), algorithms are
 * written in one way. `normalToken` makes that form of what a TSA gave; openssl reads it like the original. A change of any byte
 * makes `verifyTimestamp` throw.
 */
import { createHash, verify, type X509Certificate } from 'node:crypto';
import { DER_TAG, FormatError, writeDer, writeOid } from '@everseal/audit-core';
import { id_contentType, id_messageDigest } from '@peculiar/asn1-cms';
import { OctetString } from '@peculiar/asn1-schema';
import { id_ct_tstInfo, type TSTInfo } from '@peculiar/asn1-tsp';
import { OID_SHA256, SIGNATURES } from './digests.js';
import { openToken, signedAttributes, type OpenedToken } from './open-token.js';
import { readAsn } from './read-asn.js';
import { carriedChain, requirePinned, subjectOf } from './signer-chain.js';
import { OID_SIGNING_CERTIFICATE_V2, requireSigningCertificate } from './signing-certificate.js';
import { positive } from './timestamp-request.js';
import { writeToken } from './token-form.js';

/** What a token is judged by. */
export interface TimestampTrust {
  /** Certificates that the TSA is known by. */
  readonly pinned: readonly X509Certificate[];
  /** The TSA policy that it has to be under; null for any. */
  readonly policy: string | null;
  /** Of the request that it answers; null for a token that was kept. */
  readonly nonce: Uint8Array | null;
}

/** What a token that holds says. */
export interface Timestamp {
  /** When the TSA had seen the bytes, milliseconds since 1970, and how far it may be off by its own word (null: it says nothing). */
  readonly time: number;
  readonly accuracyMs: number | null;
  /** Subject of the certificate that signed it. */
  readonly authority: string;
  readonly policy: string;
  /** The TSA's number of it, hexadecimal. */
  readonly serial: string;
}

/**
 * The form of a token that is kept, of one that a TSA gave.
 * @throws FormatError as `verifyTimestamp`
 */
export function normalToken(token: Uint8Array, message: Uint8Array, trust: TimestampTrust): Buffer {
  return judge(token, message, trust).normal;
}

/**
 * @param token in the form that `normalToken` makes
 * @param message the bytes that it is to be about
 * @throws FormatError
 * - `timestamp.token`               no token, or of another kind
 * - `timestamp.form`                not in the form that is kept: a byte that nobody signed was changed
 * - `timestamp.imprint`             about other bytes
 * - `timestamp.nonce`, `timestamp.policy`  not what was asked for
 * - `timestamp.signer`              the certificate that signed it is not there
 * - `timestamp.signing-certificate` the signature is bound to no certificate (ESSCertIDv2), or to another
 * - `timestamp.algorithm`, `timestamp.attributes`, `timestamp.signature`
 * - `timestamp.key-usage`, `timestamp.validity`, `timestamp.chain`  as in signer-chain.ts
 */
export function verifyTimestamp(token: Uint8Array, message: Uint8Array, trust: TimestampTrust): Timestamp {
  const { normal, timestamp } = judge(token, message, trust);
  if (!normal.equals(token)) throw new FormatError('timestamp.form', 'the token holds bytes that nobody signed');
  return timestamp;
}

interface Judged {
  readonly normal: Buffer;
  readonly timestamp: Timestamp;
}

/** What the ASN.1 library and OpenSSL throw over bytes that they cannot make sense of is theirs to choose: it is no token then. */
function judge(token: Uint8Array, message: Uint8Array, trust: TimestampTrust): Judged {
  try {
    return judgeParts(openToken(token, trust.pinned), message, trust);
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw new FormatError('timestamp.token', 'a part of it cannot be read', { cause });
  }
}

function judgeParts(opened: OpenedToken, message: Uint8Array, trust: TimestampTrust): Judged {
  const { info, signer, carried } = opened;
  requireAbout(info, message);
  requireAsked(info, trust);
  requireAttributes(opened);
  requireSignature(opened);
  const time = info.genTime.getTime();
  const chain = carriedChain(signer, carried, trust.pinned);
  requirePinned(chain, trust.pinned, time);
  const accuracyMs = accuracyOf(info);
  const serial = Buffer.from(info.serialNumber).toString('hex');
  const timestamp = { time, accuracyMs, authority: subjectOf(signer), policy: info.policy, serial };
  return { normal: writeToken(opened, chain), timestamp };
}

function requireAbout({ messageImprint }: TSTInfo, message: Uint8Array): void {
  const { hashAlgorithm, hashedMessage } = messageImprint;
  const same = createHash('sha256').update(message).digest().equals(Buffer.from(hashedMessage.buffer));
  if (hashAlgorithm.algorithm === OID_SHA256 && same) return;
  throw new FormatError('timestamp.imprint', 'the token is about other bytes than these');
}

function requireAsked(info: TSTInfo, { policy, nonce }: TimestampTrust): void {
  if (policy !== null && info.policy !== policy) {
    throw new FormatError('timestamp.policy', `the token is under TSA policy ${info.policy}, not under ${policy}`);
  }
  if (nonce === null || (info.nonce && positive(nonce).equals(Buffer.from(info.nonce)))) return;
  throw new FormatError('timestamp.nonce', 'the token carries another nonce than the request: it answers another one');
}

/** Exactly one of each: what is signed says what kind of content it signs, its hash, and with which certificate. */
function requireAttributes({ signerInfo, content, digest, signer }: OpenedToken): void {
  const value = (type: string): ArrayBuffer => {
    const found = (signerInfo.signedAttrs ?? []).filter(({ attrType }) => attrType === type);
    const [only] = found[0]?.attrValues ?? [];
    if (found.length === 1 && found[0]!.attrValues.length === 1 && only) return only;
    if (type === OID_SIGNING_CERTIFICATE_V2) {
      const detail = 'the token does not say with a SHA-2 hash which certificate signed it (ESSCertIDv2, RFC 5816)';
      throw new FormatError('timestamp.signing-certificate', detail);
    }
    throw new FormatError('timestamp.attributes', `the signature covers no single attribute ${type}`);
  };
  const code = 'timestamp.attributes';
  const kind = Buffer.from(value(id_contentType));
  if (!kind.equals(writeOid(id_ct_tstInfo))) {
    throw new FormatError(code, 'the signature is not one of a time stamp');
  }
  const hash = Buffer.from(readAsn(code, value(id_messageDigest), OctetString).buffer);
  if (!createHash(digest).update(content).digest().equals(hash)) {
    throw new FormatError(code, 'the signature is over other content');
  }
  requireSigningCertificate(value(OID_SIGNING_CERTIFICATE_V2), signer);
}

function requireSignature({ signerInfo, digest, signer }: OpenedToken): void {
  const algorithm = SIGNATURES[signerInfo.signatureAlgorithm.algorithm];
  const key = signer.publicKey;
  const isFit = algorithm?.key === key.asymmetricKeyType && [null, digest].includes(algorithm?.digest ?? null);
  if (!isFit) {
    const detail = `it is signed with ${signerInfo.signatureAlgorithm.algorithm}: RSA (PKCS #1) and ECDSA with SHA-2 are taken`;
    throw new FormatError('timestamp.algorithm', detail);
  }
  const attributes = writeDer(DER_TAG.set, signedAttributes(signerInfo));
  if (verify(digest, attributes, key, Buffer.from(signerInfo.signature.buffer))) return;
  throw new FormatError('timestamp.signature', `the signature of ${subjectOf(signer)} does not verify`);
}

function accuracyOf({ accuracy }: TSTInfo): number | null {
  if (!accuracy) return null;
  const { seconds, millis, micros } = accuracy;
  return (seconds ?? 0) * 1_000 + (millis ?? 0) + (micros ?? 0) / 1_000;
}
