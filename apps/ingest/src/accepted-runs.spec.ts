import { describe, expect, it } from '@jest/globals';
import { AcceptedRuns } from './accepted-runs.js';
import { PendingRequest } from './pending-request.js';

function request(ordinal: number, count: number): PendingRequest {
  const events = Array.from({ length: count }, () => ({ start: 0, end: 1, id: 'x', source: 's' }));
  const made = new PendingRequest('', 'p', Buffer.alloc(1), events, 1, 0);
  made.ordinal = ordinal;
  return made;
}

describe('accepted runs', () => {
  it('lead from an ordinal to the request that waits, then to the place in its frame', () => {
    const runs = new AcceptedRuns(1);
    const [a, b, c, d] = [request(0, 3), request(3, 2), request(7, 1), request(8, 2)];
    for (const one of [a, b, c, d]) runs.addRequest(one);
    expect(runs.placeOf(4)).toEqual({ in: 'request', request: b, position: 1 });
    expect(runs.placeOf(5)).toBeNull();
    expect(runs.placeOf(6)).toBeNull();

    runs.dropRequest(a);
    expect(runs.placeOf(1)).toBeNull();
    Object.assign(b, { first: 0 });
    Object.assign(c, { first: 2 });
    runs.frameRequests([b, c], 9);
    expect([3, 4, 7].map((ordinal) => runs.placeOf(ordinal))).toEqual([
      { in: 'frame', frame: 9, position: 0 },
      { in: 'frame', frame: 9, position: 1 },
      { in: 'frame', frame: 9, position: 2 },
    ]);
    expect(runs.placeOf(5)).toBeNull();
    expect(runs.placeOf(9)).toEqual({ in: 'request', request: d, position: 1 });
    runs.forgetBefore(8);
    expect(runs.placeOf(3)).toBeNull();
    expect(runs.placeOf(8)).toEqual({ in: 'request', request: d, position: 0 });
    expect(runs.placeOf(10)).toBeNull();
  });

  it('take frames of the spool', () => {
    const runs = new AcceptedRuns();
    runs.addFrame(0, 512, 1);
    runs.addFrame(512, 3, 2);
    expect(runs.placeOf(514)).toEqual({ in: 'frame', frame: 2, position: 2 });
    expect(runs.placeOf(515)).toBeNull();
  });
});
