/**
 * What a producer may write, asked by ingest for every request; in the system ledger the producers are the services
 * (system-producers.ts). The ledger is also enforced by the broker (a
 * certificate publishes to its own subjects only); the source of an event is enforced here alone, because it stands
 * inside the payload.
 */
import { SYSTEM_SOURCE } from '@everseal/audit-core';
import type { Policy } from './policy.js';
import { systemProducers } from './system-producers.js';

/** Longest `source` pattern, in UTF-8 bytes. */
export const MOST_SOURCE_BYTES = 1_024;

/** Whether a text can stand in a producer's `sources`: 1 to 1,024 bytes, no `*` but one at the end. */
export function isSourcePattern(text: string): boolean {
  const bytes = Buffer.byteLength(text);
  const star = text.indexOf('*');
  return bytes >= 1 && bytes <= MOST_SOURCE_BYTES && (star === -1 || star === text.length - 1);
}

/** Whether the policy has that producer and lets it write to that ledger. */
export function mayWrite(policy: Policy, producer: string, ledger: string): boolean {
  if (ledger === policy.systemLedger) return systemProducers(policy).some((service) => service.producer === producer);
  const found = policy.producers.find(({ name }) => name === producer);
  return found !== undefined && found.ledgers.includes(ledger);
}

/**
 * The question "may this producer use that CloudEvents `source` in this ledger?" for one producer, made once and asked for
 * each of its events. In the system ledger a service has its own and no other; elsewhere nobody has one of a service,
 * whatever the patterns say. Bytes are compared as they are: no case folding, no URI normalisation, so that two readers of a policy cannot
 * differ. `a*` allows `a` and everything that starts so. A producer the policy does not have may use none.
 */
export function sourceRule(policy: Policy, producer: string, ledger: string): (source: string) => boolean {
  if (ledger === policy.systemLedger) {
    const own = systemProducers(policy).find((service) => service.producer === producer)?.source;
    return (source) => source === own;
  }
  const sources = policy.producers.find(({ name }) => name === producer)?.sources ?? [];
  const exact = new Set(sources.filter((source) => !source.endsWith('*')));
  const prefixes = sources.filter((source) => source.endsWith('*')).map((source) => source.slice(0, -1));
  return (source) =>
    !source.startsWith(SYSTEM_SOURCE) && (exact.has(source) || prefixes.some((prefix) => source.startsWith(prefix)));
}

/** As sourceRule, for a single question. */
export function maySource(policy: Policy, producer: string, ledger: string, source: string): boolean {
  return sourceRule(policy, producer, ledger)(source);
}
