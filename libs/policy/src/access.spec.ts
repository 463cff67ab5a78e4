import { describe, expect, it } from '@jest/globals';
import { isSourcePattern, maySource, mayWrite, sourceRule } from './access.js';
import { parsePolicy } from './parse-policy.js';

const POLICY = parsePolicy(
  `
domain: audit.example.com
ledgers: [{ name: main, ingesters: [a] }, { name: extra, ingesters: [a] }, { name: system, ingesters: [a] }]
systemLedger: system
producers:
  - { name: billing, ledgers: [main], sources: ['https://billing.example.com/*', 'urn:billing'] }
  - { name: orders, ledgers: [main, extra], sources: ['*'] }
  - { name: sealer-s1, ledgers: [main], sources: ['*'] }
ingest: [{ name: a }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
`,
  'everseal.yaml',
);

describe('mayWrite', () => {
  it.each([
    ['billing', 'main', true],
    ['billing', 'extra', false],
    ['orders', 'extra', true],
    ['orders', 'other', false],
    ['nobody', 'main', false],
    ['', '', false],
    ['__proto__', 'main', false],
    ['orders', 'system', false],
    ['sealer-s1', 'system', true],
    ['sealer-s2', 'system', false],
    ['verifier-v1', 'system', true],
    ['ingest-a', 'system', true],
    ['ops-ops', 'system', false],
    ['verifier-v1', 'main', false],
  ])('%s to %s: %s', (producer, ledger, allowed) => {
    expect(mayWrite(POLICY, producer, ledger)).toBe(allowed);
  });
});

describe('maySource', () => {
  it.each([
    ['billing', 'https://billing.example.com/', true],
    ['billing', 'https://billing.example.com/eu/1', true],
    ['billing', 'https://billing.example.com', false],
    ['billing', 'HTTPS://billing.example.com/', false],
    ['billing', ' https://billing.example.com/', false],
    ['billing', 'https://billing.example.com.evil.example/', false],
    ['billing', 'urn:billing', true],
    ['billing', 'urn:billing:1', false],
    ['billing', 'urn:orders', false],
    ['billing', '', false],
    ['orders', 'anything', true],
    ['orders', '', true],
    ['nobody', 'anything', false],
  ])('%s as %j: %s', (producer, source, allowed) => {
    expect(maySource(POLICY, producer, 'main', source)).toBe(allowed);
    expect(sourceRule(POLICY, producer, 'main')(source)).toBe(allowed);
  });

  const SEALER = 'everseal:audit.example.com/sealer/s1';

  it.each([
    ['sealer-s1', 'system', SEALER, true],
    ['sealer-s1', 'system', `${SEALER}0`, false],
    ['sealer-s1', 'system', 'anything', false],
    ['verifier-v1', 'system', SEALER, false],
    ['orders', 'system', SEALER, false],
    ['orders', 'main', SEALER, false],
    ['orders', 'main', 'everseal:', false],
    ['sealer-s1', 'main', SEALER, false],
  ])('%s in %s as %j: %s: a service speaks for itself alone', (producer, ledger, source, allowed) => {
    expect(maySource(POLICY, producer, ledger, source)).toBe(allowed);
  });
});

describe('isSourcePattern', () => {
  it.each([
    ['a', true],
    ['*', true],
    ['a*', true],
    ['', false],
    ['a**', false],
    ['*a', false],
    ['é'.repeat(512), true],
    ['é'.repeat(513), false],
  ])('%j: %s', (text, valid) => expect(isSourcePattern(text)).toBe(valid));
});
