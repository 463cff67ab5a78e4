/**
 * When certificate revocation lists were made, and when they say that there will be newer ones. After that OpenSSL refuses everybody whom it
 * would check with them, so they have to be renewed in time. A file of Postgres holds one for each authority of a chain.
 *
 * Source: RFC 5280 §5.1. Nothing is verified here.
 */
import { DER_TAG } from '@everseal/audit-core';
import { Malformed } from './byte-reader.js';
import { readDer, readSequence, readTime } from './der.js';

/** Milliseconds since the epoch. */
export interface ListUpdates {
  thisUpdate: number;
  /** Null when it promises none. */
  nextUpdate: number | null;
}

const PEM = /-----BEGIN (?:X509 )?CRL-----([A-Za-z0-9+/=\s]+)-----END (?:X509 )?CRL-----/g;

const isTime = ({ tag }: { tag: number }): boolean => tag === DER_TAG.utcTime || tag === DER_TAG.generalizedTime;

/**
 * @param bytes PEM (`X509 CRL`, any number) or DER (one)
 * @returns one at least, in the order of the file
 * @throws Malformed
 */
export function listUpdatesIn(bytes: Buffer): ListUpdates[] {
  const lists = [...bytes.toString('latin1').matchAll(PEM)].map(([, base64]) => Buffer.from(base64!, 'base64'));
  return (lists.length === 0 ? [bytes] : lists).map(updatesOf);
}

function updatesOf(der: Buffer): ListUpdates {
  const [list] = readSequence(der);
  if (list?.tag !== DER_TAG.sequence) throw new Malformed('not a revocation list');
  // version, signature, issuer, thisUpdate, nextUpdate, …: the times are the first two, and thisUpdate is always there.
  const [thisUpdate, nextUpdate] = readDer(list.content).filter(isTime);
  if (thisUpdate === undefined) throw new Malformed('a revocation list without a time');
  return { thisUpdate: readTime(thisUpdate), nextUpdate: nextUpdate ? readTime(nextUpdate) : null };
}
