/**
 * Who writes to the system ledger: every instance of a service that has something to say there (alerts; the reader who read
 * what; the follower what the engines logged), each as a producer of its own, named like its certificate. What it may write as `source` is fixed here, so that no service can speak for another.
 *
 * A producer of the policy may have such a name (`sealer-s1`), too: it cannot be given the system ledger, and the name
 * means the service in the system ledger and the producer everywhere else.
 */
import { SYSTEM_SOURCE } from '@everseal/audit-core';
import { commonNameOf } from './identities.js';
import type { Policy } from './policy.js';

/** The services that raise alerts. */
export type AlertingService = 'ingest' | 'sealer' | 'verifier';

/** The services that write to the system ledger. */
export type SystemService = AlertingService | 'reader' | 'follower';

export interface SystemProducer {
  service: SystemService;
  name: string;
  /** Last token of its submit subject, and the producer in the envelope of its events: `sealer-s1`. */
  producer: string;
  /** The one CloudEvents `source` that it may use: `everseal:<domain>/sealer/s1`. */
  source: string;
}

/** All of them, or none where the policy names no system ledger. */
export function systemProducers(policy: Policy): SystemProducer[] {
  if (policy.systemLedger === undefined) return [];
  const of = (service: SystemService, all: readonly { name: string }[]): SystemProducer[] =>
    all.map(({ name }) => ({
      service,
      name,
      producer: commonNameOf(service, name),
      source: `${SYSTEM_SOURCE}${policy.domain}/${service}/${name}`,
    }));
  return [
    ...of('ingest', policy.ingest),
    ...of('sealer', policy.sealers),
    ...of('verifier', policy.verifiers),
    ...of('reader', policy.readers),
    ...of('follower', policy.followers),
  ];
}
