/**
 * Checking exports: what is proven of each kind, and that nothing in one can be changed, left out or put in: every file is altered at
 * every few bytes, cut short and removed. Controls: what is altered is good again when put back, and the check that finds it is named.
 */
import { describe, expect, it } from '@jest/globals';
import { completenessWords, parseCompleteness, type ExportSelection } from './completeness.js';
import { encodeBundle, splitBundle } from './entry-bundle.js';
import { EventCensus, type Census } from './event-census.js';
import { EXPORT_POLICY, exportedLog, memoryExport, type MemoryFiles } from './export.fixture.js';
import { FormatError } from './format-error.js';
import { leafHash } from './hash.js';
import { KEYS, ORIGIN } from './log.fixture.js';
import { openUnderPolicy, parseTlogPolicy } from './tlog-policy.js';
import { exportWords, verifyExport, verifyExportExtends } from './verify-export.js';

const log = exportedLog();
const LEDGER: ExportSelection = { kind: 'ledger' };
const RANGE: ExportSelection = { kind: 'range', from: 256, to: 512 };
const QUERY: ExportSelection = { kind: 'query', from: 0, to: 6, source: null, since: null, until: null };

async function codeOf(files: MemoryFiles, policy = EXPORT_POLICY): Promise<string> {
  try {
    await verifyExport(files, policy);
    return 'accepted';
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
}

function countsOf(entries: readonly Buffer[]): Census {
  const census = new EventCensus();
  for (const [i, entry] of entries.entries()) census.add(i, entry);
  return census.result();
}

describe('an export', () => {
  it('of a whole ledger proves that nothing is missing', async () => {
    const checked = await verifyExport(memoryExport(LEDGER, log), EXPORT_POLICY);
    expect(checked).toMatchObject({
      ledger: ORIGIN,
      olderCheckpoints: 1,
      census: { events: 630, gaps: [{ ingester: 'b', first: 1 }] },
    });
    const { proven, notProven } = exportWords(checked, completenessWords(checked));
    expect(proven.join('\n')).toContain('none is missing, added or moved');
    expect(proven.join('\n')).toContain('1 gap records');
    expect(notProven.join('\n')).toContain('what the events say is true');
    expect(checked.census.perSourceAndDay.map(({ source, events }) => [source, events])).toEqual([
      [null, 1],
      ['urn:0', 210],
      ['urn:1', 210],
      ['urn:2', 209],
    ]);
  });

  it('of a range, of its end and of a query says how far it goes', async () => {
    const range = await verifyExport(memoryExport(RANGE, log), EXPORT_POLICY);
    expect(completenessWords(range)[0]).toContain('all entries from 256 to 511');
    expect(exportWords(range, []).notProven.join('\n')).toContain('a range has no beginning');
    const size = log.entries.length;
    expect(await codeOf(memoryExport({ kind: 'range', from: 512, to: size }, log))).toBe('accepted');
    const query = await verifyExport(memoryExport(QUERY, log), EXPORT_POLICY);
    expect(query.census.events).toBe(4);
    expect(completenessWords(query)[1]).toContain('is not proven');
  });

  it.each([
    ['ledger', LEDGER],
    ['range', RANGE],
    ['query', QUERY],
  ])('of a %s is refused with any of its files altered, cut short or gone', async (_, selection) => {
    const genuine = memoryExport(selection, log);
    for (const [name, bytes] of genuine.files) {
      const changes: [string, (copy: MemoryFiles) => void][] = [
        ['gone', (copy) => copy.files.delete(name)],
        ['empty', (copy) => copy.files.set(name, Buffer.alloc(0))],
        ['cut short', (copy) => copy.files.set(name, bytes.subarray(0, -1))],
        ['longer', (copy) => copy.files.set(name, Buffer.concat([bytes, Buffer.of(0x0a)]))],
        ...[0, 1, 7, Math.floor(bytes.length / 2), bytes.length - 9, bytes.length - 1].map(
          (at): [string, (copy: MemoryFiles) => void] => [
            `bit of byte ${at}`,
            (copy) => void (copy.files.get(name)![at]! ^= 1 << (at % 7)),
          ],
        ),
      ];
      for (const [what, change] of changes) {
        const copy = genuine.clone();
        change(copy);
        // Fewer older checkpoints are an export as well, and fewer events would be, if its statement said so.
        if (what === 'gone' && name.startsWith('checkpoints/')) continue;
        expect([name, what, await codeOf(copy)]).not.toEqual([name, what, 'accepted']);
      }
    }
    expect(await codeOf(genuine)).toBe('accepted'); // control
  });

  it.each([
    [LEDGER, 'export.log'],
    [RANGE, 'export.root'],
  ] as const)('is not fooled by tiles that were made to fit', async (selection, code) => {
    const files = memoryExport(selection, log);
    const bundle = files.files.get('tile/entries/001')!;
    const offsets = splitBundle(bundle);
    const entries = Array.from({ length: 256 }, (_, i) => bundle.subarray(offsets.start(i), offsets.end(i)));
    const swapped = [...entries];
    [swapped[200], swapped[203]] = [entries[203]!, entries[200]!];
    files.files.set('tile/entries/001', encodeBundle(swapped));
    files.files.set('tile/0/001', Buffer.concat(swapped.map((entry) => leafHash(entry))));
    expect(await codeOf(files)).toBe(code);
    // Control: by the counts alone nobody would see it.
    expect(countsOf(swapped)).toEqual(countsOf(entries));
  });

  it('is refused under another policy, while it is being written, and with what does not belong there', async () => {
    const files = memoryExport(LEDGER, log);
    const stranger = `log ${KEYS.log.verifier.vkey}\nwitness w ${KEYS.verifier.verifier.vkey}\nquorum w\n`.replace(
      'audit.example.com/main+',
      'audit.example.com/other+',
    );
    expect(await codeOf(files, parseTlogPolicy(Buffer.from(stranger.split('\n').slice(1).join('\n'))))).toBe(
      'policy.log',
    );
    files.files.set('.export-state.json', Buffer.from('{}'));
    expect(await codeOf(files)).toBe('export.unfinished');
    for (const [name, code] of [
      ['checkpoints/1', 'export.checkpoint'],
      ['checkpoints/new', 'export.name'],
      ['keys/1', 'export.keys'],
    ] as const) {
      const more = memoryExport(LEDGER, log);
      more.files.set(name, more.files.get('checkpoint')!);
      expect([name, await codeOf(more)]).toEqual([name, code]);
    }
  });

  it('shows with its tiles that it extends an older checkpoint', async () => {
    const files = memoryExport(LEDGER, log);
    const [newer, older] = [log.writer.checkpoint(), log.older].map((note) => openUnderPolicy(note, EXPORT_POLICY));
    await verifyExportExtends(files, newer!, older!);
    const forked = { ...older!, checkpoint: { ...older!.checkpoint, root: newer!.checkpoint.root } };
    await expect(verifyExportExtends(files, newer!, forked)).rejects.toMatchObject({ code: 'extension.proof' });
    await expect(verifyExportExtends(files, older!, newer!)).rejects.toMatchObject({ code: 'extension.proof' });
  });
});

describe('a census', () => {
  it('has a bound, and leaves out the same for everybody', () => {
    const census = new EventCensus();
    const entry = (n: number): Buffer =>
      Buffer.from(
        `{"ledger":"${ORIGIN}","producer":"p","accepted":"2026-01-01T00:00:00.000Z","event":{"source":"s${n}"}}`,
      );
    for (let n = 0; n < 10_003; n++) census.add(n, entry(n));
    census.add(10_003, entry(0));
    const { events, perSourceAndDay, inFurtherRows } = census.result();
    expect([events, perSourceAndDay.length, inFurtherRows]).toEqual([10_004, 10_000, 3]);
  });

  it('refuses what is no entry of a log', () => {
    const census = new EventCensus();
    for (const entry of ['', '{}', 'everseal/gap/v1\n', 'everseal/unknown/v1\n']) {
      expect(() => census.add(0, Buffer.from(entry))).toThrow(FormatError);
    }
  });
});

describe('completeness statements', () => {
  it.each([
    ['no JSON', 'completeness.json', 'x'],
    ['another format', 'completeness.format', '{"format":"everseal/export/v2"}'],
    [
      'no selection',
      'completeness.selection',
      `{"format":"everseal/export/v1","ledger":"${ORIGIN}","made":"2026-01-01T00:00:00.000Z"}`,
    ],
    [
      'no ledger',
      'completeness.ledger',
      '{"format":"everseal/export/v1","ledger":"x","made":"2026-01-01T00:00:00.000Z"}',
    ],
  ])('%s is none', (_, code, text) => {
    expect(() => parseCompleteness(Buffer.from(text))).toThrow(expect.objectContaining({ code }));
  });

  it.each([
    ['{"kind":"everything"}', 'completeness.selection-kind'],
    ['{"kind":"range","from":5,"to":5}', 'completeness.selection-to'],
    ['{"kind":"query","from":0,"to":5,"source":null,"since":"yesterday","until":null}', 'completeness.selection-since'],
  ])('selection %s is none', (selection, code) => {
    const text = `{"format":"everseal/export/v1","ledger":"${ORIGIN}","made":"2026-01-01T00:00:00.000Z","selection":${selection}}`;
    expect(() => parseCompleteness(Buffer.from(text))).toThrow(expect.objectContaining({ code }));
  });
});
