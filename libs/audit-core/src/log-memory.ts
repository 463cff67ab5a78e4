/**
 * A reader's memory as text, for its own disk: JSON, hashes in base64, the key set as its note text. It is not signed;
 * whoever reads it back checks it against a checkpoint before trusting it.
 */

import { decodeBase64, encodeBase64 } from './base64.js';
import { FormatError } from './format-error.js';
import { HASH_BYTES, type Hash } from './hash.js';
import { formatKeySetText, parseKeySetText } from './key-set.js';
import { parseVkey } from './key.js';
import type { LogMemory } from './log-state.js';
import type { RetiredKey, RetiredRole } from './retired-keys.js';

/** What is written; every hash is base64. */
interface WrittenMemory {
  size: number;
  frontier: string[];
  height: number;
  previous: string;
  sealed: string;
  keys: string | null;
  keysHash: string;
  keysIndex: number;
  /** Not there in what was written before keys could be rotated. */
  retired?: { role: RetiredRole; vkey: string; until: number }[];
  heads: { ingester: string; number: number; hash: string; index: number; accepted: string }[];
  debts: {
    ingester: string;
    first: number;
    last: number;
    links: { number: number; hash: string | null; previous: string | null; accepted: string }[];
  }[];
}

export function formatLogMemory(memory: LogMemory): string {
  const optional = (hash: Hash | null): string | null => hash && encodeBase64(hash);
  const written: WrittenMemory = {
    size: memory.size,
    frontier: memory.frontier.map(encodeBase64),
    height: memory.height,
    previous: encodeBase64(memory.previous),
    sealed: memory.sealed,
    keys: memory.keys && formatKeySetText(memory.keys),
    keysHash: encodeBase64(memory.keysHash),
    keysIndex: memory.keysIndex,
    retired: memory.retired.map(({ role, key, until }) => ({ role, vkey: key.vkey, until })),
    heads: [...memory.heads].map(([ingester, head]) => ({ ...head, ingester, hash: encodeBase64(head.hash) })),
    debts: memory.debts.map(({ links, ...debt }) => ({
      ...debt,
      links: [...links].map(([number, { hash, previous, accepted }]) => ({
        number,
        hash: optional(hash),
        previous: optional(previous),
        accepted,
      })),
    })),
  };
  return JSON.stringify(written);
}

/** Throws FormatError `log-memory.*`, or the code of what inside does not parse. */
export function parseLogMemory(text: string): LogMemory {
  const hash = (base64: string): Hash => decodeBase64(base64, HASH_BYTES);
  const optional = (base64: string | null): Hash | null => (base64 === null ? null : hash(base64));
  let written: WrittenMemory;
  try {
    written = JSON.parse(text) as WrittenMemory;
  } catch (cause) {
    throw new FormatError('log-memory.json', 'the memory is not JSON', { cause });
  }
  try {
    return {
      size: written.size,
      frontier: written.frontier.map(hash),
      height: written.height,
      previous: hash(written.previous),
      sealed: written.sealed,
      keys: written.keys === null ? null : parseKeySetText(written.keys),
      keysHash: hash(written.keysHash),
      keysIndex: written.keysIndex,
      retired: (written.retired ?? []).map(({ role, vkey, until }): RetiredKey => {
        return { role, key: parseVkey(vkey), until };
      }),
      heads: new Map(written.heads.map(({ ingester, ...head }) => [ingester, { ...head, hash: hash(head.hash) }])),
      debts: written.debts.map(({ links, ...debt }) => ({
        ...debt,
        links: new Map(
          links.map((link) => [
            link.number,
            { hash: optional(link.hash), previous: optional(link.previous), accepted: link.accepted },
          ]),
        ),
      })),
    };
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw new FormatError('log-memory.shape', 'the memory does not have the shape of one', { cause });
  }
}
