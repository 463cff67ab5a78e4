/**
 * The two streams that all ledgers share, announcements and alerts, against the policy: `stream.config` when one of them is
 * not as it should be, cleared when it is. An alert stream with a smaller bound forgets alerts.
 */

import type { Finding } from '@everseal/audit-core';
import type { StreamReader } from '@everseal/messaging';
import { compareStream, type ActualStream, type ExpectedStream } from '@everseal/policy';
import type { AlertBook } from '@everseal/process';

export interface SharedStream {
  readonly reader: StreamReader;
  readonly expected: ExpectedStream;
}

export class SharedStreams {
  /** @param ledger that its alerts name: they have to name one */
  constructor(
    private readonly ledger: string,
    private readonly streams: readonly SharedStream[],
    private readonly alerts: AlertBook,
  ) {}

  async look(): Promise<void> {
    for (const { reader, expected } of this.streams) {
      const wrong = wrongConfig(expected, (await reader.info()).config);
      const named = wrong ? [{ ...wrong, context: { ledger: this.ledger, evidence: wrong.evidence } }] : [];
      this.alerts.reconcile(`the stream ${expected.name}`, named);
    }
  }
}

/** What is wrong with a stream's config; null when it is as the policy says. */
export function wrongConfig(
  expected: ExpectedStream,
  config: ActualStream,
): { finding: Finding; evidence: Record<string, string> } | null {
  const differences = compareStream(expected, config);
  if (differences.length === 0) return null;
  const told = differences.map(({ field, expected: should, actual }) => `${field} is ${actual}, should be ${should}`);
  const detail = `the stream ${expected.name} is not as the policy says: ${told.join('; ')}`;
  const finding: Finding = { code: 'stream.config', index: null, height: null, detail };
  return { finding, evidence: { differences: JSON.stringify(differences) } };
}
