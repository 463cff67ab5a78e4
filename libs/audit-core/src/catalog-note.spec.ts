import { describe, expect, it } from '@jest/globals';
import { formatCatalogText, openCatalog, parseCatalogText, signCatalog } from './catalog-note.js';
import { testKey } from './log.fixture.js';
import { deployKeyName, operatorKeyName } from './names.js';
import { signNote } from './note.js';

const DOMAIN = 'audit.example.com';
const KEY = testKey(deployKeyName(DOMAIN));
const AGREEMENT = {
  domain: DOMAIN,
  database: 'everseal',
  time: '2026-01-31T09:30:00.250Z',
  lines: ['role postgres: superuser t', 'schema everseal: owner everseal_owner, -'],
};
const TEXT = `everseal/catalog/v1
audit.example.com
everseal
2026-01-31T09:30:00.250Z
2
role postgres: superuser t
schema everseal: owner everseal_owner, -
`;

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'taken';
};

describe('what was agreed on for a database', () => {
  it('is text with one form, signed by the deploy key', () => {
    expect(formatCatalogText({ ...AGREEMENT, lines: AGREEMENT.lines.toReversed() })).toBe(TEXT);
    expect(parseCatalogText(TEXT)).toEqual(AGREEMENT);
    expect(openCatalog(signCatalog(AGREEMENT, KEY), KEY.verifier)).toEqual(AGREEMENT);
    const many = {
      ...AGREEMENT,
      lines: Array.from({ length: 5_000 }, (_, i) => `relation ${String(i).padStart(4, '0')}: kind r`),
    };
    expect(openCatalog(signCatalog(many, KEY), KEY.verifier).lines).toHaveLength(5_000);
  });

  it.each([
    ['another kind', TEXT.replace('/v1', '/v2'), 'catalog.kind'],
    ['a domain that is none', TEXT.replace('audit.example.com', 'Audit'), 'catalog.domain'],
    ['no database', TEXT.replace('\neverseal\n', '\n\n'), 'catalog.database'],
    ['a time that is none', TEXT.replace('09:30', '25:30'), 'catalog.time'],
    ['a line left out', TEXT.replace('role postgres: superuser t\n', ''), 'catalog.lines'],
    ['a line too many', `${TEXT}x: y\n`, 'catalog.lines'],
    ['lines in another order', TEXT.replace('role', 'table'), 'catalog.canonical'],
    ['a line twice', TEXT.replace('2\nrole', '3\nrole postgres: superuser t\nrole'), 'catalog.canonical'],
  ])('refuses %s', (_, text, code) => {
    expect(text).not.toBe(TEXT);
    expect(codeOf(() => parseCatalogText(text))).toBe(code);
    expect(codeOf(() => openCatalog(signNote(text, [KEY]), KEY.verifier))).toBe(code);
  });

  it('is not what somebody else signed, or changed afterwards; control: as it was signed', () => {
    const note = signCatalog(AGREEMENT, KEY);
    const other = testKey(operatorKeyName(DOMAIN, 'root'));
    expect(codeOf(() => openCatalog(signNote(TEXT, [other]), KEY.verifier))).toBe('note.unverified');
    expect(codeOf(() => openCatalog(note.replace('superuser t', 'superuser f'), KEY.verifier))).toBe('note.signature');
    expect(codeOf(() => openCatalog(note, testKey(deployKeyName('audit.example.org')).verifier))).toBe(
      'note.unverified',
    );
    const foreign = signNote(TEXT.replace('audit.example.com', 'audit.example.org'), [KEY]);
    expect(codeOf(() => openCatalog(foreign, KEY.verifier))).toBe('catalog.signer');
    expect(() => signCatalog(AGREEMENT, other)).toThrow(RangeError);
    expect(codeOf(() => openCatalog(note, KEY.verifier))).toBe('taken');
  });
});
