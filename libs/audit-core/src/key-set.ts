/**
 * The key set: who may sign what from here on (formats.md, "Key set"). Entry 0 of a log is one; a later one replaces it.
 *
 *     everseal/keys/v1
 *     <origin>
 *     <leaf hash of the key set before; 32 zero bytes in entry 0>
 *     <time>
 *     log <vkey>             exactly one, named <origin>
 *     operator <vkey>        one or more, <domain>/operator/<name>; kept offline
 *     ingest <vkey>          zero or more, <domain>/ingest/<ingester>; two for one ingester while it rotates
 *     verifier <vkey>        one or more, <domain>/verifier/<name>, type 0x04
 *
 * Roles in this order, lines of one role sorted bytewise, no public key twice (a key has one use), no two keys with one
 * name and key ID (a signature line could not tell them apart). Log, operator and ingest keys are of type 0x01.
 *
 * Signed by the log key and then one operator key, both of the set before; entry 0 by its own, and trusted for its hash
 * alone. A key signs entries after the set that names it, up to and including the next set.
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { FIRST_LINE } from './entry-kind.js';
import { FormatError } from './format-error.js';
import { equalHash, HASH_BYTES, ZERO_HASH, type Hash } from './hash.js';
import { COSIGNATURE_KEY, NOTE_KEY, parseVkey, type KeyType, type SigningKey, type VerifierKey } from './key.js';
import { ingestKeyName, operatorKeyName, parseName, parseOrigin, verifierKeyName } from './names.js';
import { MOST_ENTRY_BYTES, openEntryNote, parseNote, signNote } from './note.js';
import { quote } from './quote.js';
import { formatRecord, RecordLines, requireCanonical, requireSigner } from './record-lines.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';

export type KeySet = {
  readonly origin: string;
  /** Leaf hash of the key set before; ZERO_HASH in entry 0. */
  readonly previous: Hash;
  readonly time: Timestamp;
  readonly log: VerifierKey;
  readonly operators: readonly VerifierKey[];
  readonly ingest: readonly VerifierKey[];
  readonly verifiers: readonly VerifierKey[];
};

type Role = 'operator' | 'ingest' | 'verifier';

const MOST_KEYS_OF_AN_INGESTER = 2;

/** The text of a key set; the keys of each role may come in any order. */
export function formatKeySetText(set: KeySet): string {
  return formatRecord(FIRST_LINE.keys, [
    set.origin,
    encodeBase64(set.previous),
    set.time,
    `log ${set.log.vkey}`,
    ...roleLines('operator', set.operators),
    ...roleLines('ingest', set.ingest),
    ...roleLines('verifier', set.verifiers),
  ]);
}

function roleLines(role: Role, keys: readonly VerifierKey[]): string[] {
  // Key texts are ASCII, so the order of strings is the order of their bytes.
  return keys.map((key) => `${role} ${key.vkey}`).sort();
}

/**
 * @throws FormatError `keys.kind`, `keys.lines`, `keys.origin`, `keys.previous`, `keys.time`: that line is not what must
 * stand there; `keys.log`, `keys.operator`, `keys.ingest`, `keys.verifier`: a key is malformed, of the wrong name or
 * type, or missing; `keys.order`: lines of a role are not sorted, or one stands twice; `keys.ingest-count`: more than two
 * keys of one ingester; `keys.key-twice`: one public key in two lines; `keys.id-twice`: two keys with one name and ID
 */
export function parseKeySetText(text: string): KeySet {
  const lines = new RecordLines('keys', FIRST_LINE.keys, text);
  const origin = lines.nextText('origin', parseOrigin);
  const { domain } = parseOrigin(origin);
  const previous = lines.next('previous', (line) => decodeBase64(line, HASH_BYTES));
  const time = lines.nextText('time', parseTimestamp);
  const log = lines.nextIf('log ', 'log', (vkey) => readKey(vkey, NOTE_KEY, () => origin));
  if (log === null) throw new FormatError('keys.log', 'a key set names exactly one log key, in its line 5');
  const set: KeySet = {
    origin,
    previous,
    time,
    log,
    operators: readRole(lines, 'operator', NOTE_KEY, (name) => operatorKeyName(domain, name)),
    ingest: readRole(lines, 'ingest', NOTE_KEY, (name) => ingestKeyName(domain, name)),
    verifiers: readRole(lines, 'verifier', COSIGNATURE_KEY, (name) => verifierKeyName(domain, name)),
  };
  lines.end();
  if (set.operators.length === 0) throw new FormatError('keys.operator', 'a key set names at least one operator key');
  if (set.verifiers.length === 0) throw new FormatError('keys.verifier', 'a key set names at least one verifier key');
  checkDistinct(set);
  requireCanonical('keys', text, formatKeySetText(set));
  return set;
}

function readRole(
  lines: RecordLines,
  role: Role,
  type: KeyType,
  nameOf: (name: string) => string,
): readonly VerifierKey[] {
  const keys: VerifierKey[] = [];
  for (;;) {
    const key = lines.nextIf(`${role} `, role, (vkey) => readKey(vkey, type, nameOf));
    if (key === null) return keys;
    const before = keys.at(-1);
    if (before !== undefined && before.vkey >= key.vkey) {
      throw new FormatError('keys.order', `the ${role} lines are not sorted bytewise at ${quote(key.vkey)}`);
    }
    keys.push(key);
  }
}

/** A key text of the given type whose name is the one that its own last part gives. */
function readKey(vkey: string, type: KeyType, nameOf: (name: string) => string): VerifierKey {
  const key = parseVkey(vkey);
  const expected = nameOf(parseName(key.name.slice(key.name.lastIndexOf('/') + 1)));
  if (key.name !== expected) {
    throw new FormatError('key.name', `the key is named ${quote(key.name)}, its place asks for ${quote(expected)}`);
  }
  if (key.type !== type) throw new FormatError('key.type', `${key.name} is of type ${key.type}, its place of ${type}`);
  return key;
}

function checkDistinct(set: KeySet): void {
  const publicKeys = new Set<string>();
  const ids = new Set<string>();
  const ingesters = new Map<string, number>();
  for (const key of [set.log, ...set.operators, ...set.ingest, ...set.verifiers]) {
    const publicKey = encodeBase64(key.publicKey);
    if (publicKeys.has(publicKey)) {
      throw new FormatError('keys.key-twice', `the public key of ${key.name} stands in two lines; a key has one use`);
    }
    const id = `${key.name}+${key.idHex}`;
    if (ids.has(id)) throw new FormatError('keys.id-twice', `two keys have the name and ID ${id}; make another key`);
    publicKeys.add(publicKey);
    ids.add(id);
  }
  for (const { name } of set.ingest) {
    const count = (ingesters.get(name) ?? 0) + 1;
    if (count > MOST_KEYS_OF_AN_INGESTER) {
      throw new FormatError('keys.ingest-count', `${name} has more than ${MOST_KEYS_OF_AN_INGESTER} keys`);
    }
    ingesters.set(name, count);
  }
}

/**
 * The signed note of a key set.
 * @param log the log key of the set before (for entry 0: of this one), and `operator` an operator's, likewise
 * @throws FormatError `keys.*` as `parseKeySetText` for a set no reader would take; RangeError for keys of other names
 */
export function signKeySet(set: KeySet, log: SigningKey, operator: SigningKey): string {
  const text = formatKeySetText(set);
  parseKeySetText(text);
  requireSigner(log, set.origin);
  const name = operator.name.slice(operator.name.lastIndexOf('/') + 1);
  requireSigner(operator, operatorKeyName(parseOrigin(set.origin).domain, name));
  return signNote(text, [log, operator]);
}

/**
 * Opens the key set of entry 0. Its signatures are by its own keys, so they show no more than that the keys were there:
 * the caller has compared the entry's leaf hash with the one that it trusts.
 * @throws NoteError `note.*`; FormatError `keys.*`, `keys.ledger` (of another origin), `keys.genesis` (names a set before)
 */
export function openGenesis(entry: Uint8Array | string, origin: string): KeySet {
  const set = parseKeySetText(parseNote(entry, MOST_ENTRY_BYTES).text);
  requireLedger(set, origin);
  if (!equalHash(set.previous, ZERO_HASH)) {
    throw new FormatError('keys.genesis', 'the key set of entry 0 names a set before it');
  }
  openEntryNote(entry, [[set.log], set.operators]);
  return set;
}

/**
 * Opens the key set that follows another.
 * @param current the set before, with `currentHash` the leaf hash of its entry
 * @throws NoteError `note.*` (not signed by the log key and an operator of `current`); FormatError `keys.*`,
 * `keys.ledger`, `keys.chain` (continues another set)
 */
export function openKeySet(entry: Uint8Array | string, current: KeySet, currentHash: Hash): KeySet {
  const set = parseKeySetText(openEntryNote(entry, [[current.log], current.operators]));
  requireLedger(set, current.origin);
  if (!equalHash(set.previous, currentHash)) {
    throw new FormatError('keys.chain', 'the key set does not name the set in force as the one before it');
  }
  return set;
}

function requireLedger(set: KeySet, origin: string): void {
  if (set.origin !== origin) {
    throw new FormatError('keys.ledger', `the key set belongs to ${set.origin}, wanted is one of ${origin}`);
  }
}

/** The keys with which an ingester may sign its frames: none, one, or two while it rotates. */
export function ingestKeysOf(set: KeySet, ingester: string): VerifierKey[] {
  const name = ingestKeyName(parseOrigin(set.origin).domain, ingester);
  return set.ingest.filter((key) => key.name === name);
}
