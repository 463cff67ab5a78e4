/**
 * When a certificate revocation list says that there will be a newer one. After that OpenSSL refuses everybody whom it would
 * check with it, so it has to be renewed in time.
 *
 * Source: RFC 5280 §5.1. Nothing is verified here.
 */
import { DER_TAG } from '@everseal/audit-core';
import { Malformed } from './byte-reader.js';
import { readDer, readSequence, readTime } from './der.js';

const isTime = ({ tag }: { tag: number }): boolean => tag === DER_TAG.utcTime || tag === DER_TAG.generalizedTime;

/**
 * @param bytes PEM (`X509 CRL`, one) or DER
 * @returns milliseconds since the epoch; null when it promises none
 * @throws Malformed
 */
export function nextUpdateOf(bytes: Buffer): number | null {
  const pem = /-----BEGIN (?:X509 )?CRL-----([A-Za-z0-9+/=\s]+)-----END/.exec(bytes.toString('latin1'));
  const [list] = readSequence(pem ? Buffer.from(pem[1]!, 'base64') : bytes);
  if (list?.tag !== DER_TAG.sequence) throw new Malformed('not a revocation list');
  // version, signature, issuer, thisUpdate, nextUpdate, …: the times are the first two, and thisUpdate is always there.
  const times = readDer(list.content).filter(isTime);
  if (times.length === 0) throw new Malformed('a revocation list without a time');
  return times[1] ? readTime(times[1]) : null;
}
