/** The request for a time stamp and the response to it (RFC 3161 §2.4), as bytes. What a response carries is judged by timestamp-token.ts. */
import { createHash } from 'node:crypto';
import { FormatError } from '@everseal/audit-core';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { MessageImprint, PKIStatus, TimeStampReq, TimeStampReqVersion, TimeStampResp } from '@peculiar/asn1-tsp';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { OID_SHA256 } from './digests.js';
import { readAsn } from './read-asn.js';

/** Bytes of a nonce: two requests never have the same. */
export const NONCE_BYTES = 16;
/** Chains of certificates included. */
export const MOST_RESPONSE_BYTES = 256 * 1024;

export interface TimestampRequest {
  /** What is to be stamped; its SHA-256 goes into the request, never the bytes. */
  readonly message: Uint8Array;
  /** NONCE_BYTES random bytes; the response has to carry them. */
  readonly nonce: Uint8Array;
  /** Under which of its policies the TSA is to sign; null leaves it to the TSA. */
  readonly policy: string | null;
}

/** Asks for SHA-256 and for the TSA's certificate in the token. */
export function formatTimestampRequest({ message, nonce, policy }: TimestampRequest): Buffer {
  const request = new TimeStampReq({
    version: TimeStampReqVersion.v1,
    messageImprint: new MessageImprint({
      hashAlgorithm: new AlgorithmIdentifier({ algorithm: OID_SHA256, parameters: null }),
      hashedMessage: new OctetString(createHash('sha256').update(message).digest()),
    }),
    nonce: Uint8Array.from(positive(nonce)).buffer,
    certReq: true,
  });
  if (policy !== null) request.reqPolicy = policy;
  return Buffer.from(AsnConvert.serialize(request));
}

/** A nonce as the content of an INTEGER: above zero, in its shortest form. */
export function positive(nonce: Uint8Array): Buffer {
  const bytes = Buffer.from(nonce);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes;
}

/**
 * The token out of a response; nothing of it is checked yet.
 * @throws FormatError `timestamp.response` for bytes that are none, `timestamp.refused` when the TSA did not grant it
 */
export function openTimestampResponse(response: Uint8Array): Buffer {
  if (response.length > MOST_RESPONSE_BYTES) {
    throw new FormatError('timestamp.response', `a response has at most ${MOST_RESPONSE_BYTES} bytes`);
  }
  const { status, timeStampToken } = readAsn('timestamp.response', response, TimeStampResp);
  if (status.status !== PKIStatus.granted && status.status !== PKIStatus.grantedWithMods) {
    const words = [...(status.statusString ?? [])].join('; ').slice(0, 200);
    const name = PKIStatus[status.status] ?? 'unknown';
    const why = [words, failureOf(status.failInfo)].filter((part) => part !== '').join(', ');
    throw new FormatError(
      'timestamp.refused',
      `the TSA answered with status ${status.status} (${name})${why === '' ? '' : `: ${why}`}`,
    );
  }
  if (!timeStampToken) throw new FormatError('timestamp.response', 'the response grants a token and carries none');
  return Buffer.from(AsnConvert.serialize(timeStampToken));
}

function failureOf(info: TimeStampResp['status']['failInfo']): string {
  return info === undefined ? '' : info.toString();
}
