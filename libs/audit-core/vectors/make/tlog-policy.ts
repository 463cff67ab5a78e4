import {
  appendSignatures,
  cosign,
  formatCheckpointText,
  formatTlogPolicy,
  openUnderPolicy,
  parseTlogPolicy,
  policyOfKeySet,
  signCheckpoint,
  treeRoot,
} from '@everseal/audit-core';
import { CAST, castOf, ORIGIN, OTHER_ORIGIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type VectorFile } from '../vector-file.js';
import { LOG_LEAVES } from './block.js';
import { GENESIS } from './key-set.js';

/** `checkpoint` is judged by `policy`; null: the policy is only read. */
export type TlogPolicyInput = { policy: Bytes; checkpoint: string | null };

export function readTlogPolicy({ policy, checkpoint }: TlogPolicyInput): unknown {
  const read = parseTlogPolicy(bytesOf(policy));
  if (checkpoint === null) return read;
  const { cosignatures, logKeys } = openUnderPolicy(checkpoint, read);
  return { logKeys, cosigned: cosignatures.map(({ name, seconds }) => ({ name, seconds })) };
}

const CHECKPOINT = { origin: ORIGIN, size: LOG_LEAVES.length, root: treeRoot(LOG_LEAVES) };
const SECONDS = 1_769_850_000;
const SIGNED = signCheckpoint(CHECKPOINT, CAST.log);

/** The checkpoint of the small log, cosigned by these. */
export function cosignedBy(...verifiers: ('v1' | 'v2')[]): string {
  const lines = verifiers.map((label, i) => cosign(formatCheckpointText(CHECKPOINT), CAST[label], SECONDS + i));
  return appendSignatures(SIGNED, lines);
}

const [LOG, V1, V2] = (['log', 'v1', 'v2'] as const).map((label) => CAST[label].verifier.vkey) as [string, string, string];
const HEAD = `log ${LOG}\nwitness one ${V1}\nwitness two ${V2}\n`;
export const BOTH = `${HEAD}group both all one two\nquorum both\n`;
const ANY = `${HEAD}group either any one two\nquorum either\n`;

export function tlogPolicyVectors(): VectorFile<TlogPolicyInput> {
  const good = (name: string, policy: Bytes, checkpoint: string | null = null): Case<TlogPolicyInput> =>
    valid(name, { policy, checkpoint }, () => readTlogPolicy({ policy, checkpoint }));
  return {
    format: 'tlog-policy',
    specification: 'C2SP tlog-policy',
    how: 'Read `policy`; where there is a `checkpoint`, judge it. Names and URLs are given a character an octet.',
    keys: castOf('log', 'test-log', 'v1', 'v2'),
    cases: [
      good('one of two witnesses', ANY),
      good('that of a key set', formatTlogPolicy(policyOfKeySet(GENESIS))),
      good('comments, spaces, tabs and empty lines', `# whom to believe\n\n \t# more\n\tlog\t ${LOG}  \n \nquorum none\n`),
      good('URLs', `log ${LOG} https://log.example.com/\nwitness w ${V1} https://w.example.com\nquorum w\n`),
      good('without logs', `witness w ${V1}\nquorum w\n`),
      good('groups in groups', `${HEAD}group a 1 one\ngroup b any two\ngroup c 2 a b\nquorum c\n`),
      good('names that are no UTF-8, and words as names', [
        { text: `log ${LOG}\nwitness ` },
        { hex: 'ff80' },
        { text: ` ${V1}\nwitness log ${V2}\ngroup all 1 log ` },
        { hex: 'ff80' },
        { text: '\nquorum all\n' },
      ]),
      good('met by both', BOTH, cosignedBy('v1', 'v2')),
      good('met by one of two', ANY, cosignedBy('v2')),
      good('met by the log alone', `log ${LOG}\nquorum none\n`, SIGNED),
      good('met by groups in groups', `${HEAD}group a 1 one\ngroup b 1 two\ngroup c 1 a b\nquorum c\n`, cosignedBy('v2')),
      ...judgedCases(),
      ...formCases(),
    ],
  };
}

function judgedCases(): Case<TlogPolicyInput>[] {
  const bad = (name: string, policy: string, checkpoint: string, code: string, reason: string) =>
    invalid<TlogPolicyInput>(name, { policy, checkpoint }, code, reason);
  const other = signCheckpoint({ ...CHECKPOINT, origin: OTHER_ORIGIN }, CAST['test-log']);
  const forged = cosignedBy('v1').replace(/(.)(..==?\n)$/, (_, c: string, end: string) => (c === 'A' ? 'B' : 'A') + end);
  return [
    bad('one of two where both are needed', BOTH, cosignedBy('v1'), 'policy.unmet', 'two did not cosign'),
    bad('nobody', ANY, SIGNED, 'policy.unmet', 'no witness cosigned'),
    bad('another witness', `log ${LOG}\nwitness w ${V1}\nquorum w\n`, cosignedBy('v2'), 'policy.unmet', 'v2 is not named'),
    bad('another log', ANY, other, 'policy.log', 'the policy does not name that log'),
    bad('no log', `witness w ${V1}\nquorum w\n`, cosignedBy('v1'), 'policy.log', 'the policy names no log at all'),
    bad('a cosignature that does not verify', ANY, forged, 'cosignature.signature', 'a line of a known witness is false'),
    bad(
      'a log key of the same name',
      `log ${CAST['log-2'].verifier.vkey}\nquorum none\n`,
      SIGNED,
      'note.unverified',
      'the key that the policy names did not sign',
    ),
  ];
}

function formCases(): Case<TlogPolicyInput>[] {
  const bad = (name: string, policy: Bytes, code: string, reason: string) =>
    invalid<TlogPolicyInput>(name, { policy, checkpoint: null }, code, reason);
  const twice = CAST.v1.verifier.vkey;
  return [
    bad('no newline at the end', ANY.trimEnd(), 'policy.end', 'every line ends in a newline'),
    bad('carriage returns', ANY.replaceAll('\n', '\r\n'), 'policy.octet', 'CR is a control character'),
    bad('a delete character', [{ text: '#' }, { hex: '7f' }, { text: '\nquorum none\n' }], 'policy.octet', 'DEL is one too'),
    bad('nothing', '\n', 'policy.quorum', 'no quorum line'),
    bad('no quorum', HEAD, 'policy.quorum', 'no quorum line'),
    bad('two quorums', 'quorum none\nquorum none\n', 'policy.quorum', 'two quorum lines'),
    bad('an unknown line', 'Quorum none\n', 'policy.line', 'words are lower-case'),
    bad('a comment behind a line', 'quorum none # all\n', 'policy.line', 'comments have lines of their own'),
    bad('a log without key', 'log\nquorum none\n', 'policy.line', 'the vkey is missing'),
    bad('a group without members', `${HEAD}group g all\nquorum one\n`, 'policy.line', 'at least one member'),
    bad('a no-break space', [{ text: 'quorum' }, { hex: 'c2a0' }, { text: 'none\n' }], 'policy.line', 'only space and tab separate'),
    bad('no key', 'log example.com\nquorum none\n', 'policy.key', 'not a vkey'),
    bad('a witness key as log', `log ${V1}\nquorum none\n`, 'policy.key', 'type 0x04 does not sign logs'),
    bad('a log key as witness', `witness w ${LOG}\nquorum w\n`, 'policy.key', 'type 0x01 does not cosign'),
    bad('one log twice', `log ${LOG}\nlog ${LOG}\nquorum none\n`, 'policy.key-twice', 'the same public key'),
    bad('one witness twice', `witness a ${twice}\nwitness b ${twice}\nquorum a\n`, 'policy.key-twice', 'it would count twice'),
    bad('a name twice', `${HEAD}group one all two\nquorum one\n`, 'policy.name', 'witnesses and groups share their names'),
    bad('none as a name', `witness none ${V1}\nquorum none\n`, 'policy.name', 'none is reserved'),
    bad('none as a member', `${HEAD}group g any none\nquorum g\n`, 'policy.undefined', 'none is no member'),
    bad('a member that comes later', `group g any w\nwitness w ${V1}\nquorum g\n`, 'policy.undefined', 'defined above its use'),
    bad('a group in itself', `${HEAD}group g any one g\nquorum g\n`, 'policy.undefined', 'defined above its use'),
    bad('an undefined quorum', `${HEAD}quorum three\n`, 'policy.undefined', 'nobody is called three'),
    bad('another case', `${HEAD}quorum One\n`, 'policy.undefined', 'names are octets'),
    bad('a member of two groups', `${HEAD}group a any one\ngroup b any one\nquorum a\n`, 'policy.member-twice', 'it would count twice'),
    bad('a member twice', `${HEAD}group a 2 one one\nquorum a\n`, 'policy.member-twice', 'it would count twice'),
    ...['0', '3', '01', '-1', 'most', 'ALL'].map((k) =>
      bad(`threshold ${k}`, `${HEAD}group g ${k} one two\nquorum g\n`, 'policy.threshold', 'all, any, or 1 to 2'),
    ),
  ];
}
