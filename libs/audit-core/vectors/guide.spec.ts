import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { bytesOf, readVectors, type Bytes } from './vector-file.js';

/**
 * The examples of docs/formats/README.md are cases of the vector files. Each stands in a fence after a comment
 * `<!-- example: <file>, "<case>", <form> -->`; the form says how bytes are shown: `text` as they are (a line feed at the end
 * belongs to the fence when the bytes have none), `json` by value, `hex` as a dump of 16 bytes a line.
 */
const GUIDE = readFileSync(new URL('../../../docs/formats/README.md', import.meta.url), 'utf8');
const EXAMPLE = /<!-- example: (\S+)\.json, "([^"]+)", (\w+) -->\n\n```\w*\n([\s\S]*?)```/g;
const examples = [...GUIDE.matchAll(EXAMPLE)].map(([, file, name, form, shown]) => ({ file, name, form, shown })) as {
  file: string;
  name: string;
  form: 'text' | 'json' | 'hex';
  shown: string;
}[];

/** The bytes of a case: its one member that is named after what is opened. */
function inputOf(file: string, name: string): Buffer {
  const found = readVectors<Record<string, Bytes>>(file).cases.find((vector) => vector.name === name);
  if (!found?.valid) throw new Error(`${file}.json has no valid case ${name}`);
  const member = ['custody', 'note', 'entry', 'message', 'receipt', 'answer', 'announcement', 'event', 'line'].find(
    (key) => key in found,
  ) as string;
  return bytesOf(found[member] as Bytes);
}

function dump(bytes: Buffer): string {
  const rows = Array.from({ length: Math.ceil(bytes.length / 16) }, (_, i) => bytes.subarray(i * 16, i * 16 + 16));
  return rows
    .map((row, i) => {
      const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
      const ascii = [...row].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
      return `${(i * 16).toString(16).padStart(4, '0')}  ${hex.padEnd(47)}  ${ascii}\n`;
    })
    .join('');
}

describe('the guide to the formats', () => {
  it.each(examples)('shows $file, $name', ({ file, name, form, shown }) => {
    const bytes = inputOf(file, name);
    if (form === 'json') expect(JSON.parse(shown)).toEqual(JSON.parse(bytes.toString()));
    else if (form === 'hex') expect(shown).toBe(dump(bytes));
    else expect(shown).toBe(bytes.toString().replace(/\n?$/, '\n'));
  });

  it('has an example of every format', () => {
    expect(new Set(examples.map(({ file }) => file))).toEqual(
      new Set([
        'event-entry',
        'key-set',
        'frame',
        'gap',
        'block',
        'restore',
        'frame-message',
        'receipt',
        'refusal',
        'announcement',
        'anchor-file',
        'custody-file',
        'alert-note',
        'alert-event',
      ]),
    );
  });

  it('names files that exist', () => {
    for (const [, file] of GUIDE.matchAll(/`([a-z-]+\.json)`/g)) {
      expect(readFileSync(new URL(file as string, import.meta.url), 'utf8')).toContain('"format"');
    }
    for (const [, file] of GUIDE.matchAll(/`([a-z-]+\.ts)`/g)) {
      expect(readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8')).toContain('export');
    }
  });
});
