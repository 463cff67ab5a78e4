/** Takes a time-stamp token apart: its parts as they came, nothing of it checked but that it is one, with one signature. */
import { X509Certificate } from 'node:crypto';
import { FormatError } from '@everseal/audit-core';
import {
  CMSVersion,
  ContentInfo,
  EncapsulatedContentInfo,
  id_signedData,
  IssuerAndSerialNumber,
  SignerInfo,
} from '@peculiar/asn1-cms';
import { AsnConvert, AsnProp, AsnPropTypes } from '@peculiar/asn1-schema';
import { id_ct_tstInfo, TSTInfo } from '@peculiar/asn1-tsp';
import {
  AlgorithmIdentifier,
  Certificate,
  id_ce_subjectKeyIdentifier,
  SubjectKeyIdentifier,
} from '@peculiar/asn1-x509';
import { DIGESTS, type Digest } from './digests.js';
import { readAsn } from './read-asn.js';
import { MOST_RESPONSE_BYTES } from './timestamp-request.js';

/** SignedData with its parts as they came. */
class CarriedSignedData {
  @AsnProp({ type: AsnPropTypes.Integer })
  version = CMSVersion.v0;

  @AsnProp({ type: AlgorithmIdentifier, repeated: 'set' })
  digestAlgorithms: AlgorithmIdentifier[] = [];

  @AsnProp({ type: EncapsulatedContentInfo })
  encapContentInfo = new EncapsulatedContentInfo();

  @AsnProp({ type: AsnPropTypes.Any, repeated: 'set', context: 0, implicit: true, optional: true })
  certificates?: ArrayBuffer[];

  @AsnProp({ type: AsnPropTypes.Any, context: 1, implicit: true, optional: true })
  crls?: ArrayBuffer;

  @AsnProp({ type: SignerInfo, repeated: 'set' })
  signerInfos: SignerInfo[] = [];
}

export interface OpenedToken {
  /** The bytes that `info` was read from: what the signature is about. */
  content: Buffer;
  info: TSTInfo;
  signerInfo: SignerInfo;
  digest: Digest;
  signer: X509Certificate;
  carried: X509Certificate[];
}

/**
 * @param pinned certificates that may have signed it, beside those that it carries
 * @throws FormatError `timestamp.token`, `timestamp.algorithm`, `timestamp.signer`
 */
export function openToken(token: Uint8Array, pinned: readonly X509Certificate[]): OpenedToken {
  const code = 'timestamp.token';
  if (token.length > MOST_RESPONSE_BYTES)
    throw new FormatError(code, `a token has at most ${MOST_RESPONSE_BYTES} bytes`);
  const outer = readAsn(code, token, ContentInfo);
  if (outer.contentType !== id_signedData) throw new FormatError(code, 'it is not signed');
  const { encapContentInfo, certificates, signerInfos } = readAsn(code, outer.content, CarriedSignedData);
  const [signerInfo, second] = signerInfos;
  const content = encapContentInfo.eContent?.single;
  if (encapContentInfo.eContentType !== id_ct_tstInfo || !content || !signerInfo || second) {
    throw new FormatError(code, 'it is not a time stamp with one signature');
  }
  const info = readAsn(code, content.buffer, TSTInfo);
  const digest = DIGESTS[signerInfo.digestAlgorithm.algorithm];
  if (digest === undefined) throw new FormatError('timestamp.algorithm', 'it is not signed over a SHA-2 hash');
  const carried = (certificates ?? []).flatMap(certificateOf);
  const signer = [...carried, ...pinned].find((one) => isSigner(one, signerInfo));
  if (!signer) throw new FormatError('timestamp.signer', 'the certificate that signed it is neither in it nor pinned');
  return { content: Buffer.from(content.buffer), info, signerInfo, digest, signer, carried };
}

/** Others than X.509 certificates may stand there; they are no part of a chain. */
function certificateOf(raw: ArrayBuffer): X509Certificate[] {
  try {
    return [new X509Certificate(Buffer.from(raw))];
  } catch {
    return [];
  }
}

function isSigner(certificate: X509Certificate, { sid }: SignerInfo): boolean {
  const { issuerAndSerialNumber, subjectKeyIdentifier } = sid;
  const named = signerIds(certificate);
  if (issuerAndSerialNumber) {
    return Buffer.from(AsnConvert.serialize(issuerAndSerialNumber)).equals(named.issuerAndSerial);
  }
  return subjectKeyIdentifier !== undefined && (named.keyId?.equals(Buffer.from(subjectKeyIdentifier.buffer)) ?? false);
}

/** How a signer is named: by issuer and serial number, or by key id. */
export function signerIds({ raw }: X509Certificate): { issuerAndSerial: Buffer; keyId: Buffer | null } {
  const { tbsCertificate } = AsnConvert.parse(raw, Certificate);
  const { issuer, serialNumber, extensions } = tbsCertificate;
  const issuerAndSerial = Buffer.from(AsnConvert.serialize(new IssuerAndSerialNumber({ issuer, serialNumber })));
  const extension = (extensions ?? []).find(({ extnID }) => extnID === id_ce_subjectKeyIdentifier);
  const keyId = extension ? AsnConvert.parse(extension.extnValue.buffer, SubjectKeyIdentifier).buffer : null;
  return { issuerAndSerial, keyId: keyId && Buffer.from(keyId) };
}

/** What is signed, without the tag around it. */
export function signedAttributes({ signedAttrs }: SignerInfo): Buffer {
  return Buffer.concat((signedAttrs ?? []).map((attribute) => Buffer.from(AsnConvert.serialize(attribute))));
}
