import {
  appendSignatures,
  cosign,
  formatCheckpointText,
  formatClaimAnswer,
  parseClaimAnswer,
  parseReceipt,
  proveInclusion,
  signCheckpoint,
  treeRoot,
  verifyClaimAnswer,
} from '@everseal/audit-core';
import { CAST, castKeys, castOf, ORIGIN, OTHER_ORIGIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type Keys, type VectorFile } from '../vector-file.js';
import { LOG_LEAVES } from './block.js';
import { receiptOf } from './claim.js';

/** `receipt` was handed in; the log key `log` and the verifier `v1` are known. */
export type ClaimAnswerInput = { answer: Bytes; receipt: string };

/** Reads the answer, and verifies it where it says that the events are sealed. */
export function readClaimAnswer({ answer, receipt }: ClaimAnswerInput, keyOf: Keys): unknown {
  const read = parseClaimAnswer(bytesOf(answer));
  if (read.state !== 'sealed') return read;
  const trust = { logKeys: [keyOf('log')], verifiers: [keyOf('v1')] };
  const { checkpoint, cosignatures } = verifyClaimAnswer(read, parseReceipt(Buffer.from(receipt)), trust);
  return { ...read, verified: { size: checkpoint.size, root: checkpoint.root, seconds: cosignatures[0]?.seconds } };
}

const CHECKPOINT = { origin: ORIGIN, size: LOG_LEAVES.length, root: treeRoot(LOG_LEAVES) };
const SECONDS = 1_769_850_000;
/** Of the frame note. */
const PLACE = 2;

function cosigned(checkpoint: typeof CHECKPOINT, log = CAST.log, verifiers = [CAST.v1]): string {
  const lines = verifiers.map((verifier) => cosign(formatCheckpointText(checkpoint), verifier, SECONDS));
  return appendSignatures(signCheckpoint(checkpoint, log), lines);
}

const NOTE = cosigned(CHECKPOINT);
const PROOF = proveInclusion(PLACE, LOG_LEAVES);
/** For the receipt of the second event: entry 4. */
const SEALED = { state: 'sealed', index: 4, proof: PROOF, checkpoint: NOTE } as const;

export function claimAnswerVectors(): VectorFile<ClaimAnswerInput> {
  const receipt = receiptOf(1, 1);
  const good = (name: string, answer: string, of = receipt): Case<ClaimAnswerInput> =>
    valid(name, { answer, receipt: of }, () => readClaimAnswer({ answer, receipt: of }, castKeys));
  const sealed = formatClaimAnswer(SEALED).toString();
  return {
    format: 'claim-answer',
    specification: 'formats.md, "Claim"',
    how: 'Read `answer` to a claim of `receipt`. Where it says sealed, check it with the log key `log` and the verifier `v1`.',
    keys: castOf('log', 'log-2', 'v1', 'v2', 'a'),
    cases: [
      good('sealed', sealed),
      good('sealed, a whole frame', formatClaimAnswer({ ...SEALED, index: 3 }).toString(), receiptOf(0, 3)),
      good('pending', formatClaimAnswer({ state: 'pending' }).toString()),
      good('overdue', formatClaimAnswer({ state: 'overdue' }).toString()),
      good('an unknown member', '{"state":"pending","help":"ask again"}'),
      ...formCases(sealed, receipt),
      ...trustCases(receipt),
    ],
  };
}

function formCases(sealed: string, receipt: string): Case<ClaimAnswerInput>[] {
  const bad = (name: string, answer: Bytes, code: string, reason: string): Case<ClaimAnswerInput> =>
    invalid(name, { answer, receipt }, `claim-answer.${code}`, reason);
  const altered = (members: object): string => JSON.stringify({ ...(JSON.parse(sealed) as object), ...members });
  return [
    bad('nothing', '', 'json', 'not JSON'),
    bad('too large', [{ text: sealed }, { text: ' ', times: 65_536 }], 'size', 'at most 65,536 bytes are read'),
    bad('no state', '{}', 'state', 'every member is there'),
    bad('another state', '{"state":"lost"}', 'state', 'one of three'),
    bad('sealed without an index', altered({ index: undefined }), 'index', 'every member is there'),
    bad('an index that is a text', altered({ index: '4' }), 'index', 'an integer'),
    bad('a proof that is no list', altered({ proof: '' }), 'proof', 'a list of hashes'),
    bad('a proof of something else', altered({ proof: ['AAAA'] }), 'proof', 'hashes have 32 bytes'),
    bad('more hashes than any proof', altered({ proof: Array(54).fill(PROOF[0]?.toString('base64')) }), 'proof', 'too many'),
    bad('sealed without a checkpoint', altered({ checkpoint: null }), 'checkpoint', 'a note'),
  ];
}

function trustCases(receipt: string): Case<ClaimAnswerInput>[] {
  const bad = (name: string, over: object, code: string, reason: string): Case<ClaimAnswerInput> => {
    const proof = PROOF.map((hash) => hash.toString('base64'));
    return invalid(name, { answer: JSON.stringify({ ...SEALED, proof, ...over }), receipt }, code, reason);
  };
  const inclusion = 'claim-answer.inclusion';
  return [
    bad('an event before its frame', { index: 1 }, 'claim-answer.place', 'the frame note stands before its events'),
    bad('another index', { index: 5 }, inclusion, 'the frame note is not there'),
    bad('an index behind the checkpoint', { index: 4_000 }, inclusion, 'the tree is smaller'),
    bad('a proof with a hash less', { proof: PROOF.slice(1).map((hash) => hash.toString('base64')) }, inclusion, 'incomplete'),
    bad('a checkpoint without a cosignature', { checkpoint: cosigned(CHECKPOINT, CAST.log, []) }, 'claim-answer.cosignature', 'one at least'),
    bad('cosigned by a stranger', { checkpoint: cosigned(CHECKPOINT, CAST.log, [CAST.v2]) }, 'claim-answer.cosignature', 'v1 is the one that is known'),
    bad('signed by another log key', { checkpoint: cosigned(CHECKPOINT, CAST['log-2']) }, 'note.unverified', 'the known log key did not sign'),
    bad('a checkpoint of another ledger', { checkpoint: cosigned({ ...CHECKPOINT, origin: OTHER_ORIGIN }) }, 'checkpoint.origin', 'not this log'),
  ];
}
