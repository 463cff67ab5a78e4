/**
 * From what was seen of the endpoints to what is to be said: verdicts `tls.posture` and `tls.expiry`. Pure.
 *
 * A certificate that has lapsed is `tls.expiry` and nothing else: one thing is one alert. A finding of a kind that passes by
 * itself (a restart, a renewal that the server has not taken up yet) is said only once it has lasted.
 */
import type { Finding } from '@everseal/audit-core';
import {
  expiryStage,
  isBelow,
  type Grade,
  type ListUpdates,
  type Observation,
  type ObservedCertificate,
  type Posture,
  type PostureFinding,
} from '@everseal/tls-posture';

/** Findings that a restart, a renewal or a clock that is set makes, and that end with it. */
const PASSING: ReadonlySet<string> = new Set([
  'certificate.early',
  'endpoint.unreachable',
  'scan.incomplete',
  'clients.own',
  'certificate.stale',
]);
/** What makes an observation too thin to say that something is good again. */
const BLINDING: ReadonlySet<string> = new Set(['endpoint.unreachable', 'scan.incomplete']);
const OF_EXPIRY = 'certificate.expired';

/** A finding with what tells it from others of its code. */
export interface SubjectFinding {
  readonly finding: Finding;
  readonly subject: string;
}

/** A certificate with where it was found: an endpoint, or a file. */
export interface PlacedCertificate {
  readonly where: string;
  readonly certificate: ObservedCertificate;
}

export const isPassing = ({ id }: PostureFinding): boolean => PASSING.has(id);

/** Whether so much was seen that what is not found is not there. */
export const isComplete = ({ findings }: Posture): boolean => !findings.some(({ id }) => BLINDING.has(id));

/** What keeps an endpoint below the grade that it must have. */
export function postureFindings(url: string, findings: readonly PostureFinding[], minimum: Grade): SubjectFinding[] {
  return findings
    .filter(({ id, atMost }) => id !== OF_EXPIRY && isBelow(atMost, minimum))
    .map(({ id, atMost, what, detail }) => ({
      subject: id,
      finding: postureFinding(`${url}: ${what} (${detail})`, `at least ${minimum}`, `${atMost} at most, ${id}`),
    }));
}

export function postureFinding(detail: string, expected: string, found: string): Finding {
  return { code: 'tls.posture', index: null, height: null, detail, expected, found };
}

/** One key that serves for several services: whoever has one of them can pass for the others. */
export function reusedKeys(
  seen: readonly { readonly service: string | null; readonly observation: Observation }[],
): SubjectFinding[] {
  const users = new Map<string, Set<string>>();
  for (const { service, observation } of seen) {
    const spki = observation.chain?.sent[0]?.spki;
    if (service === null || spki === undefined || spki === '') continue;
    users.set(spki, (users.get(spki) ?? new Set()).add(service));
  }
  return [...users].flatMap(([spki, services]) => {
    if (services.size < 2) return [];
    const names = [...services].toSorted().join(', ');
    const detail = `${names} serve with one and the same key`;
    return [{ subject: spki, finding: postureFinding(detail, 'a key of its own for each service', spki) }];
  });
}

/** Certificates that are near their end, or beyond it; each once, wherever it stands. @param now milliseconds since the epoch */
export function expiryFindings(certificates: readonly PlacedCertificate[], now: number): SubjectFinding[] {
  const places = new Map<string, { certificate: ObservedCertificate; where: Set<string> }>();
  for (const { where, certificate } of certificates) {
    const known = places.get(certificate.fingerprint) ?? { certificate, where: new Set<string>() };
    known.where.add(where);
    places.set(certificate.fingerprint, known);
  }
  return [...places.values()].flatMap(({ certificate, where }) => {
    const stage = expiryStage(certificate, now);
    if (stage === null) return [];
    const { subject, serial, notAfter, fingerprint } = certificate;
    const until = new Date(notAfter).toISOString();
    const detail = `the certificate ${subject} (serial ${serial}) of ${[...where].join(', ')} lapses on ${until}: ${stage}`;
    return [{ subject: `${fingerprint} ${stage}`, finding: expiryFinding(detail, stage) }];
  });
}

/**
 * Revocation lists that are near their end, by the rule of certificates, beyond it, or not to be read.
 * @param updates of each list in the file; null when it cannot be read
 * @param now milliseconds since the epoch
 */
export function revocationFindings(
  files: readonly { readonly file: string; readonly updates: readonly ListUpdates[] | null }[],
  now: number,
): SubjectFinding[] {
  return files.flatMap(({ file, updates }) => {
    const stages = updates === null ? ['cannot be read'] : updates.flatMap((list) => listStage(list, now) ?? []);
    return [...new Set(stages)].map((stage) => {
      return { subject: `${file} ${stage}`, finding: expiryFinding(`the revocation list ${file}: ${stage}`, stage) };
    });
  });
}

function listStage({ thisUpdate, nextUpdate }: ListUpdates, now: number): string | null {
  if (nextUpdate === null) return null;
  return expiryStage({ notBefore: thisUpdate, notAfter: nextUpdate, isAuthority: false }, now);
}

function expiryFinding(detail: string, found: string): Finding {
  return { code: 'tls.expiry', index: null, height: null, detail, expected: 'renewed in time', found };
}
