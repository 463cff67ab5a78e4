import { encodeEventEntry, eventPrefix, leafHash, parseEventEntry, sha256, ZERO_HASH } from '@everseal/audit-core';
import { at, DOMAIN, ORIGIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type VectorFile } from '../vector-file.js';
import { FRAME_NOTE } from './frame.js';

export type EventEntryInput = { entry: Bytes };

const PREFIX = eventPrefix(ORIGIN, 'billing', at(1)).toString();
const WITH_DIGEST = PREFIX.replace('"event":', '"digest":"');
const DIGEST = sha256(Buffer.from('salt and event')).toString('base64');
const LONGEST_DOMAIN = `${'d'.repeat(63)}.${'e'.repeat(63)}.${'f'.repeat(48)}.com`;

/** What reading an entry gives, and its leaf hash. */
export function readEntry(bytes: Bytes): unknown {
  const entry = bytesOf(bytes);
  return { ...parseEventEntry(entry), leafHash: leafHash(entry) };
}

export function eventEntryVectors(): VectorFile<EventEntryInput> {
  return {
    format: 'event-entry',
    specification: 'formats.md, "Event"; RFC 6962 section 2.1 for the leaf hash',
    how: 'Read the envelope of `entry`. The producer’s bytes are [start, end) of it; `digest` stands where they were replaced.',
    keys: {},
    cases: [...VALID.map(([name, entry]) => valid(name, { entry }, () => readEntry(entry))), ...invalidCases()],
  };
}

const VALID: [name: string, entry: Bytes][] = [
  ['a CloudEvent', encodeEventEntry(Buffer.from(PREFIX), Buffer.from('{"specversion":"1.0","id":"1"}')).toString()],
  ['bytes that are not JSON', [{ text: PREFIX }, { hex: 'ff00fe' }, { text: '}' }]],
  ['one byte', `${PREFIX}x}`],
  ['an event that looks like the end of an envelope', `${PREFIX}{}},"event":{}}`],
  ['an event that JSON parsers would read as another producer', `${PREFIX}{},"producer":"orders"}`],
  ['white space inside is the producer’s', `${PREFIX}{ "id" :\n"1" }}`],
  ['the largest event', [{ text: PREFIX }, { text: 'x', times: 61_440 }, { text: '}' }]],
  [
    'the longest names',
    `{"ledger":"${LONGEST_DOMAIN}/${'l'.repeat(48)}","producer":"${'p'.repeat(63)}","accepted":"0001-01-01T00:00:00.000Z","event":{}}`,
  ],
  ['a digest in place of the bytes', `${WITH_DIGEST}${DIGEST}"}`],
  ['an event with a member named digest', `${PREFIX}{"digest":"${DIGEST}"}}`],
];

function invalidCases(): Case<EventEntryInput>[] {
  const bad = (name: string, entry: Bytes, code: string, reason: string): Case<EventEntryInput> =>
    invalid(name, { entry }, `event-entry.${code}`, reason);
  const changed = (name: string, from: string, to: string, code: string, reason: string): Case<EventEntryInput> =>
    bad(name, `${PREFIX.replace(from, to)}{}}`, code, reason);
  return [
    bad('nothing', '', 'envelope', 'an entry is its whole envelope'),
    bad('a genuine frame note', FRAME_NOTE, 'envelope', 'a note in the place of an event is no event'),
    bad('an old note smuggled with an event around it', FRAME_NOTE + PREFIX, 'envelope', 'nothing stands before it'),
    changed('white space before', '{', ' {', 'envelope', 'exactly this prefix'),
    changed('white space inside', '"ledger":', '"ledger": ', 'envelope', 'exactly this prefix'),
    changed('a byte order mark', '{', '\ufeff{', 'envelope', 'exactly this prefix'),
    changed('members in another order', '"ledger"', '"producer"', 'envelope', 'exactly this prefix'),
    changed('a member more', ',"producer"', ',"x":"","producer"', 'envelope', 'exactly this prefix'),
    changed('an escaped letter', '"ledger"', '"\\u006cedger"', 'envelope', 'compared as bytes, not as JSON'),
    bad('cut after the prefix', PREFIX, 'event-size', 'there is no event'),
    bad('empty event', `${PREFIX}}`, 'event-size', 'an event has at least one byte'),
    bad('cut inside the prefix', PREFIX.slice(0, -1), 'envelope', 'exactly this prefix'),
    bad('cut inside a name', PREFIX.slice(0, 20), 'envelope', 'the value does not end'),
    bad('no brace at the end', `${PREFIX}{}x`, 'envelope', 'the last byte closes the envelope'),
    bad('a line feed at the end', `${PREFIX}{}}\n`, 'envelope', 'nothing stands after the brace'),
    bad(
      'an event too large',
      [{ text: PREFIX }, { text: 'x', times: 61_441 }, { text: '}' }],
      'event-size',
      'at most 61,440 bytes',
    ),
    bad(
      'an entry too large',
      [{ text: PREFIX }, { text: 'x', times: 65_535 }, { text: '}' }],
      'size',
      'at most 65,535 bytes',
    ),
    changed('origin without a ledger', ORIGIN, DOMAIN, 'origin', 'an origin is <domain>/<ledger>'),
    changed('origin of letters that look alike', 'audit.', '\u0430udit.', 'origin', 'names are ASCII'),
    changed('origin too long', ORIGIN, `${LONGEST_DOMAIN}x/main`, 'origin', 'a domain has at most 180 bytes'),
    changed('producer empty', 'billing', '', 'producer', 'a name has at least one character'),
    changed('producer of 64 characters', 'billing', 'p'.repeat(64), 'producer', 'a name has at most 63'),
    changed(
      'producer that starts with a hyphen',
      'billing',
      '-billing',
      'producer',
      'a name starts with a letter or digit',
    ),
    changed('producer with a dot', 'billing', 'billing.eu', 'producer', 'names become subject tokens'),
    changed('time without milliseconds', '.000Z', 'Z', 'accepted', 'three decimals'),
    changed('time in lower case', 'T09', 't09', 'accepted', 'one spelling per time'),
    changed('hour 24', 'T09', 'T24', 'accepted', 'hours are 00 to 23'),
    bad('a digest of 31 bytes', `${WITH_DIGEST}${Buffer.alloc(31).toString('base64')}"}`, 'digest', 'SHA-256 has 32'),
    bad(
      'a digest with stray bits',
      `${WITH_DIGEST}${ZERO_HASH.toString('base64').slice(0, -2)}B="}`,
      'digest',
      'not canonical base64',
    ),
    bad('a digest cut off', `${WITH_DIGEST}${DIGEST.slice(0, 20)}`, 'digest', 'SHA-256 has 32 bytes'),
    bad('something after a digest', `${WITH_DIGEST}${DIGEST}","event":{}}`, 'envelope', 'digest or event, not both'),
    bad('a line feed after a digest', `${WITH_DIGEST}${DIGEST}"}\n`, 'envelope', 'nothing stands after the brace'),
  ];
}
