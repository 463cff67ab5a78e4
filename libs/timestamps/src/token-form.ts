/** The one form in which a token is kept: what is signed, the certificates of the chain, the signature, and algorithms in one way. */
import type { X509Certificate } from 'node:crypto';
import { DER_TAG, writeDer, writeOid } from '@everseal/audit-core';
import { id_signedData } from '@peculiar/asn1-cms';
import { id_ct_tstInfo } from '@peculiar/asn1-tsp';
import { DIGESTS, OID_RSA, SIGNATURES, type Digest } from './digests.js';
import { signedAttributes, signerIds, type OpenedToken } from './open-token.js';

const NULL = Buffer.from([0x05, 0x00]);
/** Context tags of the fields. */
const [CONTEXT_0, KEY_ID] = [0xa0, 0x80];

/** @param chain the signer's certificate first */
export function writeToken(
  { content, signerInfo, digest, signer }: OpenedToken,
  chain: readonly X509Certificate[],
): Buffer {
  const { sid, signatureAlgorithm, signature } = signerInfo;
  const ids = signerIds(signer);
  const byKeyId = sid.issuerAndSerialNumber === undefined;
  const digestAlgorithm = writeDer(DER_TAG.sequence, writeOid(oidOf(digest)), NULL);
  const isRsa = SIGNATURES[signatureAlgorithm.algorithm]!.key === 'rsa';
  const signerBytes = writeDer(
    DER_TAG.sequence,
    writeDer(DER_TAG.integer, Buffer.from([byKeyId ? 3 : 1])),
    byKeyId ? writeDer(KEY_ID, ids.keyId!) : ids.issuerAndSerial,
    digestAlgorithm,
    writeDer(CONTEXT_0, signedAttributes(signerInfo)),
    isRsa
      ? writeDer(DER_TAG.sequence, writeOid(OID_RSA), NULL)
      : writeDer(DER_TAG.sequence, writeOid(signatureAlgorithm.algorithm)),
    writeDer(DER_TAG.octetString, Buffer.from(signature.buffer)),
  );
  const signedData = writeDer(
    DER_TAG.sequence,
    writeDer(DER_TAG.integer, Buffer.from([3])),
    writeDer(DER_TAG.set, digestAlgorithm),
    writeDer(DER_TAG.sequence, writeOid(id_ct_tstInfo), writeDer(CONTEXT_0, writeDer(DER_TAG.octetString, content))),
    writeDer(CONTEXT_0, ...chain.map(({ raw }) => raw)),
    writeDer(DER_TAG.set, signerBytes),
  );
  return writeDer(DER_TAG.sequence, writeOid(id_signedData), writeDer(CONTEXT_0, signedData));
}

function oidOf(digest: Digest): string {
  return Object.entries(DIGESTS).find(([, name]) => name === digest)![0];
}
