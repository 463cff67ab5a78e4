/**
 * The certificate that signed a token, and the chain from it to a pinned one: judged at the time that the token says, so that a token
 * stays good when its certificates lapse later.
 *
 * Checked of the signer: extended key usage is critical and timeStamping alone (RFC 3161 §2.3). Of each link: the issuer's name and
 * signature, that the issuer is a CA, and validity. Not checked: revocation, name constraints, policies. Who pins a certificate
 * takes it away when its TSA cannot be trusted any more.
 */
import type { X509Certificate } from 'node:crypto';
import { FormatError } from '@everseal/audit-core';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate, ExtendedKeyUsage, id_ce_extKeyUsage, id_kp_timeStamping } from '@peculiar/asn1-x509';

/** A chain of more is no TSA's. */
const MOST_LINKS = 8;

/**
 * The certificates from the signer up as far as the token carries them: every link's name and signature fits. What is pinned decides
 * only which of several ways up is taken.
 *
 * @param carried certificates of the token, the signer's among them or not
 * @returns signer first
 */
export function carriedChain(
  signer: X509Certificate,
  carried: readonly X509Certificate[],
  pinned: readonly X509Certificate[],
): X509Certificate[] {
  const chain = [signer];
  for (let last = signer; chain.length <= MOST_LINKS;) {
    const issuers = carried.filter((one) => isIssuer(one, last) && !chain.some((link) => link.raw.equals(one.raw)));
    const next = issuers.find((one) => isPinned(one, pinned)) ?? issuers[0];
    if (!next) break;
    chain.push(next);
    last = next;
  }
  return chain;
}

/**
 * @param chain signer first
 * @param at the time at which all of it has to be valid, milliseconds since 1970
 * @throws FormatError `timestamp.key-usage`, `timestamp.validity`, `timestamp.chain`
 */
export function requirePinned(chain: readonly X509Certificate[], pinned: readonly X509Certificate[], at: number): void {
  const signer = chain[0]!;
  requireTimeStamping(signer);
  for (const link of chain) {
    requireValid(link, at);
    if (pinned.some((one) => one.raw.equals(link.raw))) return;
    const root = pinned.find((one) => isIssuer(one, link));
    if (!root) continue;
    requireValid(root, at);
    return;
  }
  throw new FormatError(
    'timestamp.chain',
    `the token is signed by ${subjectOf(signer)}, and no pinned certificate stands behind that`,
  );
}

/** Subject of a certificate in one line. */
export function subjectOf(certificate: X509Certificate): string {
  return certificate.subject.split('\n').join(', ');
}

function isPinned(certificate: X509Certificate, pinned: readonly X509Certificate[]): boolean {
  return pinned.some((one) => one.raw.equals(certificate.raw) || isIssuer(one, certificate));
}

function isIssuer(issuer: X509Certificate, subject: X509Certificate): boolean {
  return issuer.ca && subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}

function requireValid(certificate: X509Certificate, at: number): void {
  const { validFrom, validTo } = certificate;
  if (Date.parse(validFrom) <= at && at <= Date.parse(validTo)) return;
  const detail = `the certificate of ${subjectOf(certificate)} is valid from ${validFrom} to ${validTo}, not at the time of the token`;
  throw new FormatError('timestamp.validity', detail);
}

function requireTimeStamping(signer: X509Certificate): void {
  const { tbsCertificate } = AsnConvert.parse(signer.raw, Certificate);
  const usages = (tbsCertificate.extensions ?? []).filter(({ extnID }) => extnID === id_ce_extKeyUsage);
  const [usage] = usages;
  if (usages.length === 1 && usage?.critical) {
    const purposes = AsnConvert.parse(usage.extnValue.buffer, ExtendedKeyUsage);
    if (purposes.length === 1 && purposes[0] === id_kp_timeStamping) return;
  }
  throw new FormatError(
    'timestamp.key-usage',
    `the certificate of ${subjectOf(signer)} is not one for time stamps: its extended key usage has to be timeStamping alone, and critical`,
  );
}
