/** Links between the documents lead somewhere, and files that they name exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

const root = path.resolve(import.meta.dirname, '../..');
const documents = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((file) => path.join('docs', file)),
].filter((file) => file.endsWith('.md'));

const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const prose = (text: string): string => text.replaceAll(/^```[\s\S]*?^```$/gm, '');

/** As GitHub makes anchors of headings; a heading that stands twice is not linked to here. */
function anchorsOf(text: string): Set<string> {
  const titles = [...prose(text).matchAll(/^#{1,6} (.+)$/gm)].map(([, title]) => String(title).toLowerCase());
  return new Set(titles.map((title) => title.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')));
}

function brokenLinks(file: string): string[] {
  const links = [...prose(read(file)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => String(link));
  return links.filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [target = '', anchor] = link.split('#');
    const found = target === '' ? file : path.join(path.dirname(file), target);
    if (!existsSync(path.join(root, found))) return true;
    return anchor !== undefined && !anchorsOf(read(found)).has(anchor);
  });
}

/** Paths of the repository in backticks; those with a placeholder or a star are patterns. */
function missingFiles(file: string): string[] {
  const named = [...read(file).matchAll(/`((?:apps|libs|scripts|docs|test|bench|demo)\/[^`\s:]+)`/g)];
  return named
    .map(([, name]) => String(name))
    .filter((name) => !/[<>*{]/.test(name) && !existsSync(path.join(root, name)));
}

describe.each(documents)('%s', (file) => {
  it('links to what exists and names files that exist', () => {
    expect({ links: brokenLinks(file), files: missingFiles(file) }).toEqual({ links: [], files: [] });
  });
});

it('finds what is broken: the controls', () => {
  expect([...anchorsOf('## Key set: `everseal/keys/v1`\n## entry.altered')]).toEqual([
    'key-set-eversealkeysv1',
    'entryaltered',
  ]);
});
