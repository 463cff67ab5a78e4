/**
 * The JSON API as data: each operation with its path, its parameters and what it reads. The controllers route to these, the
 * OpenAPI document is written from these, and a spec compares the three.
 */
import { z } from 'zod';
import type { Reading } from './client.js';
import { count, eventQuery, searchQuery } from './search-query.js';

export interface Operation {
  /** Also the name of the operation in records of reads. */
  readonly id: string;
  /** As OpenAPI writes it. */
  readonly path: string;
  readonly summary: string;
  /** Null for what is not of one ledger. */
  readonly reading: Reading | null;
  readonly query: z.ZodObject;
  /** Media type of a good answer. */
  readonly answer: 'application/json' | 'text/plain';
  /** What a good answer holds. */
  readonly holds: string;
}

const NOTHING = z.strictObject({});
const json = { answer: 'application/json', query: NOTHING } as const;

export const OPERATIONS = {
  ledgers: {
    ...json,
    id: 'ledgers',
    path: '/api',
    reading: null,
    summary: 'The ledgers that this client may read',
    holds: '`ledgers`: name, origin, size of the newest checkpoint, what anybody may read.',
  },
  checkpoint: {
    ...json,
    id: 'checkpoint',
    path: '/api/{ledger}/checkpoint',
    reading: 'hashes',
    summary: 'The newest checkpoint with its cosignatures',
    holds: '`size`, `root` (base64), `note` (the signed note with its cosignatures), `cosignatures` (their lines).',
  },
  checkpointAt: {
    ...json,
    id: 'checkpointAt',
    path: '/api/{ledger}/checkpoints/{size}',
    reading: 'hashes',
    summary: 'The checkpoint of this size with its cosignatures',
    holds: 'As the newest checkpoint.',
  },
  anchors: {
    id: 'anchors',
    path: '/api/{ledger}/anchors',
    reading: 'hashes',
    summary: 'What others outside of the installation have of its checkpoints: time stamps, copies',
    query: z.strictObject({
      after: count(
        0,
        Number.MAX_SAFE_INTEGER,
        'Anchors of checkpoints above this size: the first cover this index. Default 0.',
      ),
    }),
    answer: 'application/json',
    holds:
      '`anchors`, by size: `size`, `kind` (rfc3161, file, s3), `anchor` (its name), `evidence` (base64): of rfc3161 a time-stamp token ' +
      'over the `signed` note of that size, of the others a copy of it; `signed`, that note without cosignatures, null where no row ' +
      'has it. `next`: `after` of the next page, null after the last.',
  },
  keys: {
    ...json,
    id: 'keys',
    path: '/api/{ledger}/keys',
    reading: 'hashes',
    summary: 'The key sets of the ledger, the newest last',
    holds: '`keySets`: `index`, `note`. Trust begins with the hash of the first, which you have from elsewhere.',
  },
  block: {
    ...json,
    id: 'block',
    path: '/api/{ledger}/blocks/{height}',
    reading: 'hashes',
    summary: 'One block, without its entries',
    holds: '`height`, `first`, `next`, `entries`, `hash` (leaf hash of its note, base64), `sealed`, `note`.',
  },
  proof: {
    id: 'proof',
    path: '/api/{ledger}/proofs/{index}',
    reading: 'hashes',
    summary: 'Proof that an entry is in the log (C2SP tlog-proof)',
    query: z.strictObject({
      size: count(1, Number.MAX_SAFE_INTEGER, 'Size of the checkpoint to prove it in. Default the newest.'),
    }),
    answer: 'text/plain',
    holds: 'A `.tlog-proof` file.',
  },
  entry: {
    ...json,
    id: 'entry',
    path: '/api/{ledger}/entries/{index}',
    reading: 'content',
    summary: 'One entry of the log: an event, or the note of a key set, frame, gap or block',
    holds:
      '`index`, `leafHash`, `entry` (exact bytes, base64), `kind`. An event besides: `producer`, `accepted`, `event` (the ' +
      "producer's exact bytes, base64), `fields` (as the index has them, uncut they are in the event), `json` (a reading of it).",
  },
  receipt: {
    ...json,
    id: 'receipt',
    path: '/api/{ledger}/receipts/{index}',
    reading: 'content',
    summary: 'Proof of custody: the signed frame of an event, and the range proof of the event in it',
    holds: 'A receipt (docs/formats), as its producer holds it: `ledger`, `frame`, `first`, `count`, `proof`.',
  },
  search: {
    ...json,
    id: 'search',
    path: '/api/{ledger}/events',
    reading: 'content',
    summary: 'Events by conditions, the newest first',
    query: searchQuery,
    holds:
      '`events`: rows of the index, by `index`. `next`: `before` of the next page, null after the last one; a page can be short, or ' +
      'empty, and still have a next one. `indexed`: how far the index is; what is sealed after it is not found yet.',
  },
  event: {
    ...json,
    id: 'event',
    path: '/api/{ledger}/event',
    reading: 'content',
    summary: 'The event with this producer, source and id',
    query: eventQuery,
    holds: '`events`: rows of the index: one, none, or the versions that were let in under one id.',
  },
} as const satisfies Record<string, Operation>;

export type OperationId = keyof typeof OPERATIONS;
