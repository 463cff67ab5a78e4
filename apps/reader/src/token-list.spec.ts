import { createHash } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '@everseal/testing';
import { TokenFile } from './token-file.js';
import { TokenList } from './token-list.js';

const TOKEN = 'x'.repeat(43);
const HASH = createHash('sha256').update(TOKEN).digest('hex');
const LINE = `anna 2027-01-31T00:00:00.000Z main,system ${HASH}`;
const NOW = Date.parse('2027-01-01T00:00:00.000Z');
const folder = temporaryFolder('tokens');

afterAll(() => folder.remove());

describe('the list of tokens', () => {
  it('knows who presents a token, until it expires', () => {
    const list = TokenList.parse(`# ours\n\n${LINE}\n`);
    expect(list.clientOf(`Bearer ${TOKEN}`, NOW)).toMatchObject({ id: 'token/anna', ledgers: ['main', 'system'] });
    const end = Date.parse('2027-01-31T00:00:00.000Z');
    expect([list.clientOf(`Bearer ${TOKEN}`, end - 1)?.id, list.clientOf(`Bearer ${TOKEN}`, end)]).toEqual([
      'token/anna',
      null,
    ]);
  });

  it('knows nobody by anything else', () => {
    const list = TokenList.parse(LINE);
    const headers = [
      TOKEN,
      `bearer ${TOKEN}`,
      `Bearer  ${TOKEN}`,
      `Bearer ${TOKEN} `,
      `Bearer ${TOKEN}x`,
      `Basic ${TOKEN}`,
      'Bearer ',
      '',
    ];
    for (const header of [...headers, `Bearer ${HASH}`])
      expect([header, list.clientOf(header, NOW)]).toEqual([header, null]);
    // A token that is short enough to guess is nobody's, whatever the file says.
    const short = createHash('sha256').update('short').digest('hex');
    expect(TokenList.parse(`b 2027-01-31T00:00:00.000Z main ${short}`).clientOf('Bearer short', NOW)).toBeNull();
    expect(TokenList.none.clientOf(`Bearer ${TOKEN}`, NOW)).toBeNull();
  });

  it.each([
    ['three fields', `anna 2027-01-31T00:00:00.000Z ${HASH}`],
    ['five fields', `${LINE} x`],
    ['a token in place of its hash', LINE.replace(HASH, TOKEN)],
    ['upper-case hex', LINE.replace(HASH, HASH.toUpperCase())],
    ['another form of time', LINE.replace('T00:00:00.000Z', '')],
    ['a name that is none', LINE.replace('anna', 'Anna')],
    ['a ledger that is none', LINE.replace('main,', 'main,,')],
    ['a space too many', LINE.replace(' ', '  ')],
    ['CRLF', `${LINE}\r\n`],
    ['one name twice', `${LINE}\n${LINE.replace(HASH, 'a'.repeat(64))}`],
    ['one hash twice', `${LINE}\n${LINE.replace('anna', 'otto')}`],
  ])('refuses %s', (_, text) => {
    expect(() => TokenList.parse(text)).toThrow(/tokens|line|twice/);
  });
});

describe('the file of tokens', () => {
  it('is refused when others may read it; one that turns bad later leaves in force what was read', () => {
    const file = path.join(folder.path, 'tokens');
    writeFileSync(file, LINE, { mode: 0o644 });
    expect(() => new TokenFile(file)).toThrow(/chmod 600/);
    chmodSync(file, 0o600);
    const tokens = new TokenFile(file);
    const known = (): string | undefined => tokens.current.clientOf(`Bearer ${TOKEN}`, NOW)?.id;
    for (const [text, mode] of [
      ['nonsense', 0o600],
      ['', 0o640],
    ] as const) {
      writeFileSync(file, text);
      chmodSync(file, mode);
      expect(() => tokens.look()).toThrow(/still in force/);
      expect(known()).toBe('token/anna');
    }
    chmodSync(file, 0o600);
    tokens.look();
    expect(known()).toBeUndefined();
  });
});
