/**
 * Repeated requests: what to do with an event whose producer, source and id were accepted before.
 *
 * A receipt covers one run of positions in one frame. So:
 *
 *   1. An event that was accepted with other bytes: the request is refused, `event.conflict`, with its position.
 *   2. All events of the request stand, with the same bytes and in the same order, side by side in one frame (or in one
 *      request that still waits): that is the earlier request again, or a part of it. It gets the receipt for the place
 *      where they stand, at once or together with the earlier one. Nothing is sealed twice.
 *   3. Anything else, a batch of old and new events for example, has no single place to be proven at: it is accepted as it
 *      is, and the event index marks the later copies (`duplicate_of`). A repeat of that batch then falls under 2.
 *
 * Within one request the same holds: same key and same bytes is kept, other bytes are a conflict.
 *
 * Known are the events in the window (duplicate-window.ts) whose frame is held, refilled from the spool at start. The window
 * only points; decided is by the bytes of the events themselves, and those of a frame are read from the disk. Such a look
 * may take milliseconds, so looks are made one after the other and only so many may wait.
 */
import { eventPrefix, parseEventEntry, parseSubmission, Refused, sha256 } from '@everseal/audit-core';
import { AcceptedRuns, type Place } from './accepted-runs.js';
import type { DuplicateWindow } from './duplicate-window.js';
import type { FrameStore, HeldFrame } from './frame-store.js';
import type { PendingRequest, SubmittedEvent } from './pending-request.js';

const MOST_LOOKS = 256;

/** Rule 2: where the request's events stand. */
export type Repeated =
  | { readonly in: 'frame'; readonly frame: HeldFrame; readonly first: number }
  | { readonly in: 'request'; readonly request: PendingRequest; readonly first: number };

/** Rule 1, with the hashes of the two events for the log. */
export class Conflict extends Refused {
  constructor(
    position: number,
    readonly event: SubmittedEvent,
    /** SHA-256 of the event bytes, hex. */
    readonly known: string,
    readonly sent: string,
  ) {
    super(
      'event.conflict',
      'an event with this source and id was accepted before with other bytes: give a new event a new id; send a repeated one byte for byte',
      position,
    );
  }
}

export class Duplicates {
  readonly #runs = new AcceptedRuns();
  #looks: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(
    private readonly origin: string,
    private readonly window: DuplicateWindow,
    private readonly frames: FrameStore,
  ) {}

  /** May an event of the request have been accepted before? False is certain as far as the window reaches. */
  maybeKnown(request: PendingRequest): boolean {
    const { producer, events } = request;
    const keys: number[] = [];
    let isKnown = false;
    for (let i = 0; i < events.length; i += 1) {
      const { source, id } = events[i] as SubmittedEvent;
      const key = this.window.keyOf(producer, source, id);
      keys.push(key);
      isKnown ||= this.window.has(key);
    }
    request.keys = keys;
    return isKnown;
  }

  /**
   * Enters the events of a request that is about to be queued, after `maybeKnown`.
   * @throws Conflict when two of its own events have one key and different bytes; the request must not be queued then
   */
  remember(request: PendingRequest): void {
    const first = this.window.next;
    for (let position = 0; position < request.count; position += 1) {
      const key = request.keys[position] as number;
      if (this.window.has(key)) this.compareWithin(request, position, first);
      // If a conflict follows, the ordinals given so far lead nowhere and are skipped by every search.
      this.window.add(key);
    }
    request.ordinal = first;
    this.#runs.addRequest(request);
  }

  /** Is an event of the request with the same key and other bytes before `position`? `first` is the ordinal of its first event. */
  private compareWithin(request: PendingRequest, position: number, first: number): void {
    const event = request.events[position] as SubmittedEvent;
    for (const ordinal of this.window.ordinalsOf(request.keys[position] as number)) {
      const twin = ordinal < first ? undefined : request.events[ordinal - first];
      if (twin?.source !== event.source || twin.id !== event.id) continue;
      const known = slice(request, twin);
      const sent = slice(request, event);
      if (!known.equals(sent)) throw new Conflict(position, event, hex(known), hex(sent));
    }
  }

  /** The requests got their places in a frame. */
  framed(requests: readonly PendingRequest[], frame: number): void {
    this.#runs.frameRequests(requests, frame);
    this.#runs.forgetBefore(this.window.oldest);
  }

  /** A request left the queue without a frame. */
  forget(request: PendingRequest): void {
    this.#runs.dropRequest(request);
  }

  /** Enters a frame of the spool, at start, oldest first. */
  async refill(number: number): Promise<void> {
    const held = await this.frames.frame(number);
    if (held === null) return;
    const first = this.window.next;
    const { bytes, entries } = held.message;
    for (let i = 0; i < entries.count; i += 1) {
      const entry = parseEventEntry(bytes.subarray(entries.start(i), entries.end(i)));
      if (!('event' in entry)) continue;
      const at = entries.start(i);
      const key = keyTexts(bytes.subarray(at + entry.event.start, at + entry.event.end));
      this.window.add(key === null ? 0 : this.window.keyOf(entry.producer, key.source, key.id));
    }
    this.#runs.addFrame(first, this.window.next - first, number);
  }

  /**
   * Decides by the rules above; null is rule 3 (or: not known after all).
   * @throws Conflict; Refused unavailable when too many wait
   */
  async look(request: PendingRequest): Promise<Repeated | null> {
    if (this.#waiting >= MOST_LOOKS) {
      throw new Refused('unavailable', 'too many repeated requests at once: try again', null, { retryAfterMs: 1_000 });
    }
    this.#waiting += 1;
    try {
      const turn = this.#looks.then(() => this.decide(request));
      this.#looks = turn.catch(() => undefined);
      return await turn;
    } finally {
      this.#waiting -= 1;
    }
  }

  private async decide(request: PendingRequest): Promise<Repeated | null> {
    let isKnown = true;
    for (const [position, event] of request.events.entries()) {
      const known = await this.knownBytes(request.producer, event);
      const sent = slice(request, event);
      if (known === null) isKnown = false;
      else if (!known.equals(sent)) throw new Conflict(position, event, hex(known), hex(sent));
    }
    return isKnown ? this.placeOf(request) : null;
  }

  /** The bytes of the first event that is known with this key, null when none is. */
  private async knownBytes(producer: string, event: SubmittedEvent): Promise<Buffer | null> {
    for (const ordinal of this.ordinalsOf(producer, event)) {
      const place = this.#runs.placeOf(ordinal);
      if (place?.in === 'request') {
        const twin = place.request.events[place.position];
        const isSame = place.request.producer === producer && twin?.source === event.source && twin.id === event.id;
        if (isSame) return slice(place.request, twin);
      } else if (place?.in === 'frame') {
        const bytes = await this.bytesInFrame(place, producer);
        const key = bytes === null ? null : keyTexts(bytes);
        if (bytes !== null && key?.source === event.source && key.id === event.id) return bytes;
      }
    }
    return null;
  }

  private async bytesInFrame(place: Place & { in: 'frame' }, producer: string): Promise<Buffer | null> {
    const held = await this.frames.frame(place.frame);
    if (held === null) return null;
    const entry = entryAt(held, place.position);
    const parsed = parseEventEntry(entry);
    if (parsed.producer !== producer || !('event' in parsed)) return null;
    return entry.subarray(parsed.event.start, parsed.event.end);
  }

  /** Rule 2: one of the places where its first event stands, if the others follow there. */
  private async placeOf(request: PendingRequest): Promise<Repeated | null> {
    const [head] = request.events;
    if (head === undefined) return null;
    for (const ordinal of this.ordinalsOf(request.producer, head)) {
      const place = this.#runs.placeOf(ordinal);
      if (place?.in === 'request' && standsInRequest(request, place.request, place.position)) {
        return { in: 'request', request: place.request, first: place.position };
      }
      const frame = place?.in === 'frame' ? await this.frames.frame(place.frame) : null;
      if (place?.in === 'frame' && frame !== null && this.standsInFrame(request, frame, place.position)) {
        return { in: 'frame', frame, first: place.position };
      }
    }
    return null;
  }

  private ordinalsOf(producer: string, { source, id }: SubmittedEvent): number[] {
    return this.window.ordinalsOf(this.window.keyOf(producer, source, id));
  }

  private standsInFrame(request: PendingRequest, held: HeldFrame, first: number): boolean {
    if (first + request.count > held.frame.count) return false;
    const prefix = eventPrefix(this.origin, request.producer, held.frame.accepted);
    return request.events.every((event, i) => {
      const entry = entryAt(held, first + i);
      const bytes = slice(request, event);
      return (
        entry.length === prefix.length + bytes.length + 1 &&
        entry.compare(prefix, 0, prefix.length, 0, prefix.length) === 0 &&
        entry.compare(bytes, 0, bytes.length, prefix.length, prefix.length + bytes.length) === 0
      );
    });
  }
}

function standsInRequest(request: PendingRequest, earlier: PendingRequest, first: number): boolean {
  if (earlier.producer !== request.producer || first + request.count > earlier.count) return false;
  return request.events.every((event, i) => {
    const twin = earlier.events[first + i];
    return twin !== undefined && slice(earlier, twin).equals(slice(request, event));
  });
}

function entryAt({ message }: HeldFrame, position: number): Buffer {
  return message.bytes.subarray(message.entries.start(position), message.entries.end(position));
}

function slice(request: PendingRequest, event: SubmittedEvent): Buffer {
  return request.body.subarray(event.start, event.end);
}

/** Source and id of an accepted event; null for bytes that were accepted under other rules than today's. */
function keyTexts(event: Buffer): SubmittedEvent | null {
  try {
    return parseSubmission(undefined, event).events[0] ?? null;
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
}

function hex(bytes: Buffer): string {
  return sha256(bytes).toString('hex');
}
