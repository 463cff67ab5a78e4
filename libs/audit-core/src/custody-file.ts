/**
 * The custody file of one event (formats.md, "Proof of one event"): who accepted it, shown from the log itself. It stands beside
 * a proof file (tlog-proof.ts), and its inclusion proofs lead to the checkpoint of that one.
 *
 *     {"ledger":"<origin>","frame":{"note":"<signed frame note>","index":n,"proof":["<base64>"]},"position":p,
 *      "proof":["<base64>"],"keys":[{"note":"<key set note>","index":0,"proof":["<base64>"]}]}
 *
 * on one line that ends in a newline. `position` is the event's place in the frame, so the event is entry n + 1 + p; `proof` is
 * its range proof (range-proof.ts) under the root that the ingester signed. `keys` are the key sets of the log from entry 0 to the
 * one that names the ingester's key, each signed by the one before it. One byte form: the members in this order, no white space.
 */
import { formatDecimal } from './decimal.js';
import { parseEventEntry, type EventEntry } from './event-entry.js';
import { FormatError } from './format-error.js';
import { openFrame, type Frame } from './frame.js';
import { equalHash, leafHash, type Hash } from './hash.js';
import { verifyInclusion } from './inclusion.js';
import { openGenesis, openKeySet, type KeySet } from './key-set.js';
import { hashList, MessageReader } from './message-json.js';
import { parseOrigin } from './names.js';
import { rangeRoot } from './range-proof.js';

/** A note that is an entry of the log, with its inclusion proof. */
export type ProvenNote = { readonly note: string; readonly index: number; readonly proof: readonly Hash[] };

export type CustodyFile = {
  /** Origin. */
  readonly ledger: string;
  readonly frame: ProvenNote;
  /** Of the event in its frame, from 0. */
  readonly position: number;
  /** Range proof of the event's leaf. */
  readonly proof: readonly Hash[];
  /** From entry 0 on. */
  readonly keys: readonly ProvenNote[];
};

/** What a custody file shows of an event. */
export type ShownCustody = {
  readonly frame: Frame;
  readonly event: EventEntry;
  /** The key set that names the ingester's key. */
  readonly keys: KeySet;
  /** Leaf hash of entry 0. */
  readonly genesis: Hash;
};

/** Where the event stands: its entry, and the tree that its proof file leads to. */
export type ProvenPlace = {
  readonly origin: string;
  readonly entry: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly root: Hash;
};

/** Key sets are a kilobyte or two, and a ledger has few of them. */
const MOST_BYTES = 4_194_304;
const MOST_KEY_SETS = 2_000;
const MOST_HASHES = 63;
/** 2·⌈log2 n⌉ of the largest frame, and no more for one event. */
const MOST_RANGE_HASHES = 18;

export function formatCustodyFile({ ledger, frame, position, proof, keys }: CustodyFile): string {
  const place = `"position":${formatDecimal(position)},"proof":${hashList(proof)}`;
  return `{"ledger":${JSON.stringify(ledger)},"frame":${noteText(frame)},${place},"keys":[${keys.map(noteText).join(',')}]}\n`;
}

function noteText({ note, index, proof }: ProvenNote): string {
  return `{"note":${JSON.stringify(note)},"index":${formatDecimal(index)},"proof":${hashList(proof)}}`;
}

/**
 * Takes a custody file apart; nothing is verified yet.
 * @throws FormatError `custody-file.size`, `custody-file.json`, `custody-file.<member>` (missing or not such a value),
 * `custody-file.canonical` (another spelling of the same)
 */
export function parseCustodyFile(bytes: Uint8Array): CustodyFile {
  const members = MessageReader.parse('custody-file', bytes, MOST_BYTES);
  const keys = members.objects('keys');
  if (keys.length === 0 || keys.length > MOST_KEY_SETS) members.fail('keys', `holds ${keys.length} key sets`);
  const custody: CustodyFile = {
    ledger: members.text('ledger'),
    frame: readNote(members.object('frame')),
    position: members.count('position'),
    proof: members.hashes('proof', MOST_RANGE_HASHES),
    keys: keys.map(readNote),
  };
  members.check('ledger', () => parseOrigin(custody.ledger));
  if (Buffer.compare(Buffer.from(formatCustodyFile(custody)), bytes) !== 0) {
    throw new FormatError('custody-file.canonical', 'the custody file is not spelled as its own value is written');
  }
  return custody;
}

function readNote(members: MessageReader): ProvenNote {
  return { note: members.text('note'), index: members.count('index'), proof: members.hashes('proof', MOST_HASHES) };
}

/**
 * Checks that the entry is an event which this frame brought into the log: the frame note stands where it must, in the same
 * tree, signed by an ingester whom the log's own key sets name.
 * @param place what the proof file beside it has proven
 * @throws FormatError `custody-file.ledger` (another log), `custody-file.place` (the frame does not stand before the event),
 * `custody-file.frame-inclusion`, `custody-file.keys-inclusion`, `custody-file.keys-order`, `custody-file.event` (not of that frame),
 * `custody-file.root` (not among the events that were signed), `range.*`, `event-entry.*`, `frame.*`, `keys.*`; NoteError `note.*`
 */
export function verifyCustodyFile(custody: CustodyFile, place: ProvenPlace): ShownCustody {
  if (custody.ledger !== place.origin) {
    throw new FormatError('custody-file.ledger', `the custody is of ${custody.ledger}, the proof of ${place.origin}`);
  }
  const { frame: note, position } = custody;
  if (note.index + 1 + position !== place.index) {
    throw new FormatError(
      'custody-file.place',
      `event ${position} of the frame at ${note.index} is not entry ${place.index}`,
    );
  }
  requireInclusion('frame', note, place);
  const { keys, genesis } = followKeys(custody, place);
  const frame = openFrame(note.note, keys.ingest, place.origin);
  const event = parseEventEntry(place.entry);
  if (event.origin !== frame.origin || event.accepted !== frame.accepted) {
    throw new FormatError('custody-file.event', 'the ledger or time of the event is not that of the frame');
  }
  const root = rangeRoot(position, 1, frame.count, [leafHash(place.entry)], custody.proof);
  if (!equalHash(root, frame.root)) {
    throw new FormatError('custody-file.root', `the event is not number ${position} of the frame that was signed`);
  }
  return { frame, event, keys, genesis };
}

/** The newest of the key sets, each opened with the one before it. */
function followKeys({ keys, frame }: CustodyFile, place: ProvenPlace): { keys: KeySet; genesis: Hash } {
  const genesis = leafHash(Buffer.from(keys[0]!.note));
  let set: KeySet | null = null;
  let hash = genesis;
  let before = -1;
  for (const note of keys) {
    if (set === null ? note.index !== 0 : note.index <= before || note.index >= frame.index) {
      throw new FormatError('custody-file.keys-order', 'the key sets do not lead from entry 0 to the frame');
    }
    requireInclusion('keys', note, place);
    set = set === null ? openGenesis(note.note, place.origin) : openKeySet(note.note, set, hash);
    hash = leafHash(Buffer.from(note.note));
    before = note.index;
  }
  return { keys: set!, genesis };
}

function requireInclusion(
  what: 'frame' | 'keys',
  { note, index, proof }: ProvenNote,
  { size, root }: ProvenPlace,
): void {
  if (verifyInclusion(index, size, leafHash(Buffer.from(note)), proof, root)) return;
  const detail = `the proof does not show the ${what === 'frame' ? 'frame note' : 'key set'} at entry ${index} of the log`;
  throw new FormatError(`custody-file.${what}-inclusion`, detail);
}
