import {
  formatCustodyFile,
  parseCustodyFile,
  proveInclusion,
  signFrame,
  treeRoot,
  verifyCustodyFile,
  type CustodyFile,
} from '@everseal/audit-core';
import { CAST, castOf, ORIGIN, OTHER_ORIGIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type VectorFile } from '../vector-file.js';
import { LOG_LEAVES } from './block.js';
import { ENTRIES, FRAME, FRAME_NOTE, TREE } from './frame.js';
import { GENESIS_NOTE, NEXT_NOTE } from './key-set.js';

/** `entry` is proven to be entry `index` of the small log of `origin`. */
export type CustodyInput = { custody: Bytes; entry: Bytes; index: number; origin: string };

/** Parses and verifies; gives who accepted the event, and the trust that it starts from. */
export function readCustodyFile({ custody, entry, index, origin }: CustodyInput): unknown {
  const place = { origin, entry: bytesOf(entry), index, size: LOG_LEAVES.length, root: treeRoot(LOG_LEAVES) };
  const { frame, event, keys, genesis } = verifyCustodyFile(parseCustodyFile(bytesOf(custody)), place);
  return { ingester: frame.ingester, number: frame.number, event, ingest: keys.ingest, genesis };
}

/** In the small log: the frame note is entry 2, its events are entries 3 to 5. */
const FRAME_INDEX = 2;

export function custodyOf(position: number): CustodyFile {
  return {
    ledger: ORIGIN,
    frame: { note: FRAME_NOTE, index: FRAME_INDEX, proof: proveInclusion(FRAME_INDEX, LOG_LEAVES) },
    position,
    proof: TREE.proveRange(position, 1),
    keys: [{ note: GENESIS_NOTE, index: 0, proof: proveInclusion(0, LOG_LEAVES) }],
  };
}

const GOOD = custodyOf(1);
const ENTRY = (ENTRIES[1] as Buffer).toString();
const AT = { entry: ENTRY, index: 4, origin: ORIGIN };

export function custodyFileVectors(): VectorFile<CustodyInput> {
  return {
    format: 'custody-file',
    specification: 'formats.md, "Proof of one event"',
    how: 'Read `custody` and check it for `entry`, which a proof file has shown to be entry `index` of the small log of ledger `origin` (the entries of the guide; size 7).',
    keys: castOf('log', 'op1', 'op2', 'a', 'stranger'),
    cases: [
      ...[0, 1, 2].map((position) => {
        const custody = formatCustodyFile(custodyOf(position));
        const input = { custody, entry: (ENTRIES[position] as Buffer).toString(), index: 3 + position, origin: ORIGIN };
        return valid(`event ${position} of the frame`, input, () => readCustodyFile(input));
      }),
      ...formCases(),
      ...trustCases(),
    ],
  };
}

function formCases(): Case<CustodyInput>[] {
  const text = formatCustodyFile(GOOD);
  const bad = (name: string, custody: Bytes, code: string, reason: string) =>
    invalid<CustodyInput>(name, { custody, ...AT }, code, reason);
  const { frame: _, ...frameless } = JSON.parse(text) as Record<string, unknown>;
  const keyless = `${JSON.stringify({ ...(JSON.parse(text) as object), keys: [] })}\n`;
  return [
    bad('nothing', '', 'custody-file.json', 'no JSON'),
    bad('a list', '[]\n', 'custody-file.json', 'not an object'),
    bad('without its newline', text.trimEnd(), 'custody-file.canonical', 'one line that ends in a newline'),
    bad('white space', text.replace('{', '{ '), 'custody-file.canonical', 'another spelling'),
    bad('another order', text.replace('"position":1,', '').replace('{', '{"position":1,'), 'custody-file.canonical', 'another spelling'),
    bad('an unknown member', text.replace('{', '{"more":1,'), 'custody-file.canonical', 'a member that means nothing'),
    bad('no frame', `${JSON.stringify(frameless)}\n`, 'custody-file.frame', 'the member is missing'),
    bad('no key set', keyless, 'custody-file.keys', 'at least that of entry 0'),
    bad('a negative position', text.replace('"position":1', '"position":-1'), 'custody-file.position', 'not a count'),
    bad('no hash', text.replace('"proof":["', '"proof":["x'), 'custody-file.frame-proof', 'not base64 of 32 bytes'),
  ];
}

function trustCases(): Case<CustodyInput>[] {
  const bad = (name: string, over: Partial<CustodyFile>, code: string, reason: string, at: Partial<CustodyInput> = {}) =>
    invalid<CustodyInput>(name, { custody: formatCustodyFile({ ...GOOD, ...over }), ...AT, ...at }, code, reason);
  const keys = GOOD.keys[0]!;
  const forged = signFrame(FRAME, CAST.stranger);
  const other = (ENTRIES[0] as Buffer).toString();
  return [
    bad('of another ledger', { ledger: OTHER_ORIGIN }, 'custody-file.ledger', 'the proof is of ledger main'),
    bad('for another entry', {}, 'custody-file.place', 'event 1 of the frame at 2 is entry 4', { index: 3 }),
    bad('another event', {}, 'custody-file.root', 'the event is not the one that was signed there', { entry: other }),
    bad('another position', { position: 0 }, 'custody-file.place', 'event 0 of the frame at 2 is entry 3'),
    bad('the proof of another position', { proof: custodyOf(2).proof }, 'range.missing', 'as many hashes as the place asks for'),
    bad('a surplus hash', { proof: [...GOOD.proof, TREE.root] }, 'range.surplus', 'as many hashes as the place asks for'),
    bad('a frame that is not in the log', { frame: { ...GOOD.frame, note: forged } }, 'custody-file.frame-inclusion', 'a stranger signed it'),
    bad('a frame proof cut short', { frame: { ...GOOD.frame, proof: GOOD.frame.proof.slice(1) } }, 'custody-file.frame-inclusion', 'a hash is missing'),
    bad('a key set that is not in the log', { keys: [{ ...keys, note: NEXT_NOTE }] }, 'custody-file.keys-inclusion', 'another note at entry 0'),
    bad('key sets that begin later', { keys: [{ ...keys, index: 1 }] }, 'custody-file.keys-order', 'the first is entry 0'),
    bad('a key set twice', { keys: [keys, keys] }, 'custody-file.keys-order', 'indexes rise'),
    bad('a key set behind the frame', { keys: [keys, { ...keys, index: 5 }] }, 'custody-file.keys-order', 'it was not in force yet'),
    bad('an entry that is no event', {}, 'event-entry.envelope', 'a note has no envelope', { entry: FRAME_NOTE }),
  ];
}
