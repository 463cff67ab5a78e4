import {
  formatKeySetText,
  leafHash,
  openGenesis,
  openKeySet,
  signKeySet,
  signNote,
  ZERO_HASH,
  type KeySet,
  type SigningKey,
} from '@everseal/audit-core';
import { at, CAST, castOf, DOMAIN, key, ORIGIN, OTHER_ORIGIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type VectorFile } from '../vector-file.js';
import { noteCases, textCases, withLines } from './note-cases.js';

/** `current`: which of the given sets is in force; null when `note` is entry 0. */
export type KeySetInput = { note: Bytes; current: 'genesis' | null };

export const GENESIS: KeySet = {
  origin: ORIGIN,
  previous: ZERO_HASH,
  time: at(0),
  log: CAST.log.verifier,
  operators: [CAST.op1.verifier, CAST.op2.verifier],
  ingest: [CAST.a.verifier, CAST.b.verifier],
  verifiers: [CAST.v1.verifier],
};
export const GENESIS_NOTE = signKeySet(GENESIS, CAST.log, CAST.op1);

/** The next set: another log key, a second key for ingester a, another verifier, one operator less. */
export const NEXT: KeySet = {
  ...GENESIS,
  previous: leafHash(Buffer.from(GENESIS_NOTE)),
  time: at(100),
  log: CAST['log-2'].verifier,
  operators: [CAST.op2.verifier],
  ingest: [CAST.a.verifier, CAST['a-2'].verifier, CAST.b.verifier],
  verifiers: [CAST.v1.verifier, CAST.v2.verifier],
};
export const NEXT_NOTE = signKeySet(NEXT, CAST.log, CAST.op2);

/** Opens a set as entry 0 or as the one after `current`. */
export function readKeySet({ note, current }: KeySetInput, given: Record<string, string>): KeySet {
  if (current === null) return openGenesis(bytesOf(note), ORIGIN);
  const before = Buffer.from(given[current] as string);
  return openKeySet(bytesOf(note), openGenesis(before, ORIGIN), leafHash(before));
}

const GIVEN = { genesis: GENESIS_NOTE };
const SIGNERS = [CAST.log, CAST.op1] as const;

export function keySetVectors(): VectorFile<KeySetInput> {
  const good = (name: string, note: string, current: KeySetInput['current']): Case<KeySetInput> =>
    valid(name, { note, current }, () => readKeySet({ note, current }, GIVEN));
  return {
    format: 'key-set',
    specification: 'formats.md, "Key set"; C2SP signed-note for the keys',
    how: `Open \`note\` as entry 0 of ${ORIGIN} when \`current\` is null, else as the key set after the given set \`genesis\`, which is entry 0.`,
    keys: castOf('log', 'log-2', 'test-log', 'op1', 'op2', 'a', 'a-2', 'b', 'v1', 'v2', 'stranger'),
    given: GIVEN,
    cases: [
      good('entry 0', GENESIS_NOTE, null),
      good('entry 0 without ingesters', signKeySet({ ...GENESIS, ingest: [] }, CAST.log, CAST.op2), null),
      good('the next set, signed by the second operator', NEXT_NOTE, 'genesis'),
      good(
        'the next set with the same keys',
        signKeySet({ ...GENESIS, previous: NEXT.previous }, ...SIGNERS),
        'genesis',
      ),
      ...signerCases(),
      ...asGenesis(noteCases(formatKeySetText(GENESIS), SIGNERS, 'keys.lines')),
      ...noteCases(formatKeySetText(NEXT), SIGNERS, 'note.signature').map((vector) => ({
        ...vector,
        name: `next set: ${vector.name}`,
        current: 'genesis' as const,
      })),
      ...asGenesis(textCases(formatKeySetText(GENESIS), SIGNERS, textChanges())),
      ...asGenesis(keyCases()),
    ],
  };
}

function asGenesis(cases: Case<{ note: Bytes }>[]): Case<KeySetInput>[] {
  return cases.map((vector) => ({ ...vector, current: null }));
}

function signerCases(): Case<KeySetInput>[] {
  const next = formatKeySetText(NEXT);
  const bad = (
    name: string,
    text: string,
    signers: readonly SigningKey[],
    code: string,
    reason: string,
    current: KeySetInput['current'] = 'genesis',
  ): Case<KeySetInput> => invalid(name, { note: signNote(text, signers), current }, code, reason);
  const forger = key('forger', CAST.op1.name);
  return [
    bad(
      'signed by its own new log key',
      next,
      [CAST['log-2'], CAST.op2],
      'note.line-key',
      'the keys of the set before sign',
    ),
    bad('no operator', next, [CAST.log], 'note.line-count', 'the log key alone cannot change keys'),
    bad(
      'an operator that only the new set names',
      formatKeySetText({ ...NEXT, operators: [forger.verifier] }),
      [CAST.log, forger],
      'note.line-key',
      'the keys of the set before sign',
    ),
    bad('an ingest key for the operator', next, [CAST.log, CAST.a], 'note.line-key', 'one key, one use'),
    bad('two operators, no log key', next, [CAST.op1, CAST.op2], 'note.line-key', 'the log key signs first'),
    bad(
      'continues another set',
      formatKeySetText({ ...NEXT, previous: leafHash(Buffer.from(NEXT_NOTE)) }),
      SIGNERS,
      'keys.chain',
      'previous is the leaf hash of the set before',
    ),
    bad('entry 0 again', formatKeySetText(GENESIS), SIGNERS, 'keys.chain', '32 zero bytes stand in entry 0 only'),
    bad(
      'a set of another ledger',
      withLines(next, { 2: OTHER_ORIGIN, 5: `log ${CAST['test-log'].verifier.vkey}` }),
      SIGNERS,
      'keys.ledger',
      'the origin is not this ledger’s',
    ),
    bad(
      'entry 0 that names a set before it',
      next,
      [CAST['log-2'], CAST.op2],
      'keys.genesis',
      'entry 0 has 32 zero bytes there',
      null,
    ),
    bad(
      'entry 0 of another ledger',
      withLines(formatKeySetText(GENESIS), { 2: OTHER_ORIGIN, 5: `log ${CAST['test-log'].verifier.vkey}` }),
      [CAST['test-log'], CAST.op1],
      'keys.ledger',
      'the origin is not this ledger’s',
      null,
    ),
  ];
}

function textChanges(): Parameters<typeof textCases>[2] {
  const lines = formatKeySetText(GENESIS).split('\n');
  const [, , , , log, op1, op2, a, b, v1] = lines as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  return [
    ['another kind', { 1: 'everseal/keys/v2' }, 'keys.kind', 'an unknown version is an unknown kind'],
    ['origin with white space', { 2: `${ORIGIN} ` }, 'keys.origin', 'an origin is <domain>/<ledger>'],
    ['previous of nothing', { 3: '' }, 'keys.previous', 'a hash has 32 bytes'],
    ['time with four decimals', { 4: '2026-01-31T09:00:00.0000Z' }, 'keys.time', 'three decimals'],
    ['no log key', { 5: null }, 'keys.log', 'exactly one'],
    ['two log keys', { 5: `${log}\nlog ${CAST['log-2'].verifier.vkey}` }, 'keys.lines', 'exactly one'],
    ['no operator line', { 6: null, 7: null }, 'keys.operator', 'one or more'],
    ['no verifier', { 10: null }, 'keys.verifier', 'one or more'],
    ['operators not sorted', { 6: op2, 7: op1 }, 'keys.order', 'key lines are sorted bytewise'],
    ['an operator twice', { 6: `${op1}\n${op1}` }, 'keys.order', 'every line once'],
    ['roles in another order', { 8: v1, 10: a }, 'keys.lines', 'log, operator, ingest, verifier'],
    ['an unknown role', { 10: `${v1}\nreader ${CAST.v2.verifier.vkey}` }, 'keys.lines', 'the roles are a closed set'],
    ['a line after the keys', { 10: `${v1}\n` }, 'keys.lines', 'nothing stands after the last key'],
    [
      'two spaces after the role',
      { 8: a.replace('ingest ', 'ingest  ') },
      'keys.ingest',
      'the key text begins after one space',
    ],
    ['white space at the end of a key', { 9: `${b} ` }, 'keys.ingest', 'key texts are canonical'],
    ['a key text with padding that does not belong', { 10: `${v1}=` }, 'keys.verifier', 'key texts are canonical'],
    [
      'a key ID in upper case',
      { 6: op1.replace(/\+[0-9a-f]{8}\+/, (id) => id.toUpperCase()) },
      'keys.operator',
      'lower-case hexadecimal',
    ],
    [
      'a key ID of another key',
      { 6: op1.replace(CAST.op1.verifier.idHex, CAST.op2.verifier.idHex) },
      'keys.operator',
      'the ID is the hash of name and key',
    ],
  ];
}

/** Sets with well-formed keys that must not stand where they stand. */
function keyCases(): Case<{ note: Bytes }>[] {
  const { a, b, op1, v1 } = CAST;
  const bad = (name: string, set: Partial<KeySet>, code: string, reason: string): Case<{ note: Bytes }> =>
    invalid(name, { note: signNote(formatKeySetText({ ...GENESIS, ...set }), SIGNERS) }, code, reason);
  const named = (label: string, name: string, type: 0x01 | 0x04 = 0x01) => key(label, name, type).verifier;
  const third = named('a-3', a.name);
  return [
    bad(
      'log key of another name',
      { log: CAST['test-log'].verifier },
      'keys.log',
      'the log key is named as the origin',
    ),
    bad('log key of the cosignature type', { log: named('log', ORIGIN, 0x04) }, 'keys.log', 'type 0x01'),
    bad(
      'operator named as an ingester',
      { operators: [named('op1', a.name)] },
      'keys.operator',
      '<domain>/operator/<name>',
    ),
    bad(
      'operator of another domain',
      { operators: [named('op1', 'audit.example.org/operator/op1')] },
      'keys.operator',
      '<domain>/operator/<name>',
    ),
    bad(
      'operator with a part too many',
      { operators: [named('op1', `${DOMAIN}/operator/x/op1`)] },
      'keys.operator',
      '<domain>/operator/<name>',
    ),
    bad('ingest key of the cosignature type', { ingest: [named('a', a.name, 0x04)] }, 'keys.ingest', 'type 0x01'),
    bad('verifier key of type 0x01', { verifiers: [named('v1', v1.name)] }, 'keys.verifier', 'type 0x04'),
    bad(
      'verifier with a name in upper case',
      { verifiers: [named('v1', `${DOMAIN}/verifier/V1`, 0x04)] },
      'keys.verifier',
      'names are lower-case',
    ),
    bad(
      'one public key for two ingesters',
      { ingest: [a.verifier, named('a', b.name)] },
      'keys.key-twice',
      'one key, one use',
    ),
    bad(
      'one public key for an operator and a verifier',
      { verifiers: [named('op1', v1.name, 0x04)] },
      'keys.key-twice',
      'one key, one use',
    ),
    bad(
      'three keys of one ingester',
      { ingest: [a.verifier, CAST['a-2'].verifier, third] },
      'keys.ingest-count',
      'two while it rotates',
    ),
    bad(
      'two keys with one name and ID',
      { ingest: twins().map((twin) => twin.verifier) },
      'keys.id-twice',
      'a signature line could not tell them apart',
    ),
    bad(
      'an operator that is missing in its own set',
      { operators: [CAST.op2.verifier] },
      'note.line-key',
      'entry 0 is signed by its own operator',
    ),
    bad(
      'log key twice',
      { operators: [op1.verifier, named('log', CAST.op2.name)] },
      'keys.key-twice',
      'one key, one use',
    ),
  ];
}

/** Two ingest keys of one name whose 4-byte IDs meet, 522fbb5d; found by a search over 106,147 labels. */
function twins(): SigningKey[] {
  return ['twin-5051', 'twin-106146'].map((label) => key(label, CAST.a.name));
}
