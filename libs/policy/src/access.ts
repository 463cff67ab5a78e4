/**
 * What a producer may write, asked by ingest for every request. The ledger is also enforced by the broker (a
 * certificate publishes to its own subjects only); the source of an event is enforced here alone, because it stands
 * inside the payload.
 */
import type { Policy } from './policy.js';

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
  const found = policy.producers.find(({ name }) => name === producer);
  return found !== undefined && found.ledgers.includes(ledger);
}

/**
 * The question "may this producer use that CloudEvents `source`?" for one producer, made once and asked for each of its
 * events. Bytes are compared as they are: no case folding, no URI normalisation, so that two readers of a policy cannot
 * differ. `a*` allows `a` and everything that starts so. A producer the policy does not have may use none.
 */
export function sourceRule(policy: Policy, producer: string): (source: string) => boolean {
  const sources = policy.producers.find(({ name }) => name === producer)?.sources ?? [];
  const exact = new Set(sources.filter((source) => !source.endsWith('*')));
  const prefixes = sources.filter((source) => source.endsWith('*')).map((source) => source.slice(0, -1));
  return (source) => exact.has(source) || prefixes.some((prefix) => source.startsWith(prefix));
}

/** As sourceRule, for a single question. */
export function maySource(policy: Policy, producer: string, source: string): boolean {
  return sourceRule(policy, producer)(source);
}
