/** An observation and its grade as they are written down in the system ledger: everything that was decided by, and no more. */
import { formatTimestamp, type EndpointPosture } from '@everseal/audit-core';
import type { Posture } from './judge.js';
import type { Observation, ObservedChain } from './observation.js';

export function summarise(seen: Observation, { grade, findings }: Posture): EndpointPosture {
  const { url, versions, suites, groups, chain, nobody, stranger, plaintext } = seen;
  return {
    url,
    grade,
    findings: findings.map(({ id }) => id),
    protocols: Object.entries(versions).flatMap(([name, answer]) => (answer === 'offered' ? [name] : [])),
    suites: [...new Set(Object.values(suites).flat())].toSorted(),
    groups: groups.toSorted(),
    certificate: chain && certificateOf(chain),
    clients: { nobody: nobody.outcome, stranger: stranger.outcome, plaintext: plaintext.outcome },
  };
}

function certificateOf({ sent, used }: ObservedChain): EndpointPosture['certificate'] {
  const [leaf] = sent;
  if (leaf === undefined) return null;
  const { subject, issuer, names, serial, notBefore, notAfter, keyType, keyBits, fingerprint } = leaf;
  return {
    subject,
    issuer,
    names,
    serial,
    notBefore: formatTimestamp(notBefore),
    notAfter: formatTimestamp(notAfter),
    key: `${keyType} ${keyBits}`,
    fingerprint,
    keys: used.map(({ spki }) => spki),
  };
}
