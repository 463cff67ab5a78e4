import { describe, expect, it } from '@jest/globals';
import { judgeRow, type Counts, type Observed } from './judge-row.js';

const COUNTS: Counts = {
  sent: 10,
  accepted: 10,
  sealed: 12,
  copies: 2,
  lost: 0,
  unmarked: 0,
  strange: 0,
  findings: [],
};
const GOOD: Observed = { counts: COUNTS, raised: [], ended: [], stops: [], problem: null, alertProblems: [] };
const problems = (over: Partial<Observed>, expected = {}): readonly string[] =>
  judgeRow(expected, { ...GOOD, ...over }).problems;

describe('a row', () => {
  it('is as it must be when everything accepted is sealed, once or marked', () => {
    expect(problems({})).toEqual([]);
  });

  it.each([
    [{ lost: 1, sealed: 11 }, '1 accepted events are LOST'],
    [{ unmarked: 2 }, '2 copies are not marked as such'],
    [{ strange: 1 }, '1 events that nobody sent, or index rows that are wrong'],
    [{ accepted: 9 }, '1 events have no receipt'],
    [{ sealed: 13 }, '13 events sealed, 10 sent, 2 copies'],
    [{ findings: ['block 3'] }, 'the log is not good: block 3'],
  ])('fails by the counts %j', (over, problem) => {
    expect(problems({ counts: { ...COUNTS, ...over } })).toEqual([problem]);
  });

  it('fails by an alert that is missing or was not expected; one that may come is neither', () => {
    const alert = (code: string): Observed['raised'][number] => ({ code, source: 's', detail: 'd' });
    const expected = { alerts: ['stream.replaced'], mayRaise: ['custody.gap'] };
    expect(problems({ raised: [alert('stream.replaced'), alert('custody.gap')] }, expected)).toEqual([]);
    expect(problems({ raised: [alert('log.forked')] }, expected)).toEqual([
      'stream.replaced was not raised',
      'log.forked was raised by s: d',
    ]);
    const { expectedAlerts, unexpectedAlerts } = judgeRow(expected, {
      ...GOOD,
      raised: [alert('custody.gap'), alert('log.forked'), alert('custody.gap')],
    });
    expect([expectedAlerts, unexpectedAlerts]).toEqual([['custody.gap'], ['log.forked by s: d']]);
  });

  it('fails by a service that ended and was not expected to, and by what the act and the alert list say', () => {
    const ended = [{ id: 'sealer-s1', lastWords: 'lease.lost' }];
    expect(problems({ ended, stops: ['sealer-s1'] })).toEqual([]);
    expect(problems({ ended })).toEqual(['sealer-s1 ended by itself: lease.lost']);
    expect(problems({ problem: 'not well', alertProblems: ['a gap'] })).toEqual(['not well', 'a gap']);
  });
});
