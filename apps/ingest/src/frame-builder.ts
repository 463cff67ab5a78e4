/**
 * Builds a frame out of whole requests: envelopes, leaf hashes, root, note, signature, and the frame message in one buffer.
 *
 * The events are written behind some room for the note, hashed where they lie, and the note is then put right before them:
 * each event's bytes are copied once and never looked at again.
 */
import {
  eventPrefix,
  formatTimestamp,
  FrameTree,
  leafHash,
  leafHashInPlace,
  signFrame,
  type Hash,
  type SigningKey,
} from '@everseal/audit-core';
import type { Follower, PendingRequest } from './pending-request.js';
import type { FrameId } from './spool-state.js';

/** Whose frames these are. */
export type LaneName = { readonly origin: string; readonly ingester: string };

export type BuiltFrame = {
  readonly id: FrameId;
  readonly acceptedMs: number;
  /** The signed note. */
  readonly note: string;
  /** The frame message: what is spooled and published. */
  readonly message: Buffer;
  readonly tree: FrameTree;
  readonly requests: readonly PendingRequest[];
  /** Repeated requests that wait for this frame too. */
  readonly followers: Follower[];
};

/** A signed frame note has less: names of at most 180 + 48 + 63 bytes, twice, and 400 bytes beside them. */
const NOTE_ROOM = 2_048;
const NOTE_LENGTH_BYTES = 4;
const CLOSING_BRACE = 0x7d;

/** Bytes of an envelope around one event, with the entry's length before it, for a producer of this name. */
export function envelopeBytes(origin: string, producer: string): number {
  return 2 + eventPrefix(origin, producer, formatTimestamp(0)).length + 1;
}

/**
 * @param previous the frame before; number 0 before the first
 * @param acceptedMs ms since 1970, not before the frame before
 * @param requests together 1 to 512 events; each gets its `first`
 */
export function buildFrame(
  lane: LaneName,
  key: SigningKey,
  previous: FrameId,
  acceptedMs: number,
  requests: readonly PendingRequest[],
): BuiltFrame {
  const accepted = formatTimestamp(acceptedMs);
  let size = NOTE_ROOM;
  for (const request of requests) size += request.entryBytes;
  const buffer = Buffer.allocUnsafe(size);
  const leaves = writeEntries(buffer, requests, prefixes(lane.origin, accepted));
  const tree = new FrameTree(leaves);
  const number = previous.number + 1;
  const frame = { ...lane, number, previous: previous.hash, count: leaves.length, root: tree.root, accepted };
  const note = signFrame(frame, key);
  const noteStart = NOTE_ROOM - Buffer.byteLength(note);
  buffer.write(note, noteStart, 'utf8');
  buffer.writeUInt32BE(NOTE_ROOM - noteStart, noteStart - NOTE_LENGTH_BYTES);
  const hash = leafHash(buffer.subarray(noteStart, NOTE_ROOM));
  const message = buffer.subarray(noteStart - NOTE_LENGTH_BYTES);
  return { id: { number, hash }, acceptedMs, note, message, tree, requests, followers: [] };
}

/** Writes `u16 length ‖ entry` for every event, from NOTE_ROOM to the end of the buffer, and gives the leaf hashes. */
function writeEntries(
  buffer: Buffer,
  requests: readonly PendingRequest[],
  prefixOf: (producer: string) => Buffer,
): Hash[] {
  const leaves: Hash[] = [];
  let at = NOTE_ROOM;
  for (const request of requests) {
    const prefix = prefixOf(request.producer);
    request.first = leaves.length;
    for (const { start, end } of request.events) {
      const entry = buffer.writeUInt16BE(prefix.length + (end - start) + 1, at);
      at = entry + prefix.copy(buffer, entry);
      at += request.body.copy(buffer, at, start, end);
      buffer[at] = CLOSING_BRACE;
      at += 1;
      leaves.push(leafHashInPlace(buffer, entry, at));
    }
  }
  if (at !== buffer.length) throw new Error(`the entries end at ${at}, not at ${buffer.length}`);
  return leaves;
}

/** The envelope's beginning, made once a producer and frame. */
function prefixes(origin: string, accepted: string): (producer: string) => Buffer {
  const known = new Map<string, Buffer>();
  return (producer) => {
    let prefix = known.get(producer);
    if (prefix === undefined) known.set(producer, (prefix = eventPrefix(origin, producer, accepted)));
    return prefix;
  };
}
