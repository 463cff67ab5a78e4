/**
 * Policies (C2SP tlog-policy): whom a checkpoint is believed by. A file of lines, words separated by spaces and tabs:
 *
 *   log <vkey> [<url>]                    key name = origin of the log
 *   witness <name> <vkey> [<url>]         key of type 0x04
 *   group <name> all|any|<k> <name>...    witnesses and groups defined above
 *   quorum <name>|none                    exactly one
 *   # comment
 *
 * A checkpoint is believed when one of the logs signed it and the quorum cosigned it. Names are only for groups and quorum;
 * they are octets, compared as such, and here a character an octet. A name is a member at most once, so that a witness counts
 * in one way. The specification leaves a policy without logs to the application; here it accepts nothing.
 */
import { openCheckpoint, parseCheckpointText, type OpenedCheckpoint } from './checkpoint.js';
import { cosignaturesOf, type Cosignature } from './cosignature.js';
import { formatDecimal, parseDecimal } from './decimal.js';
import { FormatError } from './format-error.js';
import type { KeySet } from './key-set.js';
import { COSIGNATURE_KEY, NOTE_KEY, parseVkey, type KeyType, type VerifierKey } from './key.js';
import { parseNote } from './note.js';
import { quote } from './quote.js';
import { decodeUtf8 } from './utf8.js';

export type PolicyLog = { readonly key: VerifierKey; readonly url: string | null };
export type PolicyWitness = PolicyLog & { readonly name: string };
export type PolicyGroup = {
  readonly name: string;
  /** How many of the members are needed, 1 to all of them. */
  readonly threshold: number;
  readonly members: readonly string[];
};

export type TlogPolicy = {
  readonly logs: readonly PolicyLog[];
  readonly witnesses: readonly PolicyWitness[];
  /** In the order of the file: members stand before their group. */
  readonly groups: readonly PolicyGroup[];
  /** Name of a witness or group; NO_QUORUM when the log's own signature is enough. */
  readonly quorum: string;
};

/** The quorum that asks for no cosignature. */
export const NO_QUORUM = 'none';

const MOST_BYTES = 262_144;
/** Logs, witnesses and groups together; the specification asks for 32 of each. */
const MOST_DEFINITIONS = 1_024;
const LINE_FEED = 0x0a;
const TAB = 0x09;

/**
 * Reads a policy file. Throws FormatError
 * - `policy.size`, `policy.octet` (a control character), `policy.end` (no newline at the end)
 * - `policy.line`           neither empty, comment, log, witness, group nor quorum, or not with its number of words
 * - `policy.key`            not a vkey, or not of the type for its place
 * - `policy.key-twice`      one public key in two log lines, or in two witness lines
 * - `policy.name`           defined twice, or it is `none`
 * - `policy.undefined`      a member or the quorum is not defined above
 * - `policy.member-twice`   a name is a member for the second time
 * - `policy.threshold`      not `all`, `any` or a number of 1 to the number of members
 * - `policy.quorum`         missing or there twice
 */
export function parseTlogPolicy(file: Uint8Array): TlogPolicy {
  const reading = new Reading();
  for (const line of linesOf(file)) {
    const words = line.split(/[ \t]+/).filter((word) => word !== '');
    if (words.length > 0 && !words[0]!.startsWith('#')) reading.take(words);
  }
  return reading.end();
}

function linesOf(file: Uint8Array): string[] {
  if (file.length > MOST_BYTES) throw new FormatError('policy.size', `the policy is longer than ${MOST_BYTES} bytes`);
  for (const octet of file) {
    if ((octet < 0x20 && octet !== TAB && octet !== LINE_FEED) || octet === 0x7f) {
      throw new FormatError('policy.octet', `the policy holds the control character 0x${octet.toString(16)}`);
    }
  }
  const lines = Buffer.from(file).toString('latin1').split('\n');
  if (lines.pop() !== '') throw new FormatError('policy.end', 'the policy does not end in a newline');
  return lines;
}

/** What the lines so far have defined. */
class Reading {
  private readonly logs: PolicyLog[] = [];
  private readonly witnesses: PolicyWitness[] = [];
  private readonly groups: PolicyGroup[] = [];
  private readonly names = new Set<string>();
  private readonly members = new Set<string>();
  private quorum: string | null = null;

  take(words: readonly string[]): void {
    const [kind, ...rest] = words;
    if (kind === 'log') this.takeLog(rest);
    else if (kind === 'witness') this.takeWitness(rest);
    else if (kind === 'group') this.takeGroup(rest);
    else if (kind === 'quorum') this.takeQuorum(rest);
    else throw badLine(words);
    if (this.logs.length + this.names.size > MOST_DEFINITIONS) {
      throw new FormatError('policy.size', `the policy has more than ${MOST_DEFINITIONS} logs, witnesses and groups`);
    }
  }

  end(): TlogPolicy {
    const { logs, witnesses, groups, quorum } = this;
    if (quorum === null)
      throw new FormatError('policy.quorum', 'the policy has no quorum line; quorum none asks for none');
    return { logs, witnesses, groups, quorum };
  }

  private takeLog(words: readonly string[]): void {
    const [vkey, url = null] = words;
    if (vkey === undefined || words.length > 2) throw badLine(['log', ...words]);
    const key = readKey(vkey, NOTE_KEY);
    requireNew(this.logs, key);
    this.logs.push({ key, url });
  }

  private takeWitness(words: readonly string[]): void {
    const [name, vkey, url = null] = words;
    if (name === undefined || vkey === undefined || words.length > 3) throw badLine(['witness', ...words]);
    const key = readKey(vkey, COSIGNATURE_KEY);
    requireNew(this.witnesses, key);
    this.define(name);
    this.witnesses.push({ name, key, url });
  }

  private takeGroup(words: readonly string[]): void {
    const [name, threshold, ...members] = words;
    if (name === undefined || threshold === undefined || members.length === 0) throw badLine(['group', ...words]);
    for (const member of members) {
      this.requireDefined(member);
      if (this.members.has(member)) {
        throw new FormatError('policy.member-twice', `${quote(member)} is a member for the second time`);
      }
      this.members.add(member);
    }
    this.define(name);
    this.groups.push({ name, threshold: readThreshold(threshold, members.length), members });
  }

  private takeQuorum(words: readonly string[]): void {
    const [name] = words;
    if (name === undefined || words.length > 1) throw badLine(['quorum', ...words]);
    if (this.quorum !== null) throw new FormatError('policy.quorum', 'the policy has more than one quorum line');
    if (name !== NO_QUORUM) this.requireDefined(name);
    this.quorum = name;
  }

  private define(name: string): void {
    if (name === NO_QUORUM || this.names.has(name)) {
      throw new FormatError('policy.name', `${quote(name)} cannot be defined: it is defined already, or it is none`);
    }
    this.names.add(name);
  }

  private requireDefined(name: string): void {
    if (!this.names.has(name)) throw new FormatError('policy.undefined', `${quote(name)} is not defined above its use`);
  }
}

function badLine(words: readonly string[]): FormatError {
  return new FormatError(
    'policy.line',
    `${quote(words.join(' '))} is no line of a policy: log, witness, group, quorum`,
  );
}

/** Key names are UTF-8, the rest of the file need not be. */
function readKey(word: string, type: KeyType): VerifierKey {
  const vkey = decodeUtf8(Buffer.from(word, 'latin1'));
  let key: VerifierKey;
  try {
    if (vkey === undefined) throw new FormatError('key.text', 'it is not UTF-8');
    key = parseVkey(vkey);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError('policy.key', `${quote(word)} is not a vkey that is known here: ${cause.message}`, { cause });
  }
  if (key.type === type) return key;
  throw new FormatError('policy.key', `${quote(key.name)} has a key of type ${key.type}, its place asks for ${type}`);
}

/** By public key alone: another name would make one witness count twice. */
function requireNew(known: readonly PolicyLog[], key: VerifierKey): void {
  if (known.some((other) => other.key.publicKey.equals(key.publicKey))) {
    throw new FormatError('policy.key-twice', `the public key of ${quote(key.name)} stands in another line already`);
  }
}

function readThreshold(text: string, members: number): number {
  if (text === 'all') return members;
  if (text === 'any') return 1;
  try {
    const threshold = parseDecimal(text);
    if (threshold >= 1 && threshold <= members) return threshold;
  } catch (cause) {
    throw new FormatError('policy.threshold', `${quote(text)} is not all, any or a number`, { cause });
  }
  throw new FormatError('policy.threshold', `${quote(text)} of ${members} members cannot be a threshold`);
}

/** The file of a policy. Numbers are written as such, also where `any` or `all` was read. */
export function formatTlogPolicy({ logs, witnesses, groups, quorum }: TlogPolicy): string {
  const withUrl = (url: string | null): string => (url === null ? '' : ` ${url}`);
  const lines = [
    ...logs.map(({ key, url }) => `log ${key.vkey}${withUrl(url)}`),
    ...witnesses.map(({ name, key, url }) => `witness ${name} ${key.vkey}${withUrl(url)}`),
    ...groups.map(({ name, threshold, members }) => `group ${name} ${formatDecimal(threshold)} ${members.join(' ')}`),
    `quorum ${quorum}`,
  ];
  const text = `${lines.join('\n')}\n`;
  parseTlogPolicy(Buffer.from(text));
  return text;
}

/** The policy that a key set stands for: its log, and one of its verifiers. */
export function policyOfKeySet(set: KeySet): TlogPolicy {
  return policyOfKeySets([set]);
}

/**
 * The policy that a log's key sets stand for, so that it accepts what was signed under any of them: every log key, the newest
 * first, and one of the verifiers of any. A policy knows no time: a key that was revoked counts in it like any other.
 */
export function policyOfKeySets(sets: readonly KeySet[]): TlogPolicy {
  const newestFirst = sets.toReversed();
  const logs = distinct(newestFirst.map(({ log }) => log));
  const verifiers = distinct(newestFirst.flatMap((set) => set.verifiers));
  const witnesses = verifiers.map((key) => ({ name: nameOf(key, verifiers), key, url: null }));
  const members = witnesses.map(({ name }) => name);
  const groups = members.length === 1 ? [] : [{ name: 'any-verifier', threshold: 1, members }];
  const named = logs.map((key) => ({ key, url: null }));
  return { logs: named, witnesses, groups, quorum: groups[0]?.name ?? members[0] ?? NO_QUORUM };
}

function distinct(keys: readonly VerifierKey[]): VerifierKey[] {
  return [...new Map(keys.map((key) => [key.vkey, key])).values()];
}

/** The last part of the key's name; with its ID while a verifier rotates and has two, or is named like a reserved word. */
function nameOf(key: VerifierKey, all: readonly VerifierKey[]): string {
  const name = key.name.slice(key.name.lastIndexOf('/') + 1);
  const others = all.filter((other) => other !== key && other.name === key.name);
  return others.length > 0 || name === NO_QUORUM || name === 'any-verifier' ? `${name}-${key.idHex}` : name;
}

/** A checkpoint that a policy accepts. */
export type Believed = {
  readonly checkpoint: OpenedCheckpoint;
  /** Keys of the policy that signed it as its log. */
  readonly logKeys: readonly VerifierKey[];
  /** Of witnesses of the policy, in the order of the note. */
  readonly cosignatures: readonly (Cosignature & { readonly name: string })[];
};

/**
 * Opens a checkpoint and judges it by a policy.
 * @throws FormatError `checkpoint.*`, `cosignature.*`, NoteError `note.*`; `policy.log`: of a log that the policy does not
 * name; `policy.unmet`: not enough of its witnesses cosigned
 */
export function openUnderPolicy(note: Uint8Array | string, policy: TlogPolicy): Believed {
  const { origin } = parseCheckpointText(parseNote(note).text);
  const logs = policy.logs.map(({ key }) => key).filter(({ name }) => name === origin);
  if (logs.length === 0) throw new FormatError('policy.log', `the policy names no log ${quote(origin)}`);
  const checkpoint = openCheckpoint(note, logs, origin);
  const keys = policy.witnesses.map(({ key }) => key);
  const cosignatures = cosignaturesOf(checkpoint, keys).map((cosignature) => {
    const witness = policy.witnesses.find(({ key }) => key === cosignature.key) as PolicyWitness;
    return { ...cosignature, name: witness.name };
  });
  if (!isMet(policy, new Set(cosignatures.map(({ name }) => name)))) {
    const by = cosignatures.map(({ name }) => name).join(', ') || 'nobody that the policy names';
    throw new FormatError('policy.unmet', `the checkpoint is cosigned by ${by}; that is no quorum (${policy.quorum})`);
  }
  const logKeys = logs.filter((key) => checkpoint.verified.some((line) => key.matches(line.name, line.keyId)));
  return { checkpoint, logKeys, cosignatures };
}

/** Whether these witnesses, by name, are enough. */
export function isMet({ groups, quorum }: TlogPolicy, cosigned: ReadonlySet<string>): boolean {
  const witnessed = new Set(cosigned);
  // Members stand before their groups, so one pass decides them all.
  for (const { name, threshold, members } of groups) {
    if (members.filter((member) => witnessed.has(member)).length >= threshold) witnessed.add(name);
  }
  return quorum === NO_QUORUM || witnessed.has(quorum);
}
