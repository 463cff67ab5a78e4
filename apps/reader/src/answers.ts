/** What good answers of the JSON API hold, as schemas: the OpenAPI document is written from them, a spec holds every answer to them. */
import { z } from 'zod';

const index = z.int().min(0).describe('Index of the entry in the log.');
const size = z.int().min(0).describe('Entries of the tree.');
const hash = z.base64().length(44).describe('SHA-256, base64.');
const bytes = z.base64().describe('Exact bytes, base64.');
const instant = z.string().describe('RFC 3339, UTC.');

/** What the index knows of an event; texts are cut to the length of their column, uncut they are in the event. */
const fields = {
  occurred: instant.nullable().describe('When it happened, by its producer: RFC 3339, UTC.'),
  eventId: z.string().nullable(),
  source: z.string().nullable(),
  type: z.string().nullable(),
  subject: z.string().nullable(),
  actor: z.string().nullable(),
  action: z.string().nullable(),
  target: z.string().nullable(),
  outcome: z.string().nullable(),
};

const eventRow = z.strictObject({
  index,
  accepted: instant.describe('When ingest took it: RFC 3339, UTC.'),
  producer: z.string(),
  ...fields,
  duplicateOf: index.nullable().describe('Index of the event that this one repeats.'),
});

const indexed = z.int().min(0).describe('How far the index is: what is sealed from here on is not found yet.');

export const LEDGERS = z.strictObject({
  ledgers: z.array(
    z.strictObject({
      name: z.string(),
      origin: z.string().describe('Name of its log, the first line of its checkpoints.'),
      size: size.nullable().describe('Of its newest checkpoint; null before the first.'),
      public: z.enum(['none', 'hashes', 'tiles']).describe('What anybody may read.'),
    }),
  ),
});

export const CHECKPOINT = z.strictObject({
  size,
  root: hash,
  note: z.string().describe('The signed checkpoint with its cosignatures (C2SP tlog-checkpoint).'),
  cosignatures: z.array(z.string()).describe('Signature lines of the note that are cosignatures.'),
});

export const ANCHORS = z.strictObject({
  anchors: z.array(
    z.strictObject({
      size: size.describe('Of the checkpoint.'),
      kind: z.string().describe('rfc3161, file or s3.'),
      anchor: z.string().describe('Its name.'),
      evidence: bytes.describe('Of rfc3161 a time-stamp token over the note, of the others a copy of it; base64.'),
      signed: z
        .string()
        .nullable()
        .describe('The note as the log signed it, without cosignatures; null where no row has it.'),
    }),
  ),
  next: z.int().min(0).nullable().describe('`after` of the next page; null after the last one.'),
});

export const KEYS = z.strictObject({
  origin: z.string(),
  keySets: z
    .array(z.strictObject({ index, note: z.string() }))
    .describe('The newest last. Trust begins with the hash of the first, which you have from elsewhere.'),
});

export const BLOCK = z.strictObject({
  height: z.int().min(0),
  first: index.describe('Index of the first entry that it covers.'),
  next: index.describe('Index of the first entry after its own note.'),
  entries: z.int().min(0).describe('That it covers, its own note not counted.'),
  hash: hash.describe('Leaf hash of its note, base64.'),
  sealed: instant,
  note: z.string(),
});

const anyEntry = { index, leafHash: hash, entry: bytes };
const event = { ...anyEntry, kind: z.literal('event'), producer: z.string(), accepted: instant };

export const ENTRY = z.union([
  z.strictObject({
    ...anyEntry,
    kind: z.enum(['keys', 'restore', 'frame', 'gap', 'block']),
    note: z.string(),
  }),
  z.strictObject({
    ...event,
    event: bytes.describe("The producer's exact bytes, base64."),
    fields: z.strictObject(fields),
    json: z.unknown().describe('A reading of the event, for convenience: numbers beyond 2^53 lose digits in it.'),
  }),
  z.strictObject({ ...event, event: z.null(), digest: hash.describe('Of an event that is kept elsewhere.') }),
]);

export const RECEIPT = z.strictObject({
  ledger: z.string().describe('Origin of the log.'),
  frame: z.string().describe('The signed frame note.'),
  first: z.int().min(0).describe('Position of the event in the frame.'),
  count: z.int().min(1),
  proof: z.array(hash),
});

export const PAGE = z.strictObject({
  events: z.array(eventRow),
  next: z
    .int()
    .min(0)
    .nullable()
    .describe(
      '`before` of the next page; null after the last one. A page may be short, or empty, and have a next one.',
    ),
  indexed,
});

export const EVENTS = z.strictObject({
  events: z.array(eventRow).describe('One, none, or the versions that were let in under one id.'),
  indexed,
});
