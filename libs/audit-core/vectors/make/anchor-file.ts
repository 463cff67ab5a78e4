import { formatAnchorLine, parseAnchorLine, signCheckpoint, treeRoot } from '@everseal/audit-core';
import { CAST, castOf, ORIGIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type VectorFile } from '../vector-file.js';
import { LOG_LEAVES } from './block.js';
import { GENESIS_NOTE } from './key-set.js';

/** A line of an anchor file, without its line feed. */
export type AnchorFileInput = { line: Bytes };

export function readAnchorLine({ line }: AnchorFileInput): unknown {
  return parseAnchorLine(bytesOf(line));
}

export function anchorFileVectors(): VectorFile<AnchorFileInput> {
  const note = signCheckpoint({ origin: ORIGIN, size: LOG_LEAVES.length, root: treeRoot(LOG_LEAVES) }, CAST.log);
  const lineOf = (kind: 'checkpoint' | 'keys', text: string): string =>
    formatAnchorLine({ ledger: ORIGIN, kind, note: text }).toString().trimEnd();
  const checkpoint = lineOf('checkpoint', note);
  const good = (name: string, line: string): Case<AnchorFileInput> => valid(name, { line }, () => readAnchorLine({ line }));
  const bad = (name: string, line: Bytes, code: string, reason: string): Case<AnchorFileInput> =>
    invalid(name, { line }, code, reason);
  return {
    format: 'anchor-file',
    specification: 'formats.md, "Anchors"',
    how: 'Read `line` as a line of an anchor file, without its line feed. No signature is checked.',
    keys: castOf('log', 'op1'),
    cases: [
      good('a checkpoint', checkpoint),
      good('a key set', lineOf('keys', GENESIS_NOTE)),
      bad('an empty line', '', 'anchor-file.json', 'not JSON'),
      bad('the beginning of a line', checkpoint.slice(0, -9), 'anchor-file.json', 'not JSON'),
      bad('too large', [{ text: checkpoint }, { text: ' ', times: 262_144 }], 'anchor-file.size', 'at most 262,144 bytes are read'),
      bad('another format', checkpoint.replace('/v1', '/v2'), 'anchor-file.format', 'it is not this one'),
      bad('neither', `{"format":"everseal/anchor-file/v1","ledger":"${ORIGIN}"}`, 'anchor-file.checkpoint', 'every member is there'),
      bad('a member more', checkpoint.replace('{', '{"more":1,'), 'anchor-file.canonical', 'members are exactly these'),
      bad('a space', checkpoint.replace(':', ': '), 'anchor-file.canonical', 'no white space'),
      bad('members in another order', reordered(checkpoint), 'anchor-file.canonical', 'members stand in this order'),
      bad('a note that is no checkpoint', lineOf('checkpoint', GENESIS_NOTE), 'checkpoint.lines', 'a checkpoint has three lines'),
      bad('no note', lineOf('keys', 'not a note\n'), 'note.separator', 'text, an empty line, signature lines'),
    ],
  };
}

function reordered(line: string): string {
  const { format, ledger, checkpoint } = JSON.parse(line) as Record<string, string>;
  return JSON.stringify({ ledger, format, checkpoint });
}
