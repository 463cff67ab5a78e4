import { describe, expect, it } from '@jest/globals';
import { auditorByNames } from './auditors.js';
import { parsePolicy } from './parse-policy.js';

const POLICY = parsePolicy(
  `
domain: audit.example.com
ledgers: [{ name: main, ingesters: [a] }]
producers: [{ name: anna, ledgers: [main], sources: ['*'] }]
ingest: [{ name: a }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
auditors: [{ name: anna, ledgers: [main] }]
`,
  'everseal.yaml',
);

describe('an auditor', () => {
  it('is who the one name of the certificate says, and nobody else', () => {
    const own = 'URI:spiffe://audit.example.com/auditor/anna';
    expect(auditorByNames(POLICY, [own])).toEqual({ name: 'anna', ledgers: ['main'] });
    const others = [
      [],
      [own, own],
      [own, 'DNS:anna'],
      ['DNS:spiffe://audit.example.com/auditor/anna'],
      ['URI:spiffe://audit.example.com/producer/anna'],
      ['URI:spiffe://audit.example.com/svc/ops/anna'],
      ['URI:spiffe://other.example.com/auditor/anna'],
      ['URI:spiffe://audit.example.com/auditor/otto'],
    ];
    expect(others.map((names) => auditorByNames(POLICY, names))).toEqual(others.map(() => null));
  });

  it('has ledgers that there are, each once', () => {
    const text = (auditors: string): string => `
domain: audit.example.com
ledgers: [{ name: main, ingesters: [a] }]
producers: []
ingest: [{ name: a }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
readers: [{ name: r1 }]
auditors: ${auditors}
`;
    for (const auditors of [
      '[{ name: anna, ledgers: [none] }]',
      '[{ name: anna, ledgers: [main, main] }]',
      '[{ name: anna, ledgers: [main] }, { name: anna, ledgers: [main] }]',
      '[{ name: anna, ledgers: [] }]',
    ]) {
      expect(() => parsePolicy(text(auditors), 'everseal.yaml')).toThrow(/auditors/);
    }
    expect(parsePolicy(text('[]'), 'everseal.yaml').readers).toEqual([{ name: 'r1' }]);
  });
});
