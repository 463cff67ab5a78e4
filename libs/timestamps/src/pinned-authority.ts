/**
 * The certificates that a time-stamp authority (TSA) is known by: one or more in a PEM file that an operator put there. A token
 * counts when the chain from the certificate that signed it leads to one of them: a root, an intermediate, or the TSA's own.
 */
import { X509Certificate } from 'node:crypto';
import { FormatError } from '@everseal/audit-core';

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** A file with more was named by mistake. */
const MOST_CERTIFICATES = 100;

/** @throws FormatError `timestamp.authority` when there is no certificate in it, or one that cannot be read */
export function parsePinnedAuthority(pem: Uint8Array): X509Certificate[] {
  const blocks = Buffer.from(pem).toString('latin1').match(PEM_CERTIFICATE) ?? [];
  if (blocks.length === 0 || blocks.length > MOST_CERTIFICATES) {
    throw new FormatError(
      'timestamp.authority',
      `a file of pinned certificates holds 1 to ${MOST_CERTIFICATES} of them in PEM, this one ${blocks.length}`,
    );
  }
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw new FormatError('timestamp.authority', 'a PEM block among the pinned certificates is no certificate', {
      cause,
    });
  }
}
