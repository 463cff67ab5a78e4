/**
 * The files that have to do with TLS, as far as the verifier can read them: what servers ought to serve, what it shows
 * itself, whom it trusts, revocation lists. What cannot be read is a finding, never a reason to stop.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  listUpdatesIn,
  Malformed,
  observeCertificate,
  parseCertificates,
  type ListUpdates,
  type ObservedCertificate,
} from '@everseal/tls-posture';
import { postureFinding, type SubjectFinding } from './posture-findings.js';

type Certificates = ReturnType<typeof parseCertificates>;

/** Certificates in a file, leaf first; null when there are none that can be read. */
export function certificatesIn(file: string): Certificates | null {
  try {
    const found = parseCertificates(readFileSync(file, 'utf8'));
    return found.length === 0 ? null : found;
  } catch {
    return null;
  }
}

/** The leaf's fingerprint in a file; null when it cannot be read. */
export function leafIn(file: string): string | null {
  const [leaf] = certificatesIn(file) ?? [];
  return leaf ? observeCertificate(leaf).fingerprint : null;
}

/** Each with its place. */
export function placedCertificates(files: readonly string[]): { where: string; certificate: ObservedCertificate }[] {
  return files.flatMap((file) =>
    (certificatesIn(file) ?? []).map((one) => ({ where: file, certificate: observeCertificate(one) })),
  );
}

export function unreadable(files: readonly string[]): SubjectFinding[] {
  return files
    .filter((file) => certificatesIn(file) === null)
    .map((file) => ({
      subject: file,
      finding: postureFinding(`${file} holds no certificate that can be read`, 'a PEM certificate', 'none'),
    }));
}

/** Of each revocation list in a file; null when one of them cannot be read. */
export function updatesIn(file: string): ListUpdates[] | null {
  try {
    return listUpdatesIn(readFileSync(file));
  } catch (error) {
    if (error instanceof Malformed || (error as NodeJS.ErrnoException).code !== undefined) return null;
    throw error;
  }
}

/** Changes when one of the files does, appears or goes away. */
export function digestOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) {
    hash.update(`${file}\0`);
    try {
      hash.update(readFileSync(file));
    } catch {
      hash.update('not readable');
    }
  }
  return hash.digest('hex');
}
