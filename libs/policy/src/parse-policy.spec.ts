import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parsePolicy, readPolicy } from './parse-policy.js';
import { PolicyError } from './policy-error.js';

const EXAMPLE = fileURLToPath(new URL('../../../everseal.yaml', import.meta.url));

const VALID = `domain: audit.example.com
ledgers:
  - name: main
    ingesters: [a, b]
  - name: extra
    ingesters: [b]
    spoolBytes: 1048576
    frames:
      maxBytes: 4194304
      maxAgeMs: 60000
producers:
  - name: billing
    ledgers: [main, extra]
    sources: ['https://billing.example.com/*', 'urn:billing']
ingest:
  - name: a
  - name: b
sealers:
  - name: s1
verifiers:
  - name: v1
ops:
  - name: ops
`;

function refusal(text: string): PolicyError {
  try {
    parsePolicy(text, 'everseal.yaml');
  } catch (error) {
    if (error instanceof PolicyError) return error;
    throw error;
  }
  throw new Error('the policy was accepted');
}

describe('the policy file', () => {
  it('fills in every default', () => {
    const policy = parsePolicy(VALID, 'everseal.yaml');
    const [main, extra] = policy.ledgers;
    const spoolBytes = 268_435_456;
    expect(main).toEqual({
      name: 'main',
      ingesters: ['a', 'b'],
      spoolBytes,
      frames: { maxBytes: 2 * 2 * spoolBytes, maxAgeMs: 14 * 24 * 3_600_000 },
    });
    expect(extra?.frames).toEqual({ maxBytes: 4_194_304, maxAgeMs: 60_000 });
    expect(policy.replicas).toBe(1);
    expect(policy.broker).toEqual({
      maxConnections: 256,
      maxConnectionsPerProducer: 16,
      writeDeadlineMs: 10_000,
      pingIntervalMs: 20_000,
      tlsTimeoutMs: 3_000,
      alertBytes: 268_435_456,
    });
  });

  it.each([
    ['a field nobody knows', VALID.replace('spoolBytes', 'spoolByte'), 'policy.shape', 7, 'ledgers[1].spoolByte'],
    ['a field nobody knows at the top', `${VALID}colour: blue\n`, 'policy.shape', 24, 'colour'],
    ['__proto__', `${VALID}__proto__: { domain: x }\n`, 'policy.shape', 24, '__proto__'],
    [
      'a missing field',
      VALID.replace("    sources: ['https", "    # ['https"),
      'policy.shape',
      12,
      'producers[0].sources',
    ],
    ['a number for a name', VALID.replace('name: extra', 'name: 7'), 'policy.shape', 5, 'ledgers[1].name'],
    ['text for a number', VALID.replace('1048576', '1 MiB'), 'policy.shape', 7, 'ledgers[1].spoolBytes'],
    ['a fraction of a byte', VALID.replace('1048576', '1048576.5'), 'policy.shape', 7, 'ledgers[1].spoolBytes'],
    ['no ledger', VALID.replace(/ledgers:[^]*producers:/, 'ledgers: []\nproducers:'), 'policy.shape', 2, 'ledgers'],
    ['no verifier', VALID.replace('verifiers:\n  - name: v1', 'verifiers: []'), 'policy.shape', 20, 'verifiers'],
    ['two replicas', `${VALID}replicas: 2\n`, 'policy.shape', 24, 'replicas'],
    ['a domain without a dot', VALID.replace('audit.example.com', 'localhost'), 'policy.name', 1, 'domain'],
    ['an upper-case name', VALID.replace('name: s1', 'name: S1'), 'policy.name', 19, 'sealers[0].name'],
    ['a dot in a name', VALID.replace('name: billing', 'name: billing.eu'), 'policy.name', 12, 'producers[0].name'],
    ['a wildcard for a name', VALID.replace('name: billing', "name: '*'"), 'policy.name', 12, 'producers[0].name'],
    ['a ledger name of 49', VALID.replaceAll('extra', 'e'.repeat(49)), 'policy.name', 5, 'ledgers[1].name'],
    ['a name no certificate holds', VALID.replace('v1', 'v'.repeat(56)), 'policy.name', 21, 'verifiers[0].name'],
    ['a ledger twice', VALID.replace('name: extra', 'name: main'), 'policy.duplicate', 5, 'ledgers[1].name'],
    [
      'an ingester twice in one ledger',
      VALID.replace('[b]', '[b, b]'),
      'policy.duplicate',
      6,
      'ledgers[1].ingesters[1]',
    ],
    [
      'an ingester twice',
      VALID.replace('  - name: b\n', '  - name: a\n  - name: b\n'),
      'policy.duplicate',
      17,
      'ingest[1].name',
    ],
    [
      'a source twice',
      VALID.replace("'https://billing.example.com/*'", 'urn:billing'),
      'policy.duplicate',
      14,
      'producers[0].sources[1]',
    ],
    ['an unknown ingester', VALID.replace('[b]', '[c]'), 'policy.reference', 6, 'ledgers[1].ingesters[0]'],
    [
      'an unknown ledger',
      VALID.replace('[main, extra]', '[main, extras]'),
      'policy.reference',
      13,
      'producers[0].ledgers[1]',
    ],
    [
      'an ingester of no ledger',
      VALID.replace('  - name: b\n', '  - name: b\n  - name: c\n'),
      'policy.reference',
      18,
      'ingest[2].name',
    ],
    ['a star inside a source', VALID.replace('urn:billing', 'urn:*:x'), 'policy.source', 14, 'producers[0].sources[1]'],
    ['an empty source', VALID.replace('urn:billing', ''), 'policy.source', 14, 'producers[0].sources[1]'],
    [
      'a ring below twice the spools',
      VALID.replace('1048576', '2097153'),
      'policy.ring',
      9,
      'ledgers[1].frames.maxBytes',
    ],
    ['an alias', VALID.replace('ingesters: [b]', 'ingesters: &x [b]') + 'extra: *x\n', 'policy.yaml', 6, ''],
    ['a tag', VALID.replace('name: main', 'name: !!str main'), 'policy.yaml', 3, ''],
    [
      'a repeated key',
      VALID.replace('    ingesters: [b]', '    name: other\n    ingesters: [b]'),
      'policy.yaml',
      6,
      '',
    ],
    ['two documents', `${VALID}---\n${VALID}`, 'policy.yaml', 24, ''],
    ['a merge key', VALID.replace('name: extra', 'name: extra\n    <<: { a: 1 }'), 'policy.shape', 6, 'ledgers[1].<<'],
    ['broken YAML', VALID.replace('[a, b]', '[a, b'), 'policy.yaml', 5, ''],
    ['followers without a system ledger', `${VALID}followers: [{ name: f1 }]\n`, 'policy.system', 24, 'followers'],
    ['a system ledger that is none', `${VALID}systemLedger: other\n`, 'policy.system', 24, 'systemLedger'],
    [
      'a system ledger that a producer has',
      `${VALID}systemLedger: main\n`,
      'policy.system',
      13,
      'producers[0].ledgers[0]',
    ],
    ['a drill ledger that is none', `${VALID}drillLedger: other\n`, 'policy.drill', 24, 'drillLedger'],
    [
      'a drill ledger that is the system ledger',
      `${VALID.replace('[main, extra]', '[main]')}systemLedger: extra\ndrillLedger: extra\n`,
      'policy.drill',
      25,
      'drillLedger',
    ],
    [
      'a drill ledger that real events could end in',
      `${VALID}drillLedger: extra\n`,
      'policy.drill',
      13,
      'producers[0].ledgers',
    ],
    [
      'a source of services',
      VALID.replace('urn:billing', 'everseal:x*'),
      'policy.source',
      14,
      'producers[0].sources[1]',
    ],
    ['nothing', '', 'policy.shape', 1, ''],
    ['a list', '- 1\n', 'policy.shape', 1, ''],
  ])('refuses %s and says where', (_what, text, code, line, where) => {
    const error = refusal(text);
    expect([error.code, error.problems[0].line, error.problems[0].path]).toEqual([code, line, where]);
    expect(error.message).toContain(where === '' ? `everseal.yaml:${line}: ` : `everseal.yaml:${line}: ${where}: `);
  });

  it('takes a drill ledger whose producers have no other', () => {
    const producer = `  - { name: drill, ledgers: [extra], sources: ['urn:drill'] }\ningest:`;
    const text = VALID.replace('[main, extra]', '[main]').replace('ingest:', producer);
    expect(parsePolicy(`${text}drillLedger: extra\n`, 'everseal.yaml').drillLedger).toBe('extra');
  });

  it('says that a field is missing, not that its value is wrong', () => {
    expect(refusal(VALID.replace('ops:', '# ops:').replace('  - name: ops\n', '')).message).toBe(
      'everseal.yaml:1: ops: this field is missing: add it (array)',
    );
  });

  it('names every problem of one stage at once', () => {
    const error = refusal(VALID.replace('[b]', '[c]').replace('[main, extra]', '[main, other]'));
    expect(error.problems.map(({ path: where }) => where)).toEqual([
      'ledgers[1].ingesters[0]',
      'producers[0].ledgers[1]',
    ]);
    expect(error.message.split('\n')).toHaveLength(2);
  });

  it('takes any text without failing in another way than PolicyError', () => {
    const piece = fc.oneof(
      fc.constantFrom(...VALID.split('\n'), '&a', '*a', '? ', '!!map', '"', '{', '-'),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (lines) => {
        try {
          parsePolicy(lines.join('\n'), 'everseal.yaml');
        } catch (error) {
          expect(error).toBeInstanceOf(PolicyError);
        }
      }),
    );
  });
});

describe('readPolicy', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'everseal-policy-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('reads the policy this repository starts with', () => {
    const policy = readPolicy(EXAMPLE);
    expect(policy.domain).toBe('audit.example.com');
    expect(policy.ledgers.map(({ name }) => name)).toEqual(['main', 'system']);
    expect(policy.systemLedger).toBe('system');
    expect(policy.producers.map(({ name }) => name)).toEqual(['billing', 'orders', 'demo']);
  });

  it.each([
    ['is missing', () => path.join(dir, 'missing.yaml')],
    ['is a folder', () => dir],
    ['is larger than 1 MiB', () => written('large.yaml', '#'.repeat(1_048_577))],
    ['is not UTF-8', () => written('latin1.yaml', Buffer.from([0xe9]))],
  ])('refuses a file that %s', (_what, file) => {
    expect(() => readPolicy(file())).toThrow(expect.objectContaining({ code: 'policy.unreadable' }));
  });

  function written(name: string, content: string | Buffer): string {
    const file = path.join(dir, name);
    writeFileSync(file, content);
    return file;
  }
});
