/**
 * The JSON API as data: each operation with its path, its parameters and what it reads. The controllers route to these, the
 * OpenAPI document is written from these, and a spec compares the three.
 */
import { z } from 'zod';
import { ANCHORS, BLOCK, CHECKPOINT, ENTRY, EVENTS, KEYS, LEDGERS, PAGE, RECEIPT } from './answers.js';
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
  /** What a good answer is: JSON of this form; null for text. */
  readonly answer: z.ZodType | null;
  /** What a good answer holds. */
  readonly holds: string;
}

const NOTHING = z.strictObject({});
const plain = { query: NOTHING } as const;

export const OPERATIONS = {
  ledgers: {
    ...plain,
    id: 'ledgers',
    answer: LEDGERS,
    path: '/api',
    reading: null,
    summary: 'The ledgers that this client may read',
    holds: 'Each with its origin, the size of its newest checkpoint and what anybody may read.',
  },
  checkpoint: {
    ...plain,
    id: 'checkpoint',
    answer: CHECKPOINT,
    path: '/api/{ledger}/checkpoint',
    reading: 'hashes',
    summary: 'The newest checkpoint with its cosignatures',
    holds: 'The signed note with its cosignatures, and what it says.',
  },
  checkpointAt: {
    ...plain,
    id: 'checkpointAt',
    answer: CHECKPOINT,
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
    answer: ANCHORS,
    holds: 'By the size of the checkpoint, a page of them.',
  },
  keys: {
    ...plain,
    id: 'keys',
    answer: KEYS,
    path: '/api/{ledger}/keys',
    reading: 'hashes',
    summary: 'The key sets of the ledger, the newest last',
    holds: 'Their notes, and where they stand.',
  },
  block: {
    ...plain,
    id: 'block',
    answer: BLOCK,
    path: '/api/{ledger}/blocks/{height}',
    reading: 'hashes',
    summary: 'One block, without its entries',
    holds: 'Its note, and what it says.',
  },
  proof: {
    id: 'proof',
    path: '/api/{ledger}/proofs/{index}',
    reading: 'hashes',
    summary: 'Proof that an entry is in the log (C2SP tlog-proof)',
    query: z.strictObject({
      size: count(1, Number.MAX_SAFE_INTEGER, 'Size of the checkpoint to prove it in. Default the newest.'),
    }),
    answer: null,
    holds: 'A `.tlog-proof` file.',
  },
  consistency: {
    id: 'consistency',
    answer: null,
    path: '/api/{ledger}/consistency/{size}',
    reading: 'hashes',
    summary: 'Proof that the log extends its tree of this size (C2SP tlog-witness add-checkpoint)',
    query: z.strictObject({
      to: count(1, Number.MAX_SAFE_INTEGER, 'Size of the checkpoint that extends it. Default the newest.'),
    }),
    holds: 'An add-checkpoint request: the old size, the consistency proof, the newer checkpoint.',
  },
  entry: {
    ...plain,
    id: 'entry',
    answer: ENTRY,
    path: '/api/{ledger}/entries/{index}',
    reading: 'content',
    summary: 'One entry of the log: an event, or the note of a key set, frame, gap or block',
    holds: 'Its exact bytes; of an event those of its producer besides, and how this reader understands them.',
  },
  receipt: {
    ...plain,
    id: 'receipt',
    answer: RECEIPT,
    path: '/api/{ledger}/receipts/{index}',
    reading: 'content',
    summary: 'Proof of custody: the signed frame of an event, and the range proof of the event in it',
    holds: 'A receipt (docs/formats), as its producer holds it.',
  },
  search: {
    ...plain,
    id: 'search',
    answer: PAGE,
    path: '/api/{ledger}/events',
    reading: 'content',
    summary: 'Events by conditions, the newest first',
    query: searchQuery,
    holds: 'Rows of the index. A page can be short, or empty, and still have a next one.',
  },
  event: {
    ...plain,
    id: 'event',
    answer: EVENTS,
    path: '/api/{ledger}/event',
    reading: 'content',
    summary: 'The event with this producer, source and id',
    query: eventQuery,
    holds: 'Rows of the index: one, none, or the versions that were let in under one id.',
  },
} as const satisfies Record<string, Operation>;

export type OperationId = keyof typeof OPERATIONS;
