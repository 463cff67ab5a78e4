/**
 * What a certificate says about itself, as plain values: for logs, metrics, the posture scanner and the checks in
 * material.ts. Nothing is verified here.
 *
 * Source: RFC 5280 §4.2.1.6 (subject alternative names), §4.2.1.12 (extended key usage). node:crypto gives the names as
 * one string, `DNS:a, URI:b`; a value that holds a comma or a quote is written as a JSON string (Node's answer to
 * CVE-2021-44532), so it is read back as one.
 */
import type { X509Certificate } from 'node:crypto';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** Which end of a connection a certificate may stand at. */
export type Purpose = 'client' | 'server';

export interface CertificateFacts {
  /** Common name of the subject; '' when there is none. Postgres maps it to a role. */
  commonName: string;
  /** Every subject alternative name as `DNS:…`, `URI:…`, `IP Address:…`, in the certificate's order. */
  names: string[];
  /** `URI:` names alone, without the prefix. NATS maps the first to a user. */
  uris: string[];
  /** Serial number, upper-case hex, as OpenSSL prints it. */
  serial: string;
  issuer: string;
  notBefore: Date;
  notAfter: Date;
  /** From the extended key usage; empty when the certificate does not name any. */
  purposes: Purpose[];
  /** SHA-256 of the DER bytes, lower-case hex. */
  fingerprint: string;
}

/** @param certificate any parsed certificate; a leaf for all fields to make sense */
export function certificateFacts(certificate: X509Certificate): CertificateFacts {
  const names = splitNames(certificate.subjectAltName ?? '');
  const usages: readonly string[] = certificate.keyUsage ?? [];
  const purposes: Purpose[] = [];
  if (usages.includes(CLIENT_AUTH)) purposes.push('client');
  if (usages.includes(SERVER_AUTH)) purposes.push('server');
  return {
    commonName: /^CN=(.*)$/m.exec(certificate.subject ?? '')?.[1] ?? '',
    names,
    uris: names.filter((name) => name.startsWith('URI:')).map((name) => name.slice('URI:'.length)),
    serial: certificate.serialNumber,
    issuer: certificate.issuer.replaceAll('\n', ', '),
    notBefore: new Date(certificate.validFrom),
    notAfter: new Date(certificate.validTo),
    purposes,
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

function splitNames(text: string): string[] {
  const names: string[] = [];
  // Each item is `TYPE:` and then either a JSON string or anything without a comma.
  for (const match of text.matchAll(/([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)) {
    const [, type = '', value = ''] = match;
    names.push(`${type.trim()}:${value.startsWith('"') ? String(JSON.parse(value)) : value}`);
  }
  return names;
}

/** How much of a certificate's life is left: 'due' from two thirds on (it should have been renewed), 'late' in the last sixth. */
export type RenewalState = 'fresh' | 'due' | 'late' | 'expired';

/** @param now milliseconds since the epoch */
export function renewalState(facts: CertificateFacts, now: number): RenewalState {
  const end = facts.notAfter.getTime();
  const left = (end - now) / (end - facts.notBefore.getTime());
  if (left <= 0) return 'expired';
  if (left < 1 / 6) return 'late';
  return left < 1 / 3 ? 'due' : 'fresh';
}
