import { describe, expect, it } from '@jest/globals';
import { outcome } from '../vectors/vector-file.js';
import { formatGapReport, formatGapRequest, parseGapReport, parseGapRequest, type GapReport } from './gap-report.js';

const time = '2026-01-01T00:00:00.000Z';
const REPORT: GapReport = {
  lanes: [
    { ingester: 'a', first: 7, last: 7, since: time, due: time, asked: 2 },
    { ingester: 'b', first: 1, last: 1, since: null, due: null, asked: 0 },
  ],
  gaps: [
    {
      ingester: 'a',
      first: 2,
      last: 5,
      cause: 'lost',
      index: 9,
      open: [
        [2, 2],
        [4, 5],
      ],
    },
    { ingester: 'b', first: 1, last: 2, cause: 'malformed', index: 4, open: [] },
  ],
  more: 3,
};

describe('gap report', () => {
  it('comes back as it was written', () => {
    expect(parseGapReport(formatGapReport(REPORT))).toEqual(REPORT);
    expect(parseGapRequest(formatGapRequest(null))).toBeNull();
    expect(parseGapRequest(formatGapRequest('order'))).toBe('order');
  });

  it.each([
    ['lanes-ingester', { lanes: [{ ...REPORT.lanes[0], ingester: 'A' }] }],
    ['lanes-last', { lanes: [{ ...REPORT.lanes[0], last: 6 }] }],
    ['lanes-since', { lanes: [{ ...REPORT.lanes[0], since: 'yesterday' }] }],
    ['gaps-cause', { gaps: [{ ...REPORT.gaps[0], cause: 'lazy' }] }],
    ['gaps-open', { gaps: [{ ...REPORT.gaps[0], open: [[1]] }] }],
    ['more', { more: -1 }],
  ])('is not read with wrong %s', (member, over) => {
    const bytes = Buffer.from(JSON.stringify({ ...REPORT, ...over }));
    expect(outcome(() => parseGapReport(bytes))).toEqual({ code: `gaps.${member}` });
  });

  it('is asked for with JSON', () => {
    expect(outcome(() => parseGapRequest(Buffer.from('list')))).toEqual({ code: 'gaps-request.json' });
    expect(outcome(() => parseGapRequest(Buffer.from('{"order":1}')))).toEqual({ code: 'gaps-request.order' });
    expect(outcome(() => parseGapRequest(Buffer.alloc(200_000)))).toEqual({ code: 'gaps-request.size' });
  });
});
