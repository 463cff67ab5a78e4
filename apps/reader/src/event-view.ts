/** Events as JSON for people and programs: the exact bytes, and beside them how this reader understands them. */
import { encodeBase64, entryKind, indexEvent, JsonTape, leafHash, parseEventEntry } from '@everseal/audit-core';
import type { EventRecord } from '@everseal/ledger-store';
import { instantText } from './instant-text.js';

const tape = new JsonTape();

/**
 * One entry of the log.
 * @param isEvent whether its place makes it an event: its bytes alone cannot say
 */
export function entryView(index: number, entry: Buffer, isEvent: boolean): object {
  const shared = { index, leafHash: encodeBase64(leafHash(entry)), entry: encodeBase64(entry) };
  if (!isEvent) return { ...shared, kind: entryKind(entry), note: entry.toString('utf8') };
  return { ...shared, kind: 'event', ...eventView(entry) };
}

function eventView(entry: Buffer): object {
  const parsed = parseEventEntry(entry);
  const { producer, accepted } = parsed;
  if ('digest' in parsed) return { producer, accepted, digest: encodeBase64(parsed.digest), event: null };
  const bytes = entry.subarray(parsed.event.start, parsed.event.end);
  const { identity: _identity, occurred, ...fields } = indexEvent(tape, producer, bytes, 0, bytes.length);
  const occurredAt = occurred === null ? null : instantText(occurred);
  return {
    producer,
    accepted,
    event: encodeBase64(bytes),
    fields: { ...fields, occurred: occurredAt },
    json: jsonOf(bytes),
  };
}

/** A reading of the event, for convenience: numbers beyond 2^53 lose digits in it. The bytes are the record. */
function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
}

/** A row of the index. */
export function recordView({ position, accepted, occurred, ledgerId: _ledgerId, ...fields }: EventRecord): object {
  const time = (text: string): string => text.replace(' ', 'T').replace(/\+00$/, 'Z');
  return { index: position, accepted: time(accepted), occurred: occurred === null ? null : time(occurred), ...fields };
}
