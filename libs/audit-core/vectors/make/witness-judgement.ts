import {
  decodeBase64,
  encodeBase64,
  formatAddCheckpoint,
  HASH_BYTES,
  judgeAddCheckpoint,
  NOTE_KEY,
  proveConsistency,
  readWitnessRequest,
  sha256,
  signCheckpoint,
  SigningKey,
  treeRoot,
  UNKNOWN_LOG,
  type Hash,
} from '@everseal/audit-core';
import { CAST, castOf, ORIGIN, OTHER_ORIGIN } from '../cast.js';
import { valid, type Case, type Keys, type VectorFile } from '../vector-file.js';
import { LOG_LEAVES } from './block.js';

/** `latest` is what the witness cosigned last of the log; null: nothing. */
export type WitnessJudgementInput = { latest: { size: number; root: string } | null; request: string };

export function judgeWitnessRequest({ latest, request }: WitnessJudgementInput, keys: Keys): unknown {
  const read = readWitnessRequest(Buffer.from(request));
  if ('status' in read) return { status: read.status, size: null, forked: false };
  const known = { origin: ORIGIN, keys: [keys('log')] };
  const head = latest && { size: latest.size, root: decodeBase64(latest.root, HASH_BYTES) };
  const judged = read.origin === ORIGIN ? judgeAddCheckpoint(read.request, known, head) : UNKNOWN_LOG;
  if (judged.status === 200) return { status: 200, size: null, forked: false };
  return { status: judged.status, size: judged.status === 409 ? judged.body : null, forked: judged.forked };
}

const SIZE = LOG_LEAVES.length;
const HALF = Math.ceil(SIZE / 2);
/** The same log with another entry 1: what a thief of the key could show. */
const FORK = LOG_LEAVES.map((leaf, i) => (i === 1 ? sha256(leaf) : leaf));

function signed(size: number, leaves = LOG_LEAVES, key: SigningKey = CAST.log, origin = ORIGIN): string {
  return signCheckpoint({ origin, size, root: treeRoot(leaves.slice(0, size)) }, key);
}

const proofOf = (old: number, size: number, leaves = LOG_LEAVES): Hash[] =>
  old === 0 || old === size ? [] : proveConsistency(old, leaves.slice(0, size));

const asked = (old: number, size: number, checkpoint = signed(size), proof = proofOf(old, size)): string =>
  formatAddCheckpoint({ old, proof, checkpoint });

export function witnessJudgementVectors(): VectorFile<WitnessJudgementInput> {
  const at = (size: number): WitnessJudgementInput['latest'] =>
    size === 0 ? null : { size, root: encodeBase64(treeRoot(LOG_LEAVES.slice(0, size))) };
  const judged = (name: string, size: number, request: string): Case<WitnessJudgementInput> => {
    const input = { latest: at(size), request };
    return valid(name, input, () => judgeWitnessRequest(input, (label) => CAST[label as 'log'].verifier));
  };
  const stranger = SigningKey.fromSeed(ORIGIN, sha256(Buffer.from('everseal vector stranger log')), NOTE_KEY);
  return {
    format: 'witness-judgement',
    specification: 'C2SP tlog-witness, add-checkpoint',
    how: `A witness that knows the log ${ORIGIN} by the key log, and has cosigned \`latest\`, gets \`request\`. \`status\` is its answer, \`size\` the body of a 409 (empty: another root of that size), \`forked\` whether request and latest prove two histories.`,
    keys: castOf('log', 'test-log'),
    cases: [
      judged('the first checkpoint', 0, asked(0, HALF)),
      judged('one that extends the latest', HALF, asked(HALF, SIZE)),
      judged('the latest again', SIZE, asked(SIZE, SIZE)),
      judged('an empty log', 0, asked(0, 0)),
      judged('old is not the latest', HALF, asked(HALF - 1, SIZE)),
      judged('old is above the latest', HALF, asked(HALF + 1, SIZE)),
      judged('old from nothing', HALF, asked(0, SIZE)),
      judged('nothing was cosigned, old says otherwise', 0, asked(HALF, SIZE)),
      judged('the latest is larger', SIZE, asked(HALF, HALF)),
      judged('another root of the latest size', SIZE, asked(SIZE, SIZE, signed(SIZE, FORK))),
      judged('another root of the latest size, old from nothing', SIZE, asked(0, SIZE, signed(SIZE, FORK))),
      judged('another history', HALF, asked(HALF, SIZE, signed(SIZE, FORK), proofOf(HALF, SIZE, FORK))),
      judged('no proof', HALF, asked(HALF, SIZE, signed(SIZE), [])),
      judged('a proof with one hash more', HALF, asked(HALF, SIZE, signed(SIZE), [...proofOf(HALF, SIZE), LOG_LEAVES[0]!])),
      judged('a proof from nothing', 0, asked(0, SIZE, signed(SIZE), [LOG_LEAVES[0]!])),
      judged('a proof for the latest again', SIZE, asked(SIZE, SIZE, signed(SIZE), [LOG_LEAVES[0]!])),
      judged('an empty log with a root', 0, asked(0, 0).replace(/\n0\n.*\n/, `\n0\n${encodeBase64(LOG_LEAVES[0]!)}\n`)),
      judged('old is above the checkpoint', SIZE, asked(0, HALF).replace('old 0', `old ${SIZE}`)),
      judged('signed by an unknown key', HALF, asked(HALF, SIZE, signed(SIZE, LOG_LEAVES, stranger))),
      judged('signed falsely', HALF, asked(HALF, SIZE, signed(SIZE).replace(`\n${SIZE}\n`, `\n${SIZE + 1}\n`))),
      judged('another log', HALF, asked(0, SIZE, signed(SIZE, LOG_LEAVES, CAST['test-log'], OTHER_ORIGIN))),
      judged('an extension line', HALF, asked(HALF, SIZE, signed(SIZE).replace('\n\n', '\nmore\n\n'))),
      judged('no checkpoint', HALF, `old ${HALF}\n\n`),
      judged('no note', HALF, `old ${HALF}\n\nnonsense\n`),
    ],
  };
}
