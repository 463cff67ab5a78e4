import { formatGapText, openGap, signGap, type Gap } from '@everseal/audit-core';
import { at, CAST, castKeys, castOf, ORIGIN, type Label } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type Keys, type VectorFile } from '../vector-file.js';
import { noteCases, textCases } from './note-cases.js';

/** `log`: label of the log key in force. */
export type LogRecordInput = { note: Bytes; log: Label };

export const GAP: Gap = { origin: ORIGIN, ingester: 'a', first: 4, last: 6, cause: 'lost', time: at(1_000) };

export function readGap({ note, log }: LogRecordInput, keyOf: Keys): Gap {
  return openGap(bytesOf(note), [keyOf(log)]);
}

export function gapVectors(): VectorFile<LogRecordInput> {
  const text = formatGapText(GAP);
  const good = (name: string, gap: Gap): Case<LogRecordInput> => {
    const note = signGap(gap, CAST.log);
    return valid(name, { note, log: 'log' }, () => readGap({ note, log: 'log' }, castKeys));
  };
  return {
    format: 'gap',
    specification: 'formats.md, "Gap record"; C2SP signed-note',
    how: 'Open `note` as a gap entry while `log` is the log key in force.',
    keys: castOf('log', 'log-2', 'stranger', 'op2', 'v1'),
    cases: [
      good('three frames lost', GAP),
      good('one frame, key revoked', { ...GAP, first: 1, last: 1, cause: 'key-revoked' }),
      good('malformed, up to the largest number that another frame can follow', {
        ...GAP,
        last: Number.MAX_SAFE_INTEGER - 1,
        cause: 'malformed',
      }),
      invalid(
        'by the log key before a rotation',
        { note: signGap(GAP, CAST.log), log: 'log-2' },
        'note.line-key',
        'the log key in force is another',
      ),
      ...[...noteCases(text, [CAST.log], 'gap.lines'), ...textCases(text, [CAST.log], TEXT_CASES)].map((vector) => ({
        ...vector,
        log: 'log' as const,
      })),
    ],
  };
}

const TEXT_CASES: Parameters<typeof textCases>[2] = [
  ['another kind', { 1: 'everseal/prune/v1' }, 'gap.kind', 'a gap says so in its first line'],
  ['a line missing', { 7: null }, 'gap.lines', 'every line is there'],
  ['a line more', { 7: `${GAP.time}\nreason` }, 'gap.lines', 'nothing stands after the last line'],
  ['origin of a path', { 2: 'audit.example.com/main/x' }, 'gap.origin', 'an origin is <domain>/<ledger>'],
  ['ingester in upper case', { 3: 'A' }, 'gap.ingester', 'names are lower-case'],
  ['first 0', { 4: '0' }, 'gap.first', 'frames are numbered from 1'],
  ['first with a leading zero', { 4: '04' }, 'gap.first', 'one spelling per number'],
  ['last before first', { 5: '3' }, 'gap.last', 'a gap has at least one frame'],
  ['last empty', { 5: '' }, 'gap.last', 'a number has digits'],
  [
    'last 2^53 − 1',
    { 5: '9007199254740991' },
    'gap.last',
    'frame last + 1 has to follow, and its number is below 2^53',
  ],
  ['unknown cause', { 6: 'forgotten' }, 'gap.cause', 'the causes are a closed set'],
  ['cause in upper case', { 6: 'Lost' }, 'gap.cause', 'the causes are a closed set'],
  ['time with a comma', { 7: '2026-01-31T09:00:00,000Z' }, 'gap.time', 'one spelling per time'],
];
