/**
 * docs/operations/runbook.md has one section for each verdict code, in the order of the table, under the anchor that
 * alerts link to; and says truly which codes no service raises yet.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { VERDICTS } from '@everseal/audit-core';

const root = path.resolve(import.meta.dirname, '../..');
const document = readFileSync(path.join(root, 'docs/operations/runbook.md'), 'utf8');
const codes = Object.keys(VERDICTS);
const sections = new Map(
  document
    .split(/^## /m)
    .slice(1)
    .map((section): [string, string] => {
      const end = section.indexOf('\n');
      return [section.slice(0, end), section.slice(end)];
    }),
);

/** Everything that could raise an alert: the services, the outside watcher, and the readers that they share. */
const raising = ['apps/ingest', 'apps/sealer', 'apps/verifier', 'apps/cli', 'libs/audit-core/src']
  .flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) =>
      path.join(root, folder, file),
    ),
  )
  .filter((file) => /(?<!\.spec|\.fixture|[\\/]verdict)\.ts$/.test(file))
  .map((file) => readFileSync(file, 'utf8'))
  .join('\n');

describe('docs/operations/runbook.md', () => {
  it('has a section for every verdict code, in their order', () => {
    expect([...sections.keys()].filter((title) => title.includes('.'))).toEqual(codes);
  });

  // GitHub makes an anchor of a heading by dropping the dots, which is what alert-book.ts puts into every alert.
  it.each(codes)('%s: says what it means, what to look at and what to do', (code) => {
    const section = sections.get(code) ?? '';
    for (const part of ['Means.', 'Look first.', 'Do.']) expect(section).toContain(`- **${part}**`);
    expect(section).toMatch(/^- \*\*(?:Found by|Not raised yet)\b/m);
  });

  it.each(codes)('%s: says truly whether it is raised', (code) => {
    const isRaised = raising.includes(`'${code}'`);
    expect({ code, isRaised: sections.get(code)?.includes('**Found by**') }).toEqual({ code, isRaised });
  });

  it('links to sections that exist', () => {
    const anchors = new Set([...document.matchAll(/^#{2,} (.+)$/gm)].map(([, title]) => anchorOf(String(title))));
    const links = [...document.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => String(anchor));
    expect(links.filter((anchor) => !anchors.has(anchor))).toEqual([]);
  });
});

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
