import {
  announcementTrust,
  appendSignatures,
  cosign,
  formatAnnouncement,
  leafHash,
  openGenesis,
  proveInclusion,
  sha256,
  signCheckpoint,
  signKeySet,
  treeRoot,
  verifyAnnouncement,
  type AnnouncedHead,
  type Announcement,
  type Hash,
} from '@everseal/audit-core';
import { CAST, castOf, ORIGIN, OTHER_ORIGIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type VectorFile } from '../vector-file.js';
import { LOG_LEAVES } from './block.js';
import { FRAME_NOTE } from './frame.js';
import { GENESIS, GENESIS_NOTE, NEXT, NEXT_NOTE } from './key-set.js';

/** `frames`: leaf hashes that the reader has, by `<ingester>/<number>`. */
export type AnnouncementInput = { announcement: Bytes; frames: Record<string, string> };

/** Verifies as a reader does and gives what it learns. */
export function readAnnouncement({ announcement, frames }: AnnouncementInput, given: Record<string, string>): unknown {
  const known = (ingester: string, number: number): Hash | null => {
    const hash = frames[`${ingester}/${number}`];
    return hash === undefined ? null : Buffer.from(hash, 'base64');
  };
  const read = verifyAnnouncement(
    bytesOf(announcement),
    announcementTrust(openGenesis(given.trust as string, ORIGIN), leafHash(Buffer.from(given.trust as string))),
    known,
  );
  const { size, root } = read.checkpoint;
  return { ...read, checkpoint: { size, root } };
}

/** The small log of block.ts and four entries more: 7 stands for a heartbeat block or the next key set, 8 for frame 9 of b. */
const FRAME_HASH = leafHash(Buffer.from(FRAME_NOTE));
const LEAVES: Hash[] = [...LOG_LEAVES, ...[7, 8, 9, 10].map((index) => sha256(Buffer.from(`entry ${index}`)))];
const ROTATED = LEAVES.with(7, leafHash(Buffer.from(NEXT_NOTE)));

const CHECKPOINT = { origin: ORIGIN, size: 11, root: treeRoot(LEAVES) };
const ROTATED_CHECKPOINT = { ...CHECKPOINT, root: treeRoot(ROTATED) };
const SECONDS = 1_769_850_000;

function cosigned(note: string, verifiers: readonly (typeof CAST.v1)[]): string {
  const signed = note.slice(0, note.lastIndexOf('\n\n') + 1);
  return appendSignatures(
    note,
    verifiers.map((verifier) => cosign(signed, verifier, SECONDS)),
  );
}

const HEAD: AnnouncedHead = {
  ingester: 'a',
  number: 1,
  index: 2,
  proof: proveInclusion(2, LEAVES),
  debts: [],
};
const HEAD_B: AnnouncedHead = {
  ingester: 'b',
  number: 9,
  index: 8,
  proof: proveInclusion(8, LEAVES),
  debts: [
    [2, 4],
    [6, 6],
  ],
};

const ANNOUNCEMENT: Announcement = {
  checkpoint: cosigned(signCheckpoint(CHECKPOINT, CAST.log), [CAST.v1]),
  keys: { note: GENESIS_NOTE, index: 0, proof: proveInclusion(0, LEAVES) },
  heads: [HEAD, HEAD_B],
};
/** After the log key changed: the new one signs, and the one before it too. */
const AFTER_ROTATION: Announcement = {
  checkpoint: cosigned(signCheckpoint(ROTATED_CHECKPOINT, CAST['log-2'], CAST.log), [CAST.v2, CAST.v1]),
  keys: { note: NEXT_NOTE, index: 7, proof: proveInclusion(7, ROTATED) },
  heads: [],
};

/** Two changes of the log key later; only the newest signs, and a reader of the first set is led there by the one between. */
const THIRD = {
  ...NEXT,
  previous: leafHash(Buffer.from(NEXT_NOTE)),
  time: '2026-03-01T00:00:00.000Z',
  log: CAST['log-3'].verifier,
  verifiers: [CAST.v2.verifier],
};
const THIRD_NOTE = signKeySet(THIRD, CAST['log-2'], CAST.op2);
const ROTATED_TWICE = ROTATED.with(9, leafHash(Buffer.from(THIRD_NOTE)));
const FAR_CHECKPOINT = { ...CHECKPOINT, root: treeRoot(ROTATED_TWICE) };
const FAR_AHEAD: Announcement = {
  checkpoint: cosigned(signCheckpoint(FAR_CHECKPOINT, CAST['log-3']), [CAST.v2]),
  keys: { note: THIRD_NOTE, index: 9, proof: proveInclusion(9, ROTATED_TWICE), before: [NEXT_NOTE] },
  heads: [],
};

const GIVEN = { trust: GENESIS_NOTE };
const FRAMES = { 'a/1': FRAME_HASH.toString('base64') };

function text(changed: Partial<Announcement> = {}, from: Announcement = ANNOUNCEMENT): string {
  return formatAnnouncement({ ...from, ...changed }).toString();
}

export function announcementVectors(): VectorFile<AnnouncementInput> {
  const good = (
    name: string,
    announcement: string,
    frames: Record<string, string> = FRAMES,
  ): Case<AnnouncementInput> => {
    const input = { announcement, frames };
    return valid(name, input, () => readAnnouncement(input, GIVEN));
  };
  const stranger = cosigned(ANNOUNCEMENT.checkpoint, [CAST.v2]);
  return {
    format: 'announcement',
    specification:
      'formats.md, "Messages between services"; C2SP tlog-checkpoint, tlog-cosignature; RFC 6962 section 2.1.1',
    how: 'Verify `announcement` as a reader who trusts the log key and the verifiers of the given key set `trust` and has the frames `frames` (leaf hashes by ingester/number).',
    keys: castOf('log', 'log-2', 'log-3', 'op1', 'op2', 'a', 'b', 'v1', 'v2'),
    given: GIVEN,
    cases: [
      good('for an ingester that has its frame', text()),
      good('for a reader that has no frame', text(), {}),
      good('no head yet', text({ heads: [] })),
      good('a cosignature of a verifier that the reader does not know', text({ checkpoint: stranger })),
      good('after the log key changed', text({}, AFTER_ROTATION)),
      good('two changes of the log key later', text({}, FAR_AHEAD)),
      good('an unknown member', text().replace('{', '{"note":"hello",')),
      ...formCases(),
      ...trustCases(),
    ],
  };
}

function formCases(): Case<AnnouncementInput>[] {
  const bad = (name: string, announcement: Bytes, code: string, reason: string): Case<AnnouncementInput> =>
    invalid(name, { announcement, frames: FRAMES }, `announcement.${code}`, reason);
  const read = (): { keys: object; heads: object[] } => JSON.parse(text()) as { keys: object; heads: object[] };
  const whole = (members: object): string => JSON.stringify({ ...read(), ...members });
  const keys = (members: object): string => whole({ keys: { ...read().keys, ...members } });
  const head = (members: object): string => whole({ heads: [read().heads[0], { ...read().heads[1], ...members }] });
  return [
    bad('nothing', '', 'json', 'not JSON'),
    bad('too large', [{ text: text() }, { text: ' ', times: 1_048_576 }], 'size', 'at most 1 MiB is read'),
    bad('no checkpoint', whole({ checkpoint: undefined }), 'checkpoint', 'every member is there'),
    bad('no keys', whole({ keys: null }), 'keys', 'every member is there'),
    bad('a key set of another type', keys({ note: 1 }), 'keys-note', 'a string'),
    bad('an index below 0', keys({ index: -1 }), 'keys-index', 'indexes begin at 0'),
    bad(
      '54 hashes',
      keys({ proof: Array.from({ length: 54 }, () => FRAMES['a/1']) }),
      'keys-proof',
      'no tree is that deep',
    ),
    bad('heads by name', whole({ heads: { a: 1 } }), 'heads', 'a list'),
    bad('an ingester twice', head({ ingester: 'a' }), 'heads', 'one head each'),
    bad('a head that is a number', whole({ heads: [1] }), 'heads', 'a list of objects'),
    bad('an ingester that is no name', head({ ingester: 'b.*' }), 'heads-ingester', 'names are a-z, 0-9 and hyphens'),
    bad('frame number 0', head({ number: 0 }), 'heads-number', 'frames are numbered from 1'),
    bad('an index with a fraction', head({ index: 5.5 }), 'heads-index', 'an integer'),
    bad('a proof of null', head({ proof: [null] }), 'heads-proof', 'base64 texts'),
    bad('no debts', head({ debts: undefined }), 'heads-debts', 'an empty list when there are none'),
    bad('a debt of one number', head({ debts: [[2]] }), 'heads-debts', 'pairs'),
    bad('a debt of text', head({ debts: [['2', '4']] }), 'heads-debts', 'numbers'),
    bad('a debt that ends before it begins', head({ debts: [[4, 2]] }), 'heads-debts', 'first ≤ last'),
    bad('a debt of frame 0', head({ debts: [[0, 2]] }), 'heads-debts', 'frames are numbered from 1'),
    bad('a debt that contains the head', head({ debts: [[8, 9]] }), 'heads-debts', 'debts lie below the head'),
    bad('debts that overlap', head({ debts: [[2, 4], [4, 5]] }), 'heads-debts', 'ascending, apart'), // prettier-ignore
  ];
}

function trustCases(): Case<AnnouncementInput>[] {
  const bad = (
    name: string,
    announcement: string,
    code: string,
    reason: string,
    frames: Record<string, string> = FRAMES,
  ): Case<AnnouncementInput> => invalid(name, { announcement, frames }, code, reason);
  const checkpoint = (note: string): Partial<Announcement> => ({ checkpoint: note });
  const flipped = ANNOUNCEMENT.checkpoint.replace(
    /(— \S+verifier\/v1 .{30})(.)/,
    (_, head: string, c: string) => `${head}${c === 'A' ? 'B' : 'A'}`,
  );
  const forged = signKeySet({ ...GENESIS, ingest: [CAST['a-2'].verifier] }, CAST.log, CAST.op1);
  const foreign = { ...GENESIS, origin: OTHER_ORIGIN, log: CAST['test-log'].verifier };
  const foreignNote = signKeySet(foreign, CAST['test-log'], CAST.op1);
  return [
    bad(
      'no cosignature',
      text(checkpoint(signCheckpoint(CHECKPOINT, CAST.log))),
      'announcement.cosignature',
      'at least one known verifier',
    ),
    bad(
      'cosigned by an unknown verifier only',
      text(checkpoint(cosigned(signCheckpoint(CHECKPOINT, CAST.log), [CAST.v2]))),
      'announcement.cosignature',
      'at least one known verifier',
    ),
    bad(
      'a cosignature that does not verify',
      text(checkpoint(flipped)),
      'cosignature.signature',
      'a line of a known key must verify',
    ),
    bad(
      'a checkpoint by no known log key',
      text(checkpoint(cosigned(signCheckpoint(CHECKPOINT, CAST['log-2']), [CAST.v1]))),
      'note.unverified',
      'the reader does not know that key',
    ),
    bad(
      'a checkpoint of another ledger',
      text(checkpoint(cosigned(signCheckpoint({ ...CHECKPOINT, origin: OTHER_ORIGIN }, CAST.log), [CAST.v1]))),
      'checkpoint.origin',
      'first line is the origin',
    ),
    bad(
      'the new log key did not sign',
      text(checkpoint(cosigned(signCheckpoint(ROTATED_CHECKPOINT, CAST.log), [CAST.v1])), AFTER_ROTATION),
      'announcement.log-key',
      'the log key in force at the last entry signs',
    ),
    bad(
      'two changes of the log key later, the set between left out',
      text({ keys: { ...FAR_AHEAD.keys, before: [] } }, FAR_AHEAD),
      'note.unverified',
      'nothing leads the reader from its log key to that one',
    ),
    bad(
      'two changes of the log key later, the set between signed by its own log key',
      text({ keys: { ...FAR_AHEAD.keys, before: [signKeySet(NEXT, CAST['log-2'], CAST.op2)] } }, FAR_AHEAD),
      'announcement.keys-chain',
      'each set is signed by the keys of the one before it',
    ),
    bad(
      'two changes of the log key later, cosigned by a verifier that the newest set does not name',
      text({ checkpoint: cosigned(signCheckpoint(FAR_CHECKPOINT, CAST['log-3']), [CAST.v1]) }, FAR_AHEAD),
      'announcement.cosignature',
      'at least one verifier of the newest set',
    ),
    bad(
      'a key set that is not in the log',
      text({ keys: { ...ANNOUNCEMENT.keys, note: forged } }),
      'announcement.keys-inclusion',
      'signed by log and operator, but not sealed',
    ),
    bad(
      'a line added to the key set',
      text({ keys: { ...ANNOUNCEMENT.keys, note: `${GENESIS_NOTE}${GENESIS_NOTE.split('\n').at(-2)}\n` } }),
      'announcement.keys-inclusion',
      'another leaf',
    ),
    bad(
      'the index of another entry',
      text({ keys: { ...ANNOUNCEMENT.keys, index: 1 } }),
      'announcement.keys-inclusion',
      'the proof is of one place',
    ),
    bad(
      'a key set beyond the tree',
      text({ keys: { ...ANNOUNCEMENT.keys, index: 11 } }),
      'announcement.keys-inclusion',
      'index < size',
    ),
    bad(
      'a hash left over',
      text({ keys: { ...ANNOUNCEMENT.keys, proof: [...ANNOUNCEMENT.keys.proof, CHECKPOINT.root] } }),
      'announcement.keys-inclusion',
      'exactly as many as the tree asks for',
    ),
    bad(
      'a key set of another ledger',
      text({ keys: { ...ANNOUNCEMENT.keys, note: foreignNote } }),
      'announcement.keys-entry',
      'the origin is not this ledger’s',
    ),
    bad(
      'a frame note for the key set',
      text({ keys: { note: FRAME_NOTE, index: 2, proof: HEAD.proof } }),
      'announcement.keys-entry',
      'in the log, but no key set',
    ),
    bad(
      'another frame under that number',
      text(),
      'announcement.heads-inclusion',
      'the frame that the reader has is not the one in the log',
      { 'a/1': CHECKPOINT.root.toString('base64') },
    ),
    bad(
      'a head at the place of another',
      text({ heads: [{ ...HEAD, index: 3 }] }),
      'announcement.heads-inclusion',
      'the proof is of one place',
    ),
  ];
}
