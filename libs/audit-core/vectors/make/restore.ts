import {
  EMPTY_ROOT,
  formatRestoreText,
  openGenesis,
  openRestore,
  originOf,
  sha256,
  signKeySet,
  signNote,
  signRestore,
  type KeySet,
  type Restore,
  type SigningKey,
} from '@everseal/audit-core';
import { at, CAST, castOf, DOMAIN, ORIGIN, SUCCESSOR } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type VectorFile } from '../vector-file.js';
import { GENESIS, GENESIS_NOTE } from './key-set.js';
import { noteCases, textCases } from './note-cases.js';

/** `genesis`: entry 0 of the successor; `closed`: the closed ledger's newest key set (here its entry 0), null when unknown. */
export type RestoreInput = { note: Bytes; genesis: keyof typeof GIVEN; closed: keyof typeof GIVEN | null };

const NEW_SET: KeySet = { ...GENESIS, origin: SUCCESSOR, log: CAST['successor-log'].verifier, time: at(2_000) };

const GIVEN = {
  closed: GENESIS_NOTE,
  'closed, operator op1 only': signKeySet({ ...GENESIS, operators: [CAST.op1.verifier] }, CAST.log, CAST.op1),
  successor: signKeySet(NEW_SET, CAST['successor-log'], CAST.op1),
  'successor, operator op2 only': signKeySet(
    { ...NEW_SET, operators: [CAST.op2.verifier] },
    CAST['successor-log'],
    CAST.op2,
  ),
};

export const RESTORE: Restore = {
  origin: SUCCESSOR,
  closed: ORIGIN,
  checkpoint: { size: 100, root: sha256(Buffer.from('root of 100 entries')) },
  surviving: { size: 80, root: sha256(Buffer.from('root of 80 entries')) },
  reason: 'both disks of the database lost, archive ends at 80',
  time: at(2_000),
};

export function readRestore({ note, genesis, closed }: RestoreInput, given: Record<string, string>): Restore {
  const closedSet = closed === null ? null : openGenesis(given[closed] as string, ORIGIN);
  return openRestore(bytesOf(note), openGenesis(given[genesis] as string, SUCCESSOR), closedSet);
}

const SIGNERS = [CAST['successor-log'], CAST.op1] as const;

export function restoreVectors(): VectorFile<RestoreInput> {
  const text = formatRestoreText(RESTORE);
  const given = { genesis: 'successor', closed: 'closed' } as const;
  const good = (name: string, restore: Restore, closed: RestoreInput['closed'] = 'closed'): Case<RestoreInput> => {
    const input: RestoreInput = { note: signRestore(restore, ...SIGNERS), genesis: 'successor', closed };
    return valid(name, input, () => readRestore(input, GIVEN));
  };
  const bad = (
    name: string,
    signers: readonly SigningKey[],
    code: string,
    reason: string,
    other: Partial<RestoreInput> = {},
  ) => invalid<RestoreInput>(name, { note: signNote(text, signers), ...given, ...other }, code, reason);
  return {
    format: 'restore',
    specification: 'formats.md, "Successor"; C2SP signed-note',
    how: `Open \`note\` as entry 1 of ${SUCCESSOR}, whose entry 0 is \`genesis\`; \`closed\` is the newest key set of the closed ledger ${ORIGIN}, or null when it is not at hand.`,
    keys: castOf('log', 'successor-log', 'op1', 'op2', 'a', 'b', 'v1', 'stranger'),
    given: GIVEN,
    cases: [
      good('with the closed ledger at hand', RESTORE),
      good('without the closed ledger at hand', RESTORE, null),
      good('nothing survives', { ...RESTORE, surviving: { size: 0, root: EMPTY_ROOT } }),
      good('a reason of 200 bytes in two scripts', { ...RESTORE, reason: `${'ö'.repeat(99)}.!` }),
      bad(
        'signed by the closed ledger’s log key',
        [CAST.log, CAST.op1],
        'note.line-key',
        'the successor’s log key signs',
      ),
      bad(
        'by an operator that the successor dropped',
        [CAST['successor-log'], CAST.op1],
        'note.line-key',
        'the operator stands in both sets',
        { genesis: 'successor, operator op2 only' },
      ),
      bad(
        'by an operator that the closed ledger never had',
        [CAST['successor-log'], CAST.op2],
        'note.line-key',
        'the operator stands in both sets',
        { closed: 'closed, operator op1 only' },
      ),
      bad('the record of another successor', SIGNERS, 'restore.ledger', 'entry 0 is not of main-r2', {
        note: signNote(
          formatRestoreText({ ...RESTORE, origin: originOf(DOMAIN, 'main-r2'), closed: SUCCESSOR }),
          SIGNERS,
        ),
      }),
      ...[...noteCases(text, SIGNERS, 'note.signature'), ...textCases(text, SIGNERS, TEXT_CASES)].map((vector) => ({
        ...vector,
        ...given,
      })),
    ],
  };
}

const TEXT_CASES: Parameters<typeof textCases>[2] = [
  ['another kind', { 1: 'everseal/gap/v1' }, 'restore.kind', 'a successor record says so in its first line'],
  ['a line missing', { 9: null }, 'restore.lines', 'every line is there'],
  [
    'a reason of two lines',
    { 8: 'one\ntwo' },
    'restore.time',
    'a reason is one line, so the time is not where it belongs',
  ],
  ['a line more', { 9: `${RESTORE.time}\nmore` }, 'restore.lines', 'nothing stands after the last line'],
  ['origin empty', { 2: '' }, 'restore.origin', 'an origin is <domain>/<ledger>'],
  ['not the next generation', { 2: `${DOMAIN}/main-r2` }, 'restore.origin', 'the successor of main is main-r1'],
  ['a name of its own', { 2: `${DOMAIN}/second` }, 'restore.origin', 'the successor of main is main-r1'],
  ['a successor of itself', { 3: SUCCESSOR }, 'restore.origin', 'the successor of main-r1 is main-r2'],
  [
    'closed origin of another domain',
    { 3: 'audit.example.org/main' },
    'restore.origin',
    'a successor stays in its domain',
  ],
  ['closed origin empty', { 3: '' }, 'restore.closed', 'an origin is <domain>/<ledger>'],
  [
    'closed ledger whose name cannot grow',
    { 3: `${DOMAIN}/${'l'.repeat(48)}` },
    'restore.closed',
    'a ledger name has at most 48 characters',
  ],
  [
    'checkpoint of size 1',
    { 4: '1' },
    'restore.checkpoint-size',
    'the smallest checkpoint covers a key set and a block',
  ],
  ['checkpoint size with a leading zero', { 4: '0100' }, 'restore.checkpoint-size', 'one spelling per number'],
  ['checkpoint root of nothing', { 5: '' }, 'restore.checkpoint-root', 'a hash has 32 bytes'],
  ['surviving size with an exponent', { 6: '8e1' }, 'restore.surviving-size', 'one spelling per number'],
  [
    'surviving size 0 with a root',
    { 6: '0' },
    'restore.surviving-root',
    'the root of no entries is SHA-256 of nothing',
  ],
  ['surviving root of 32 characters', { 7: 'A'.repeat(32) }, 'restore.surviving-root', 'a hash has 32 bytes'],
  ['reason empty', { 8: '' }, 'restore.reason', 'a reason has at least one byte'],
  ['reason of 201 bytes', { 8: `${'ö'.repeat(100)}.` }, 'restore.reason', 'a reason has at most 200 bytes'],
  ['time of a date', { 9: '2026-01-31' }, 'restore.time', 'one spelling per time'],
];
