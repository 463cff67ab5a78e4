/**
 * Which witnesses of others hold a log to one history, and how many of them it takes: a file in the syntax of C2SP tlog-policy
 * without `log` lines. A witness with an address (https) is asked for its cosignature there; two lines of one address are two
 * keys of one witness, while it rotates. The log's own verifiers do not stand in it: they are in its key sets.
 *
 *   witness north north.example.org+0a1b2c3d+BPJ… https://witness.north.example.org
 *   witness south south.example.net+…             https://south.example.net/witness
 *   group others any north south
 *   quorum others                                 none: they are asked, and nothing waits for them
 */
import { cosignaturesOf } from './cosignature.js';
import { FormatError } from './format-error.js';
import type { VerifierKey } from './key.js';
import { parseNote } from './note.js';
import { quote } from './quote.js';
import { formatTlogPolicy, isMet, NO_QUORUM, parseTlogPolicy, type TlogPolicy } from './tlog-policy.js';

/** A witness that is asked. */
export type WitnessPlace = {
  /** Name in the file; of the first line with this address. */
  readonly name: string;
  /** Prefix of its `add-checkpoint`, without a slash at its end. */
  readonly url: string;
  readonly keys: readonly VerifierKey[];
};

const ADDRESS =
  /^https:\/\/[a-zA-Z0-9.-]+(?::[0-9]{1,5})?(?:\/[\x21\x24-\x3e\x40-\x7e]*)?$|^https:\/\/\[[0-9a-fA-F:]+\](?::[0-9]{1,5})?(?:\/[\x21\x24-\x3e\x40-\x7e]*)?$/;
/** Name of the group in which a log's own verifiers and the quorum of the file are both asked for. */
const BOTH = 'verifiers-and-witnesses';

/** @throws FormatError `policy.*`; `witnesses.log`: it names a log; `witnesses.url`: an address that is none */
export function parseWitnessesFile(file: Uint8Array): TlogPolicy {
  const policy = parseTlogPolicy(file);
  if (policy.logs.length > 0) {
    throw new FormatError(
      'witnesses.log',
      'a file of witnesses has no log lines: the log is the one that it is given for',
    );
  }
  for (const { name, url } of policy.witnesses) {
    if (url !== null && !ADDRESS.test(url)) {
      throw new FormatError(
        'witnesses.url',
        `witness ${quote(name)} has the address ${quote(url)}, which is not https://…`,
      );
    }
  }
  return policy;
}

/** Those with an address, by address, in the order of the file. */
export function witnessPlaces({ witnesses }: TlogPolicy): WitnessPlace[] {
  const places = new Map<string, { name: string; url: string; keys: VerifierKey[] }>();
  for (const { name, url: written, key } of witnesses) {
    if (written === null) continue;
    const url = written.replace(/\/+$/, '');
    const place = places.get(url) ?? { name, url, keys: [] };
    place.keys.push(key);
    places.set(url, place);
  }
  return [...places.values()];
}

/**
 * A log's own policy (its keys, its verifiers) with the witnesses of others: both quorums are asked for.
 * @throws FormatError `policy.*`: a name or a key stands in both
 */
export function withWitnesses(own: TlogPolicy, others: TlogPolicy): TlogPolicy {
  const quorums = [own.quorum, others.quorum].filter((quorum) => quorum !== NO_QUORUM);
  const both = { name: BOTH, threshold: 2, members: quorums };
  const joined = {
    logs: own.logs,
    witnesses: [...own.witnesses, ...others.witnesses],
    groups: [...own.groups, ...others.groups, ...(quorums.length === 2 ? [both] : [])],
    quorum: quorums.length === 2 ? BOTH : (quorums[0] ?? NO_QUORUM),
  };
  formatTlogPolicy(joined); // reads it again: one name, one key, one place
  return joined;
}

/** Whether enough of the witnesses cosigned a checkpoint, whoever signed it. False when a line by one of them is false. */
export function meetsQuorum(note: string, policy: TlogPolicy): boolean {
  try {
    const cosigned = cosignaturesOf(
      parseNote(note),
      policy.witnesses.map(({ key }) => key),
    );
    const names = policy.witnesses.filter(({ key }) => cosigned.some((by) => by.key === key)).map(({ name }) => name);
    return isMet(policy, new Set(names));
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}
