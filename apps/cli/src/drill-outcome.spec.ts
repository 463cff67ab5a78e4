import { describe, expect, it } from '@jest/globals';
import { chooseActs, DRILL_ACTS } from './drill-acts.js';
import type { CameAlert } from './drill-alerts.js';
import { exitOf, judgeRaised, type OutcomeKind } from './drill-outcome.js';
import { EXIT } from './exit-code.js';

const VERIFIERS = ['audit.example.com/verifier/v1', 'audit.example.com/verifier/v2'];
const [act] = chooseActs(['T1'], false)!;
const planned = { change: { setting: 'grant' as const }, first: { index: 7, height: 2 } };

function came(source: string, code: string, index = 7, height = 2): CameAlert {
  const body = { code, state: 'raised', first: { index, height, eventId: null } };
  return { alert: { source, number: 1, body } as CameAlert['alert'], message: Buffer.alloc(0), at: 0 };
}
const judged = (...raised: CameAlert[]): string => judgeRaised(act!, planned, raised, VERIFIERS).kind;
const every = VERIFIERS.map((source) => came(source, 'entry.altered'));

describe('an act', () => {
  it('is found when every verifier raises its verdict, of the right record', () => {
    expect(judged(...every)).toBe('found');
    expect(judged(...every, ...every)).toBe('found');
  });

  it.each([
    ['nobody says anything', [], 'not-raised'],
    ['one verifier is silent', [every[0]!], 'not-raised'],
    ['somebody else says it', [every[0]!, came('audit.example.com/sealer/s1', 'entry.altered')], 'not-raised'],
    ['one says something else', [every[0]!, came(VERIFIERS[1]!, 'block.chain')], 'not-raised'],
    ['something else comes as well', [...every, came(VERIFIERS[0]!, 'index.altered')], 'other-verdict'],
    ['another entry is named', [every[0]!, came(VERIFIERS[1]!, 'entry.altered', 8)], 'other-verdict'],
    ['another block is named', [every[0]!, came(VERIFIERS[1]!, 'entry.altered', 7, 3)], 'other-verdict'],
  ] as const)('is not when %s', (_what, raised, kind) => {
    expect(judged(...raised)).toBe(kind);
  });
});

describe('a drill', () => {
  const exit = (...kinds: OutcomeKind[]): number => exitOf(kinds.map((kind) => ({ kind })));

  it('is worth what its worst act is', () => {
    expect(exit('found', 'found')).toBe(EXIT.ok);
    expect(exit('found', 'interrupted')).toBe(EXIT.unavailable);
    expect(exit('not-done', 'not-cleared', 'found')).toBe(EXIT.notCleared);
    expect(exit('not-cleared', 'other-verdict')).toBe(EXIT.notRaised);
    expect(exit('not-raised', 'not-restored')).toBe(EXIT.notRestored);
    expect(exit()).toBe(EXIT.unavailable);
  });

  it('takes acts by name, by number, or all; unnamed none that is about the whole database', () => {
    const ids = (list?: string[], canary = false): string[] | undefined =>
      chooseActs(list, canary)?.map(({ id }) => id);
    expect(ids(['T15'])).toEqual(['T15a', 'T15b']);
    expect(ids(['T16b', 'T1'])).toEqual(['T1', 'T16b']);
    expect(ids(['all'])).toEqual(DRILL_ACTS.map(({ id }) => id));
    expect(ids(undefined, true)).toEqual(['T1']);
    expect(chooseActs(undefined, false)!.every(({ ofDatabase }) => !ofDatabase)).toBe(true);
    expect(ids(['T1', 'T99'])).toBeUndefined();
  });
});
