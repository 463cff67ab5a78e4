import { expect, it } from '@jest/globals';
import type { Terminal } from './terminal.js';
import { WatchLines } from './watch-lines.js';
import type { Transition } from './watch-latch.js';

it('transitions are told however many come at once', () => {
  const told: string[] = [];
  const same = (text: string): string => text;
  const terminal = { colors: { red: same, green: same }, line: (line: string) => told.push(line) };
  const one = { code: 'entry.altered', severity: 'tampering', detail: '', runbook: '', at: '', since: '' };
  const many = Array.from({ length: 150_000 }, (_, i) => ({ ...one, key: String(i), state: 'raised' }) as Transition);
  new WatchLines(terminal as unknown as Terminal, 'lines').transitions(many);
  expect(told).toHaveLength(many.length);
});
