/**
 * The announcement: what the sealer tells ingest, verifiers and readers after each checkpoint (formats.md, "Messages
 * between services", `audit.announce.<ledger>`).
 *
 *     {"checkpoint":"<note with cosignatures>",
 *      "keys":{"note":"<key set>","index":n,"proof":[…],"before":["<key set>",…]},
 *      "heads":[{"ingester":"a","number":9,"index":n,"proof":[…],"note":"<frame note>","debts":[[first,last],…]},…]}
 *
 * `keys` is the newest key set with those before it, oldest first and without the first of the log, `heads` the newest sealed frame of every ingester that has one, `debts` the numbers
 * below it that gap records left open; each `proof` is the RFC 6962 inclusion proof of that entry in the checkpoint.
 *
 * Trust. A reader knows some key set, perhaps not the newest. From there it goes from set to set, each signed by the log key
 * and an operator of the one before, to the newest that it is given. The checkpoint must be signed by that one's log key and
 * cosigned by at least one of its verifiers, and the announced set must be proven to be in it.
 *
 * Where the sets in between are missing, the announced one is believed all the same if the log key and a verifier of the set
 * that the reader knows signed the checkpoint: verifiers cosign only what they re-derived, operators' signatures on key sets
 * included. So a key set that is proven to be in that tree is the log's, however many were skipped.
 *
 * The message itself is not signed. A head proves itself by its note (`frameOfHead`), or to one who has that frame: leaf
 * hash, index and proof must lead to the signed root. What is not proven must stop nobody. `debts` are the sealer's word; leaving one out makes an ingester forget a frame that a
 * gap record in the log still names.
 */
import { openCheckpoint, type OpenedCheckpoint } from './checkpoint.js';
import { cosignaturesOf, type Cosignature } from './cosignature.js';
import { FormatError } from './format-error.js';
import { openFrame, type Frame } from './frame.js';
import { leafHash, type Hash } from './hash.js';
import { verifyInclusion } from './inclusion.js';
import { followKeySets, type KeySetEntry } from './key-order.js';
import { parseKeySetText, type KeySet } from './key-set.js';
import type { VerifierKey } from './key.js';
import { MAX_MESSAGE_BYTES } from './limits.js';
import { hashList, MessageReader } from './message-json.js';
import { parseName } from './names.js';
import { MOST_ENTRY_BYTES, openNote, parseNote } from './note.js';

/** The newest sealed frame of one ingester. */
export type AnnouncedHead = {
  readonly ingester: string;
  readonly number: number;
  /** Index of the frame entry. */
  readonly index: number;
  readonly proof: readonly Hash[];
  /** The frame note itself: with it the head proves itself to anybody. Readers take announcements without it, too. */
  readonly note?: string | undefined;
  /** Open debts, [first, last] pairs of frame numbers below `number`, ascending. */
  readonly debts: readonly (readonly [number, number])[];
};

export type Announcement = {
  /** The signed note, with cosignatures. */
  readonly checkpoint: string;
  readonly keys: {
    readonly note: string;
    readonly index: number;
    readonly proof: readonly Hash[];
    /** The key sets before it, oldest first, without the log's first; the newest of them where there are very many. */
    readonly before?: readonly string[];
  };
  readonly heads: readonly AnnouncedHead[];
};

/** What a reader trusts; `announcementTrust` makes it of the newest key set that the reader knows. */
export type AnnouncementTrust = {
  readonly origin: string;
  readonly logKeys: readonly VerifierKey[];
  readonly verifiers: readonly VerifierKey[];
  /** The key set that they are of, when the reader knows its entry: then it follows the sets after it. */
  readonly known?: KeySetEntry;
};

/** `proven`: the reader knows the frame of this number, and it is the one in the log. */
export type VerifiedHead = AnnouncedHead & { readonly proven: boolean };

export type VerifiedAnnouncement = {
  readonly checkpoint: OpenedCheckpoint;
  readonly cosignatures: readonly Cosignature[];
  /** The newest key set, with the leaf hash and the index of its entry. */
  readonly keys: KeySet;
  readonly keysHash: Hash;
  readonly keysIndex: number;
  readonly heads: readonly VerifiedHead[];
};

// An inclusion proof has one hash for each bit of the largest index.
const MOST_PROOF_HASHES = 53;
/** Years of rotations; a reader that was away for longer is given a newer key set by hand. */
export const MOST_SETS_BEFORE = 64;

/**
 * The bytes of an announcement.
 * @throws FormatError `announcement.*` as `parseAnnouncement` when no reader would take it
 */
export function formatAnnouncement({ checkpoint, keys, heads }: Announcement): Buffer {
  const headTexts = heads.map(formatAnnouncedHead);
  const before = keys.before?.length ? `,"before":${JSON.stringify(keys.before)}` : '';
  const keysText = `{"note":${JSON.stringify(keys.note)},"index":${keys.index},"proof":${hashList(keys.proof)}${before}}`;
  const bytes = Buffer.from(
    `{"checkpoint":${JSON.stringify(checkpoint)},"keys":${keysText},"heads":[${headTexts.join(',')}]}`,
  );
  parseAnnouncement(bytes);
  return bytes;
}

/**
 * Reads an announcement by value; nothing is verified yet.
 * @throws FormatError `announcement.size`, `announcement.json`, or the code of the member that is missing or wrong:
 * `announcement.checkpoint`, `announcement.keys`, `announcement.keys-note`, `…-index`, `…-proof`, `announcement.heads`
 * (also: an ingester twice), `announcement.heads-ingester`, `…-number`, `…-index`, `…-proof`, `…-debts`
 */
export function parseAnnouncement(bytes: Uint8Array): Announcement {
  const members = MessageReader.parse('announcement', bytes, MAX_MESSAGE_BYTES);
  const keys = members.object('keys');
  const announcement = {
    checkpoint: members.text('checkpoint'),
    keys: {
      note: keys.text('note'),
      index: keys.count('index'),
      proof: keys.hashes('proof', MOST_PROOF_HASHES),
      ...(keys.has('before') ? { before: keys.texts('before', MOST_SETS_BEFORE) } : {}),
    },
    heads: members.objects('heads').map(readAnnouncedHead),
  };
  if (new Set(announcement.heads.map(({ ingester }) => ingester)).size < announcement.heads.length) {
    members.fail('heads', 'names an ingester twice');
  }
  return announcement;
}

/** A head as a member of `heads`. */
export function formatAnnouncedHead({ ingester, number, index, proof, note, debts }: AnnouncedHead): string {
  return (
    `{"ingester":${JSON.stringify(ingester)},"number":${number},"index":${index},"proof":${hashList(proof)},` +
    `${note === undefined ? '' : `"note":${JSON.stringify(note)},`}"debts":${JSON.stringify(debts)}}`
  );
}

/** Reads one of `heads`. @throws FormatError with the message's codes, `…-ingester`, `…-number`, `…-index`, `…-proof`, `…-debts` */
export function readAnnouncedHead(members: MessageReader): AnnouncedHead {
  const head = {
    ingester: members.text('ingester'),
    number: members.count('number'),
    index: members.count('index'),
    proof: members.hashes('proof', MOST_PROOF_HASHES),
    ...(members.has('note') ? { note: members.text('note') } : {}),
    debts: members.pairs('debts'),
  };
  members.check('ingester', () => parseName(head.ingester));
  if (head.number < 1) members.fail('number', 'is 0');
  let before = 0;
  for (const [first, last] of head.debts) {
    if (first <= before || last < first || last >= head.number) {
      members.fail('debts', `are not ascending ranges below ${head.number}, at ${first} to ${last}`);
    }
    before = last;
  }
  return head;
}

/** What a reader of this key set trusts. @param hash leaf hash of its entry, for a reader that follows the sets after it */
export function announcementTrust(set: KeySet, hash?: Hash): AnnouncementTrust {
  const keys = { origin: set.origin, logKeys: [set.log], verifiers: set.verifiers };
  return hash === undefined ? keys : { ...keys, known: { set, hash } };
}

/**
 * Reads and verifies an announcement.
 * @param frameHash the leaf hash of an ingester's frame with this number, null when the reader does not have it
 * @throws FormatError
 * - as `parseAnnouncement`, `openCheckpoint` and `cosignaturesOf`
 * - `announcement.keys-chain`       a key set that follows the known one is not signed by the keys of the one before it
 * - `announcement.cosignature`      no verifier that the reader trusts cosigned the checkpoint
 * - `announcement.keys-entry`       the key set is not one of this ledger
 * - `announcement.keys-inclusion`   it is not proven to be in the checkpoint
 * - `announcement.log-key`          its log key did not sign the checkpoint
 * - `announcement.heads-inclusion`  the frame that the reader has is not the one in the checkpoint: the head is wrong,
 *   or two frames carry that number
 */
export function verifyAnnouncement(
  bytes: Uint8Array,
  trust: AnnouncementTrust,
  frameHash: (ingester: string, number: number) => Hash | null,
): VerifiedAnnouncement {
  const announcement = parseAnnouncement(bytes);
  const announced = parseKeys(announcement.keys.note, trust.origin);
  const { logKeys, verifiers } = trustedAt(announcement.keys, trust);
  const checkpoint = openCheckpoint(announcement.checkpoint, logKeys, trust.origin);
  const cosignatures = cosignaturesOf(checkpoint, verifiers);
  if (cosignatures.length === 0) {
    throw new FormatError('announcement.cosignature', 'no known verifier cosigned the checkpoint');
  }
  const { index, proof, note } = announcement.keys;
  const keysHash = leafHash(Buffer.from(note));
  const keys = requireSigned(announced, checkpoint);
  if (!verifyInclusion(index, checkpoint.size, keysHash, proof, checkpoint.root)) {
    throw new FormatError('announcement.keys-inclusion', `the key set is not proven to be entry ${index}`);
  }
  const heads = announcement.heads.map((head) => ({
    ...head,
    proven: provesFrame(checkpoint, head, frameHash(head.ingester, head.number)),
  }));
  return { checkpoint, cosignatures, keys, keysHash, keysIndex: index, heads };
}

/** The keys that the checkpoint has to be signed by: those of the newest set to which the known one leads. */
function trustedAt({ before = [], note }: Announcement['keys'], trust: AnnouncementTrust): AnnouncementTrust {
  if (trust.known === undefined) return trust;
  try {
    const newest = followKeySets(trust.known, [...before, note]).at(-1);
    if (!newest) return trust;
    // A known log key opens the checkpoint, too: that the new one has to sign is said better where it is looked for.
    return { ...trust, logKeys: [newest.set.log, ...trust.logKeys], verifiers: newest.set.verifiers };
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError('announcement.keys-chain', `the announced key sets: ${cause.message}`, { cause });
  }
}

function parseKeys(note: string, origin: string): KeySet {
  let keys: KeySet;
  try {
    keys = parseKeySetText(parseNote(note, MOST_ENTRY_BYTES).text);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError('announcement.keys-entry', `the announced key set: ${cause.message}`, { cause });
  }
  if (keys.origin === origin) return keys;
  throw new FormatError('announcement.keys-entry', `the announced key set is that of ${keys.origin}`);
}

/** The log key of the announced set must have signed the checkpoint: it is in force at the checkpoint's last entry. */
function requireSigned(keys: KeySet, checkpoint: OpenedCheckpoint): KeySet {
  try {
    openNote(checkpoint, [keys.log]);
    return keys;
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError('announcement.log-key', 'the log key of the announced set did not sign the checkpoint', {
      cause,
    });
  }
}

function provesFrame(checkpoint: OpenedCheckpoint, head: AnnouncedHead, hash: Hash | null): boolean {
  if (hash === null) return false;
  if (verifyInclusion(head.index, checkpoint.size, hash, head.proof, checkpoint.root)) return true;
  throw new FormatError(
    'announcement.heads-inclusion',
    `frame ${head.number} of ${head.ingester} as it is known here is not proven to be entry ${head.index} of the log`,
  );
}

/**
 * The frame that a head names, when the head proves it without the reader's help: its note stands at that index of the
 * checkpoint, is signed by a key of that ingester, and says that number. Null when anything of it is not so: then the
 * head is only somebody's word.
 * @param ingestKeys the keys that the reader takes for the ingester's
 */
export function frameOfHead(
  checkpoint: OpenedCheckpoint,
  head: AnnouncedHead,
  ingestKeys: readonly VerifierKey[],
): { hash: Hash; frame: Frame } | null {
  if (head.note === undefined) return null;
  const hash = leafHash(Buffer.from(head.note));
  if (!verifyInclusion(head.index, checkpoint.size, hash, head.proof, checkpoint.root)) return null;
  try {
    const frame = openFrame(head.note, ingestKeys, checkpoint.origin);
    return frame.ingester === head.ingester && frame.number === head.number ? { hash, frame } : null;
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

/**
 * True when an ingester may forget its frame `number`: the head is proven, the frame is not above it, and no open debt
 * contains it (formats.md, "Messages between services").
 */
export function isSealed(head: VerifiedHead, number: number): boolean {
  return head.proven && number <= head.number && !head.debts.some(([first, last]) => first <= number && number <= last);
}
