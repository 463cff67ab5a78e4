/**
 * Requests that wait for their frame, in the order they came. Bounded by the caller, which asks `bytes` before it pushes.
 * A request is taken whole; requests that have waited too long leave from the front, so the order never changes.
 */
import { MAX_FRAME_EVENTS, MAX_REQUEST_BYTES } from '@everseal/audit-core';
import type { PendingRequest } from './pending-request.js';

export class RequestQueue {
  #requests: PendingRequest[] = [];
  #head = 0;
  #bytes = 0;

  get size(): number {
    return this.#requests.length - this.#head;
  }

  /** Those that wait, oldest first. */
  get waiting(): readonly PendingRequest[] {
    return this.#requests.slice(this.#head);
  }

  /** Bytes that the waiting requests will take in frame messages. */
  get bytes(): number {
    return this.#bytes;
  }

  push(request: PendingRequest): void {
    this.#requests.push(request);
    this.#bytes += request.entryBytes;
  }

  /**
   * The requests of the next frame: from the front, whole, while they are at most 512 events and 512 KiB of bodies
   * together; at least one if there is any. The envelopes of 512 events then still fit into a frame message.
   */
  take(): PendingRequest[] {
    const taken: PendingRequest[] = [];
    let events = 0;
    let bytes = 0;
    for (let request = this.front(); request !== undefined; request = this.front()) {
      events += request.count;
      bytes += eventBytes(request);
      if (taken.length > 0 && (events > MAX_FRAME_EVENTS || bytes > MAX_REQUEST_BYTES)) break;
      taken.push(this.shift(request));
    }
    return taken;
  }

  /** Takes out the requests that came before `arrived` (performance.now() ms). */
  expire(arrived: number): PendingRequest[] {
    const expired: PendingRequest[] = [];
    for (let request = this.front(); request !== undefined && request.arrived < arrived; request = this.front()) {
      expired.push(this.shift(request));
    }
    return expired;
  }

  private front(): PendingRequest | undefined {
    return this.#requests[this.#head];
  }

  private shift(request: PendingRequest): PendingRequest {
    this.#head += 1;
    this.#bytes -= request.entryBytes;
    if (this.#head === this.#requests.length) {
      this.#requests = [];
      this.#head = 0;
    } else if (this.#head > 1_024 && this.#head * 2 > this.#requests.length) {
      this.#requests = this.#requests.slice(this.#head);
      this.#head = 0;
    }
    return request;
  }
}

function eventBytes(request: PendingRequest): number {
  const first = request.events[0];
  const last = request.events.at(-1);
  return first === undefined || last === undefined ? 0 : last.end - first.start;
}
