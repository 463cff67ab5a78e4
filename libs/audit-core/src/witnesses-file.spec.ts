import { describe, expect, it } from '@jest/globals';
import { codeOf } from '../vectors/read.js';
import { appendSignatures, cosign } from './cosignature.js';
import { ForeignLog } from './foreign-log.fixture.js';
import { COSIGNATURE_KEY } from './key.js';
import { genesisKeys, KEYS, LogWriter, ORIGIN, testKey } from './log.fixture.js';
import { signCheckpoint } from './checkpoint.js';
import { parseNote } from './note.js';
import { formatTlogPolicy, openUnderPolicy, policyOfKeySet } from './tlog-policy.js';
import { meetsQuorum, parseWitnessesFile, withWitnesses, witnessPlaces } from './witnesses-file.js';

const north = testKey('north.example.org/w', COSIGNATURE_KEY);
const south = testKey('south.example.net/w', COSIGNATURE_KEY);
const southNext = testKey('south.example.net/w2', COSIGNATURE_KEY);
const FILE = `witness north ${north.verifier.vkey} https://north.example.org/
witness south ${south.verifier.vkey} https://south.example.net:8443/witness
witness south-next ${southNext.verifier.vkey} https://south.example.net:8443/witness
group south-any any south south-next
group others all north south-any
quorum others
`;
const parse = (text: string): ReturnType<typeof parseWitnessesFile> => parseWitnessesFile(Buffer.from(text));
const own = policyOfKeySet(genesisKeys());
const NOTE = signCheckpoint({ origin: ORIGIN, size: 3, root: new LogWriter().range.root() }, KEYS.log);
const cosignedBy = (...keys: (typeof north)[]): string =>
  appendSignatures(
    NOTE,
    keys.map((key) => cosign(parseNote(NOTE).text, key, 1_800_000_000)),
  );

describe('a file of witnesses', () => {
  it('says who is asked where; two lines of one address are one witness', () => {
    expect(witnessPlaces(parse(FILE))).toEqual([
      { name: 'north', url: 'https://north.example.org', keys: [north.verifier] },
      { name: 'south', url: 'https://south.example.net:8443/witness', keys: [south.verifier, southNext.verifier] },
    ]);
    expect(witnessPlaces(parse(`witness north ${north.verifier.vkey}\nquorum none\n`))).toEqual([]);
    const address = `witness north ${north.verifier.vkey} https://[::1]:8443\nquorum none\n`;
    expect(witnessPlaces(parse(address))[0]?.url).toBe('https://[::1]:8443');
  });

  it.each([
    ['names a log', `log ${KEYS.log.verifier.vkey}\nquorum none\n`, 'witnesses.log'],
    [
      'has an address without TLS',
      `witness n ${north.verifier.vkey} http://north.example.org\nquorum none\n`,
      'witnesses.url',
    ],
    [
      'has an address with a query',
      `witness n ${north.verifier.vkey} https://n.example.org/?a\nquorum none\n`,
      'witnesses.url',
    ],
    [
      'has an address with a name in it',
      `witness n ${north.verifier.vkey} https://a@n.example.org\nquorum none\n`,
      'witnesses.url',
    ],
    ['has no quorum', `witness n ${north.verifier.vkey} https://n.example.org\n`, 'policy.quorum'],
  ])('is refused when it %s', (_, text, code) => {
    expect(codeOf(() => parse(text))).toBe(code);
  });
});

describe('the quorum of a file', () => {
  it('is met by enough witnesses, and not by one that did not sign this checkpoint', () => {
    const policy = parse(FILE);
    expect(meetsQuorum(cosignedBy(north, south), policy)).toBe(true);
    expect(meetsQuorum(cosignedBy(north, southNext), policy)).toBe(true);
    expect(meetsQuorum(cosignedBy(north), policy)).toBe(false);
    expect(meetsQuorum(cosignedBy(south, southNext, KEYS.verifier), policy)).toBe(false);
    const { text } = parseNote(ForeignLog.of('log.example.org/one', 3).checkpoint(3));
    const borrowed = appendSignatures(cosignedBy(north), [cosign(text, south, 1_800_000_000)]);
    expect(meetsQuorum(borrowed, policy)).toBe(false);
    expect(meetsQuorum('nonsense', policy)).toBe(false);
  });

  it('is asked for besides one of the own verifiers', () => {
    const joined = withWitnesses(own, parse(FILE));
    expect(() => openUnderPolicy(cosignedBy(KEYS.verifier, north, south), joined)).not.toThrow();
    for (const keys of [[KEYS.verifier], [KEYS.verifier, north], [north, south]]) {
      expect(codeOf(() => openUnderPolicy(cosignedBy(...keys), joined))).toBe('policy.unmet');
    }
  });

  it('may be none: then they are named, and the own verifiers are enough', () => {
    const joined = withWitnesses(own, parse(`witness north ${north.verifier.vkey}\nquorum none\n`));
    expect(formatTlogPolicy(joined)).toContain('witness north ');
    expect(openUnderPolicy(cosignedBy(KEYS.verifier, north), joined).cosignatures).toHaveLength(2);
    expect(() => openUnderPolicy(cosignedBy(KEYS.verifier), joined)).not.toThrow();
  });

  it('cannot use a name or a key of the own verifiers', () => {
    const named = parse(`witness v1 ${north.verifier.vkey}\nquorum v1\n`);
    expect(codeOf(() => withWitnesses(own, named))).toBe('policy.name');
    const keyed = parse(`witness north ${KEYS.verifier.verifier.vkey}\nquorum north\n`);
    expect(codeOf(() => withWitnesses(own, keyed))).toBe('policy.key-twice');
  });
});
