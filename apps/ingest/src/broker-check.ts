/**
 * What the broker must prove before anything is accepted: each of its JetStream servers syncs before it acknowledges, messages
 * may have exactly 1 MiB, and the ledger's stream is what the policy calls for. A PubAck means nothing without these.
 */
import { compareStream, expectedFrames, MAX_PAYLOAD_BYTES, type Policy } from '@everseal/policy';
import type { NatsLink, ServerDurability, StreamReader } from '@everseal/messaging';

/** Why a PubAck of these servers cannot be relied on, null when it can. */
export function durabilityProblem(link: NatsLink, servers: readonly ServerDurability[]): string | null {
  const lax = servers.filter(({ syncAlways }) => !syncAlways).map(({ server }) => server);
  if (lax.length > 0)
    return `NATS server ${lax.join(', ')} acknowledges before it syncs: set jetstream.sync_interval to always`;
  if (link.maxPayload !== MAX_PAYLOAD_BYTES) {
    return `NATS takes messages of ${link.maxPayload} bytes: set max_payload to ${MAX_PAYLOAD_BYTES}`;
  }
  return null;
}

/** In what the stream differs from the policy, null when it does not. @throws MessagingError */
export async function streamProblem(reader: StreamReader, policy: Policy, ledger: string): Promise<string | null> {
  const { config } = await reader.info();
  const differences = compareStream(expectedFrames(policy, ledger), config);
  if (differences.length === 0) return null;
  const list = differences.map(({ field, expected, actual }) => `${field} is ${actual}, not ${expected}`);
  return `stream ${reader.stream} differs from the policy: ${list.join('; ')}. Provision it`;
}
