import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { transformSync } from '@swc/core';
import { repositoryRoot } from '@everseal/local';

const ROOT = repositoryRoot();
/** What swc puts in place of a private field for engines that have none: an entry of a WeakMap for each object. */
const HELPER = '_class_private_field';

describe('what is built', () => {
  it('has private fields as they are written: every event passes some', () => {
    const built = ['apps', 'libs'].flatMap((part) => {
      const folder = path.join(ROOT, 'dist', part);
      return readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.js'))
        .map((file) => path.join(folder, file));
    });
    expect(built.length).toBeGreaterThan(300);
    expect(built.filter((file) => readFileSync(file, 'utf8').includes(HELPER))).toEqual([]);
  });

  it('would not have them without .swcrc: for the target that the Nest CLI takes by itself', () => {
    const source = 'export class Counter { #count = 0; next() { return ++this.#count; } }';
    const settings = JSON.parse(readFileSync(path.join(ROOT, '.swcrc'), 'utf8')) as { jsc: { target: 'es2023' } };
    const has = (target: 'es2021' | 'es2023'): boolean =>
      transformSync(source, { swcrc: false, configFile: false, jsc: { target } }).code.includes(HELPER);
    expect([has('es2021'), has(settings.jsc.target)]).toEqual([true, false]);
  });
});
