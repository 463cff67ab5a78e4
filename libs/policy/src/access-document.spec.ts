/**
 * docs/operations/access.md holds a table of every right at the broker. It is made from broker-rights.ts, so a change
 * there that is not in the document fails here, and the failure shows the block to paste.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { brokerRightsOf } from './broker-rights.js';
import type { Service } from './identities.js';
import type { Policy } from './policy.js';

const DOCUMENT = new URL('../../../docs/operations/access.md', import.meta.url);

const PLACEHOLDERS = {
  producer: '<producer>',
  ingest: '<ingester>',
  sealer: '<sealer>',
  verifier: '<verifier>',
  ops: '<ops>',
  reader: '<reader>',
  follower: '<follower>',
};

const named = (name: string): { name: string }[] => [{ name }];

const POLICY: Policy = {
  domain: '<domain>',
  ledgers: [{ name: '<ledger>', ingesters: ['<ingester>'], frames: { maxBytes: 0, maxAgeMs: 0 }, spoolBytes: 0 }],
  systemLedger: '<system ledger>',
  producers: [{ name: '<producer>', ledgers: ['<ledger>'], sources: [] }],
  ingest: named('<ingester>'),
  sealers: named('<sealer>'),
  verifiers: named('<verifier>'),
  ops: named('<ops>'),
  readers: named('<reader>'),
  followers: named('<follower>'),
  auditors: [],
  replicas: 1,
  broker: {
    maxConnections: 0,
    maxConnectionsPerProducer: 0,
    writeDeadlineMs: 0,
    pingIntervalMs: 0,
    tlsTimeoutMs: 0,
    alertBytes: 0,
  },
};

function table(service: Service, name: string): string {
  const rows = brokerRightsOf(POLICY, { service, name }).map(({ way, subject, queue, what }) => {
    const shown = queue === undefined ? `\`${subject}\`` : `\`${subject}\` queue \`${queue}\``;
    return `| ${way} | ${shown} | ${what} |`;
  });
  return [`### ${service}`, '', '| way | subject | for |', '| --- | --- | --- |', ...rows].join('\n');
}

function rights(): string {
  const services = Object.entries(PLACEHOLDERS) as [Service, string][];
  return [...services, ['provisioner', 'deploy'] as const].map(([service, name]) => table(service, name)).join('\n\n');
}

/** Column padding and blank lines are the formatter's business. */
function squeezed(markdown: string): string {
  return markdown
    .replaceAll(/ +/g, ' ')
    .replaceAll(/-{3,}/g, '---')
    .split('\n')
    .map((line) => line.trim())
    .join('\n');
}

describe('docs/operations/access.md', () => {
  it('holds exactly the rights of broker-rights.ts', () => {
    expect(squeezed(readFileSync(DOCUMENT, 'utf8'))).toContain(squeezed(rights()));
  });
});
