import { describe, expect, it } from '@jest/globals';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { isKeyName } from './key.js';
import {
  alertKeyName,
  ingestKeyName,
  logKeyName,
  operatorKeyName,
  originOf,
  parseDomain,
  parseLedgerName,
  parseName,
  parseOrigin,
  verifierKeyName,
} from './names.js';

type Invalid = { text: string; code: string; reason: string };
const vectors = readVectorFile<{
  domain: { valid: string[]; invalid: Invalid[] };
  ledger: { valid: string[]; invalid: Invalid[] };
  name: { valid: string[]; invalid: Invalid[] };
  origin: { valid: { text: string; domain: string; ledger: string }[]; invalid: Invalid[] };
  keyNames: Record<'log' | 'ingest' | 'verifier' | 'operator' | 'alerts', string>;
}>('names');

describe.each([
  ['domain', vectors.domain, parseDomain],
  ['ledger', vectors.ledger, parseLedgerName],
  ['name', vectors.name, parseName],
] as const)('%s', (_, { valid, invalid }, parse) => {
  it.each(valid)('%s', (text) => expect(parse(text)).toBe(text));
  it.each(invalid)('refuses $reason', ({ text, code }) => expect(codeOf(() => parse(text))).toBe(code));
});

describe('origin', () => {
  it.each(vectors.origin.valid)('$text', ({ text, domain, ledger }) => {
    expect(parseOrigin(text)).toEqual({ domain, ledger });
    expect(originOf(domain, ledger)).toBe(text);
  });

  it.each(vectors.origin.invalid)('refuses $reason', ({ text, code }) => {
    expect(codeOf(() => parseOrigin(text))).toBe(code);
  });

  it('allows a domain of 180 bytes and no more', () => {
    const domain = `${'a'.repeat(59)}.${'b'.repeat(59)}.${'c'.repeat(60)}`;
    expect(domain).toHaveLength(180);
    expect(parseDomain(domain)).toBe(domain);
    expect(codeOf(() => parseDomain(`${domain}c`))).toBe('name.domain');
  });
});

describe('key names', () => {
  const domain = 'audit.example.com';
  const names = {
    log: logKeyName(`${domain}/main`),
    ingest: ingestKeyName(domain, 'a'),
    verifier: verifierKeyName(domain, 'v1'),
    operator: operatorKeyName(domain, 'root'),
    alerts: alertKeyName(domain, 'sealer', 's1'),
  };

  it('are as formats.md has them', () => expect(names).toEqual(vectors.keyNames));
  it('are names of note keys', () => expect(Object.values(names).every(isKeyName)).toBe(true));

  it('take no part that could reach into another kind', () => {
    expect(codeOf(() => ingestKeyName(domain, 'a/b'))).toBe('name.name');
    expect(codeOf(() => logKeyName(`${domain}/ingest/a`))).toBe('name.ledger');
    expect(codeOf(() => alertKeyName(domain, 'sealer', 's1/alerts'))).toBe('name.name');
  });
});
