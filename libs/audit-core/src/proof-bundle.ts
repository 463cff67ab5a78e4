/**
 * The proof of one entry as files: the entry's exact bytes, a proof file (C2SP tlog-proof) and, for an event, a custody file
 * (custody-file.ts). Checked offline, against a policy file (C2SP tlog-policy) and nothing else.
 */
import { parseCustodyFile, verifyCustodyFile, type ShownCustody } from './custody-file.js';
import { parseEventEntry, type EventEntry } from './event-entry.js';
import { FormatError } from './format-error.js';
import { leafHash, type Hash } from './hash.js';
import { verifyInclusion } from './inclusion.js';
import { MOST_ENTRY_BYTES } from './note.js';
import { openUnderPolicy, type Believed, type TlogPolicy } from './tlog-policy.js';
import { parseTlogProof } from './tlog-proof.js';

export type ProofBundle = {
  readonly entry: Uint8Array;
  /** The proof file. */
  readonly proof: Uint8Array;
  /** The custody file; null when there is none. */
  readonly custody: Uint8Array | null;
};

/** An entry that is proven to be in a log. */
export type ProvenEntry = {
  readonly index: number;
  readonly leaf: Hash;
  readonly believed: Believed;
  /** What the entry says, when it has the form of an event; only with custody is it shown to stand in an event's place. */
  readonly event: EventEntry | null;
  readonly custody: ShownCustody | null;
};

/**
 * @throws FormatError `bundle.entry-size`, `tlog-proof.*`, `checkpoint.*`, `cosignature.*`, `policy.log`, `policy.unmet`,
 * `custody-file.*` and what the custody's parts throw; NoteError `note.*`
 */
export function verifyProofBundle({ entry, proof, custody }: ProofBundle, policy: TlogPolicy): ProvenEntry {
  if (entry.length > MOST_ENTRY_BYTES) {
    throw new FormatError('bundle.entry-size', `an entry has at most ${MOST_ENTRY_BYTES} bytes, not ${entry.length}`);
  }
  const { index, proof: hashes, checkpoint: note } = parseTlogProof(proof);
  const believed = openUnderPolicy(note, policy);
  const { origin, size, root } = believed.checkpoint;
  const leaf = leafHash(entry);
  if (!verifyInclusion(index, size, leaf, hashes, root)) {
    const detail = `the proof does not show this entry at index ${index} of the tree of size ${size}`;
    throw new FormatError('tlog-proof.inclusion', detail);
  }
  const place = { origin, entry, index, size, root };
  const shown = custody === null ? null : verifyCustodyFile(parseCustodyFile(custody), place);
  return { index, leaf, believed, event: shown?.event ?? eventOf(entry), custody: shown };
}

function eventOf(entry: Uint8Array): EventEntry | null {
  try {
    return parseEventEntry(entry);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
