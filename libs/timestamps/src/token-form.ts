/** The one form in which a token is kept: what is signed, the certificates of the chain, the signature, and algorithms in one way. */
import type { X509Certificate } from 'node:crypto';
import { id_signedData } from '@peculiar/asn1-cms';
import { id_ct_tstInfo } from '@peculiar/asn1-tsp';
import { der, derOid, TAG } from './der.js';
import { DIGESTS, OID_RSA, SIGNATURES, type Digest } from './digests.js';
import { signedAttributes, signerIds, type OpenedToken } from './open-token.js';

const NULL = Buffer.from([0x05, 0x00]);

/** @param chain the signer's certificate first */
export function writeToken(
  { content, signerInfo, digest, signer }: OpenedToken,
  chain: readonly X509Certificate[],
): Buffer {
  const { sid, signatureAlgorithm, signature } = signerInfo;
  const ids = signerIds(signer);
  const byKeyId = sid.issuerAndSerialNumber === undefined;
  const digestAlgorithm = der(TAG.sequence, derOid(oidOf(digest)), NULL);
  const isRsa = SIGNATURES[signatureAlgorithm.algorithm]!.key === 'rsa';
  const signerBytes = der(
    TAG.sequence,
    der(TAG.integer, Buffer.from([byKeyId ? 3 : 1])),
    byKeyId ? der(0x80, ids.keyId!) : ids.issuerAndSerial,
    digestAlgorithm,
    der(TAG.context0, signedAttributes(signerInfo)),
    isRsa ? der(TAG.sequence, derOid(OID_RSA), NULL) : der(TAG.sequence, derOid(signatureAlgorithm.algorithm)),
    der(TAG.octets, Buffer.from(signature.buffer)),
  );
  const signedData = der(
    TAG.sequence,
    der(TAG.integer, Buffer.from([3])),
    der(TAG.set, digestAlgorithm),
    der(TAG.sequence, derOid(id_ct_tstInfo), der(TAG.context0, der(TAG.octets, content))),
    der(TAG.context0, ...chain.map(({ raw }) => raw)),
    der(TAG.set, signerBytes),
  );
  return der(TAG.sequence, derOid(id_signedData), der(TAG.context0, signedData));
}

function oidOf(digest: Digest): string {
  return Object.entries(DIGESTS).find(([, name]) => name === digest)![0];
}
