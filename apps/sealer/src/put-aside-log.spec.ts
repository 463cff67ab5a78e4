import { beforeEach, expect, it } from '@jest/globals';
import { PutAsideLog, type PutAside } from './put-aside-log.js';

let lines: Record<string, unknown>[];
let now: number;
let log: PutAsideLog;
beforeEach(() => {
  lines = [];
  now = 0;
  log = new PutAsideLog({ warn: (fields: object) => void lines.push({ ...fields }) }, () => now);
});

const message = (sequence: number, code: PutAside['code'], kept = true): PutAside => ({
  sequence,
  code,
  why: 'x',
  kept,
});

it('of a flood one line of each code, and how many more there were, is told', () => {
  for (let i = 1; i <= 1_000; i++) log.write(message(i, i % 2 === 0 ? 'custody.conflict' : 'custody.forged', i <= 900));
  expect(lines).toEqual([message(1, 'custody.forged'), message(2, 'custody.conflict')]);
  now = 9_999;
  log.flush();
  expect(lines).toHaveLength(2);
  now = 10_000;
  log.write(message(1_001, 'custody.forged'));
  expect(lines.slice(2)).toEqual([
    { code: 'custody.forged', leftOut: 499, notKept: 50 },
    { code: 'custody.conflict', leftOut: 499, notKept: 50 },
    message(1_001, 'custody.forged'),
  ]);
});

it('one now and then is a line each, and no count; control of the bound', () => {
  for (let i = 1; i <= 5; i++, now += 10_000) log.write(message(i, 'custody.forged'));
  expect(lines.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
});

it('at the end what was counted is told, once', () => {
  for (let i = 1; i <= 3; i++) log.write(message(i, 'custody.forged'));
  log.end();
  log.end();
  expect(lines.slice(1)).toEqual([{ code: 'custody.forged', leftOut: 2, notKept: 0 }]);
});
