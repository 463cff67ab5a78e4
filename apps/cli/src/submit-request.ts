/**
 * Requests: runs of events within the limits of formats.md (at most 512 events and 524,288 bytes a request). One event
 * is sent as it is, more as a JSON array of their exact bytes. The bytes of a request never change once it is made, so
 * sending it again is sending the same.
 */
import { MAX_REQUEST_BYTES, MAX_REQUEST_EVENTS } from '@everseal/audit-core';
import type { InputEvent } from './read-events.js';

export interface SubmitRequest {
  /** From 1, in the order of the input. */
  number: number;
  events: InputEvent[];
  body: Buffer;
  contentType: string;
}

/** @param most events a request, 1 to 512 */
export function* requestsOf(events: readonly InputEvent[], most = MAX_REQUEST_EVENTS): Generator<SubmitRequest> {
  let number = 1;
  let [start, bytes] = [0, 2];
  for (const [i, event] of events.entries()) {
    const size = event.bytes.length + 1;
    if (i > start && (i - start === most || bytes + size > MAX_REQUEST_BYTES)) {
      yield requestOf(number++, events.slice(start, i));
      [start, bytes] = [i, 2];
    }
    bytes += size;
  }
  if (start < events.length) yield requestOf(number, events.slice(start));
}

function requestOf(number: number, events: InputEvent[]): SubmitRequest {
  const [first, ...others] = events;
  if (first !== undefined && others.length === 0) {
    return { number, events, body: first.bytes, contentType: 'application/cloudevents+json' };
  }
  const parts = events.flatMap(({ bytes }, i) => [Buffer.from(i === 0 ? '[' : ','), bytes]);
  return {
    number,
    events,
    body: Buffer.concat([...parts, Buffer.from(']')]),
    contentType: 'application/cloudevents-batch+json',
  };
}
