/** The conditions of a search, as a client writes them and as the store takes them. */
import { MAX_COLUMN_BYTES, parseDecimal, parseInstant } from '@everseal/audit-core';
import type { EventSearch } from '@everseal/ledger-store';
import { z } from 'zod';
import { normalInstant } from './instant-text.js';

const MOST_EVENTS = 200;
const DEFAULT_EVENTS = 50;

const condition = (what: string): z.ZodOptional<z.ZodString> =>
  z
    .string()
    .min(1)
    .refine((text) => Buffer.byteLength(text) <= MAX_COLUMN_BYTES, {
      message: `at most ${MAX_COLUMN_BYTES} bytes: the index holds no more of it`,
    })
    .refine((text) => !text.includes('\0'), { message: 'U+0000 stands in no column' })
    .optional()
    .describe(`${what}, exactly.`);

const time = (what: string): z.ZodOptional<z.ZodString> =>
  z
    .string()
    .refine((text) => parseInstant(text) !== null, { message: 'not a time like 2026-01-31T09:30:00Z' })
    .optional()
    .describe(`${what}, RFC 3339.`);

export const count = (least: number, most: number, what: string): z.ZodOptional<z.ZodString> =>
  z
    .string()
    .refine((text) => isDecimal(text, least, most), { message: `a whole number from ${least} to ${most}` })
    .optional()
    .describe(what);

export const searchQuery = z.strictObject({
  actor: condition('Who did it'),
  action: condition('What was done'),
  target: condition('What it was done to'),
  source: condition('CloudEvents source'),
  type: condition('CloudEvents type'),
  subject: condition('CloudEvents subject'),
  outcome: condition('How it ended'),
  producer: condition('Who sent it, by the name in the policy'),
  id: condition('CloudEvents id'),
  sealedFrom: time('Only events sealed at this time or later; quick, because the log is in this order'),
  sealedTo: time('Only events sealed before this time; quick'),
  acceptedFrom: time('Only events that ingest accepted at this time or later'),
  acceptedTo: time('Only events that ingest accepted before this time'),
  occurredFrom: time('Only events whose own time is this or later'),
  occurredTo: time('Only events whose own time is before this'),
  limit: count(1, MOST_EVENTS, `Most events of a page, 1 to ${MOST_EVENTS}. Default ${DEFAULT_EVENTS}.`),
  before: count(0, Number.MAX_SAFE_INTEGER, 'Where the page begins: `next` of the page before it.'),
});

export type SearchQuery = z.output<typeof searchQuery>;

export const eventQuery = z.strictObject({
  producer: z.string().min(1).describe('Who sent it, by the name in the policy.'),
  source: z.string().min(1).describe('CloudEvents source.'),
  id: z.string().min(1).describe('CloudEvents id: one event by it and the two others.'),
});

/** Conditions as the store takes them. @param from, before the positions that are searched */
export function searchOf(query: SearchQuery, ledgerId: number, from: number, before: number): EventSearch {
  const { actor, action, target, source, type, subject, outcome, producer, id: eventId } = query;
  const asked = { actor, action, target, source, type, subject, outcome, producer, eventId };
  const equal = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  return {
    ledgerId,
    from,
    before,
    equal,
    accepted: span(query.acceptedFrom, query.acceptedTo),
    occurred: span(query.occurredFrom, query.occurredTo),
    limit: query.limit === undefined ? DEFAULT_EVENTS : parseDecimal(query.limit),
  };
}

function span(from: string | undefined, to: string | undefined): EventSearch['accepted'] {
  return from === undefined && to === undefined ? undefined : { from: normalInstant(from), to: normalInstant(to) };
}

function isDecimal(text: string, least: number, most: number): boolean {
  try {
    const value = parseDecimal(text);
    return value >= least && value <= most;
  } catch {
    return false;
  }
}
