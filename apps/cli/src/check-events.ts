/**
 * The check of every event before anything is sent, by the very rules of ingest (libs/audit-core): an ingester refuses a
 * request at its first bad event, this names them all. It cannot know what the policy allows and what was sent before;
 * that is ingest's answer.
 */
import { JsonKind, JsonTape, parseSubmission, Refused, type RefusalCode } from '@everseal/audit-core';
import type { InputEvent } from './read-events.js';

/** One event that no ingester would accept. */
export interface BadEvent {
  event: InputEvent;
  code: RefusalCode;
  /** What is wrong. */
  message: string;
}

/** Checks all, and writes the id into each event that has one. */
export function checkEvents(events: readonly InputEvent[]): BadEvent[] {
  return events.flatMap((event) => {
    try {
      const [submitted] = parseSubmission('application/cloudevents+json', event.bytes).events;
      event.id = submitted?.id ?? null;
      return [];
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      event.id = idOf(event.bytes);
      // "event 0: " says nothing here: each was checked as a request of its own.
      return [{ event, code: error.code, message: error.message.replace(/^event 0:? /, '') }];
    }
  });
}

const tape = new JsonTape();

/** The id in bytes that may be anything; null when there is none. */
export function idOf(bytes: Buffer): string | null {
  if (tape.report(bytes, 0, bytes.length) !== null) return null;
  for (let name = tape.firstName(0); name >= 0; name = tape.nextName(0, name)) {
    const value = tape.valueOf(name);
    if (tape.nameText(name) === 'id' && tape.kind(value) === JsonKind.string) return tape.stringValue(value);
  }
  return null;
}
