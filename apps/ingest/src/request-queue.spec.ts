import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { PendingRequest } from './pending-request.js';
import { RequestQueue } from './request-queue.js';

function request(count: number, bytes: number, arrived = 0): PendingRequest {
  const each = Math.floor(bytes / count);
  const events = Array.from({ length: count }, (_, i) => ({
    start: i * each,
    end: (i + 1) * each,
    id: 'x',
    source: 's',
  }));
  return new PendingRequest('', 'p', Buffer.alloc(0), events, bytes + 100 * count, arrived);
}

describe('the request queue', () => {
  it('gives whole requests in order, within the bounds of a frame, and every one in the end', () => {
    const size = fc.record({ count: fc.integer({ min: 1, max: 512 }), bytes: fc.integer({ min: 512, max: 524_288 }) });
    fc.assert(
      fc.property(fc.array(size, { maxLength: 60 }), (sizes) => {
        const queue = new RequestQueue();
        const all = sizes.map(({ count, bytes }) => request(count, bytes));
        for (const one of all) queue.push(one);
        const taken: PendingRequest[] = [];
        while (queue.size > 0) {
          const frame = queue.take();
          expect(frame.length).toBeGreaterThan(0);
          const events = frame.reduce((sum, one) => sum + one.count, 0);
          const bytes = frame.reduce((sum, one) => sum + (one.events.at(-1)?.end ?? 0), 0);
          expect(frame.length === 1 || (events <= 512 && bytes <= 524_288)).toBe(true);
          taken.push(...frame);
        }
        expect(taken).toEqual(all);
        expect(queue.bytes).toBe(0);
        expect(queue.take()).toEqual([]);
      }),
    );
  });

  it('lets go of those that waited too long, from the front', () => {
    const queue = new RequestQueue();
    const all = [1, 2, 3].map((arrived) => request(1, 600, arrived));
    for (const one of all) queue.push(one);
    expect(queue.expire(3)).toEqual(all.slice(0, 2));
    expect(queue.waiting).toEqual(all.slice(2));
    expect(queue.bytes).toBe(700);
  });
});
