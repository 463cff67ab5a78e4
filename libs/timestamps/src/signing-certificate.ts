/**
 * ESSCertIDv2 (RFC 5035, for time stamps RFC 5816): the signed attribute by which a token says which certificate signed it, so that
 * nobody can put another certificate of the same key beside it.
 */
import { createHash, type X509Certificate } from 'node:crypto';
import { FormatError } from '@everseal/audit-core';
import { AsnProp, AsnPropTypes, AsnType, AsnTypeTypes, OctetString } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { DIGESTS, OID_SHA256 } from './digests.js';
import { readAsn } from './read-asn.js';

export const OID_SIGNING_CERTIFICATE_V2 = '1.2.840.113549.1.9.16.2.47';

/** `SEQUENCE { hashAlgorithm DEFAULT sha256, certHash OCTET STRING, issuerSerial OPTIONAL }` */
class EssCertIdV2 {
  @AsnProp({ type: AlgorithmIdentifier, optional: true })
  hashAlgorithm?: AlgorithmIdentifier;

  @AsnProp({ type: OctetString })
  certHash = new OctetString();

  @AsnProp({ type: AsnPropTypes.Any, optional: true })
  issuerSerial?: ArrayBuffer;
}

/** `SEQUENCE { certs SEQUENCE OF ESSCertIDv2, policies OPTIONAL }` */
@AsnType({ type: AsnTypeTypes.Sequence })
class SigningCertificateV2 {
  @AsnProp({ type: EssCertIdV2, repeated: 'sequence' })
  certs: EssCertIdV2[] = [];

  @AsnProp({ type: AsnPropTypes.Any, optional: true })
  policies?: ArrayBuffer;
}

/**
 * @param attribute value of the signed attribute
 * @throws FormatError `timestamp.signing-certificate` when it does not name this certificate first
 */
export function requireSigningCertificate(attribute: ArrayBuffer, signer: X509Certificate): void {
  const code = 'timestamp.signing-certificate';
  const [first] = readAsn(code, attribute, SigningCertificateV2).certs;
  const digest = DIGESTS[first?.hashAlgorithm?.algorithm ?? OID_SHA256];
  if (!first || digest === undefined) throw new FormatError(code, 'the token names no certificate by a SHA-2 hash');
  if (createHash(digest).update(signer.raw).digest().equals(Buffer.from(first.certHash.buffer))) return;
  throw new FormatError(code, 'the token was signed with another certificate than the one beside it');
}
