/**
 * Checking exports: what is proven of each kind, and that nothing in one can be changed, left out or put in: every file is altered at
 * every few bytes, cut short and removed. Controls: what is altered is good again when put back, and the check that finds it is named.
 */
import { describe, expect, it } from '@jest/globals';
import { completenessWords, parseCompleteness, type ExportSelection } from './completeness.js';
import { encodeBundle, splitBundle } from './entry-bundle.js';
import { EventCensus, type Census } from './event-census.js';
import { EXPORT_POLICY, exportedLog, memoryExport, MemoryFiles } from './export.fixture.js';
import type { ExportedKeys } from './exported-keys.js';
import { FormatError } from './format-error.js';
import { leafHash } from './hash.js';
import { signCheckpoint } from './checkpoint.js';
import { treeRoot } from './compact-range.js';
import { signFrame, type Frame } from './frame.js';
import { FrameTally, type ShownFrame } from './frame-tally.js';
import { openGenesis } from './key-set.js';
import { RangeCustody } from './range-custody.js';
import type { TileTree } from './tile-tree.js';
import { forgedKeys, KEYS, ORIGIN } from './log.fixture.js';
import { openUnderPolicy, parseTlogPolicy } from './tlog-policy.js';
import { verifyExportExtends } from './export-extension.js';
import { exportWords } from './export-words.js';
import { verifyExport } from './verify-export.js';

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
      olderCheckpoints: 2,
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

  it('of a range, of its end and of a query says how far it goes, who signed, and what time stamps cover', async () => {
    const range = await verifyExport(memoryExport(RANGE, log, { stamped: 1 }), EXPORT_POLICY);
    const rangeWords = completenessWords(range);
    expect(rangeWords[0]).toContain('all entries from 256 to 511');
    expect(rangeWords.at(-2)).toContain('ingest a 124 in 1 frame that it signed; ingest b 129 in 1 frame');
    expect(rangeWords.at(-1)).toContain(
      '1 of tsa over the tree of 386 entries, which the newest of these entries are not in',
    );
    const { proven, notProven } = exportWords(range, []);
    expect(proven.join('\n')).toContain("with keys that the log's own key sets name");
    expect(notProven.join('\n')).not.toContain('ingesters signed');
    const size = log.entries.length;
    const end = await verifyExport(
      memoryExport({ kind: 'range', from: 512, to: size }, log, { stamped: null }),
      EXPORT_POLICY,
    );
    expect(end.evidence).toEqual({ keySets: 2, custody: [{ ingester: 'a', frames: 1, events: 126 }], timestamps: [] });
    expect(completenessWords(end).at(-1)).toContain('No time stamp is in it');
    expect(exportWords(end, []).notProven.join('\n')).toContain('no time stamp is in it');
    const query = await verifyExport(memoryExport(QUERY, log), EXPORT_POLICY);
    expect(query.census.events).toBe(4);
    expect(completenessWords(query)[1]).toContain('is not proven');
    expect(completenessWords(query).at(-1)).toMatch(/1 of tsa over the tree of 253 entries\.$/);
    expect(query.evidence!.custody).toEqual([{ ingester: 'a', frames: 1, events: 4 }]);
  });

  it.each([
    [
      'ledger',
      LEDGER,
      [
        ['a', 1, 2, 251],
        ['b', 2, 255, 384],
        ['a', 2, 388, 637],
      ],
    ],
    [
      'range',
      RANGE,
      [
        ['b', 2, 256, 384],
        ['a', 2, 388, 511],
      ],
    ],
    ['query', QUERY, [2, 3, 4, 5].map((index) => ['a', 1, index, index])],
  ] as const)('of a %s shows which ingester signed each entry', async (_, selection, expected) => {
    const shown: ShownFrame[] = [];
    await verifyExport(memoryExport(selection, log), EXPORT_POLICY, { onFrame: (frame) => shown.push(frame) });
    expect(shown.map(({ frame, first, last }) => [frame.ingester, frame.number, first, last])).toEqual(expected);
  });

  it.each([
    ['ledger', LEDGER, 'every signature, hash and chain'],
    ['range', RANGE, 'export the range again'],
    ['query', QUERY, 'that what the events say'],
  ])('of a %s of version 1 proves what it always did', async (_, selection, words) => {
    const checked = await verifyExport(memoryExport(selection, log, { version: 1, stamped: null }), EXPORT_POLICY);
    const { proven, notProven } = exportWords(checked, completenessWords(checked));
    expect(checked.evidence).toBeNull();
    expect([...proven, ...notProven].join('\n')).toContain(words);
    expect([...proven, ...notProven].join('\n')).not.toMatch(/time stamp|Who accepted/);
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
        // Fewer older checkpoints are an export as well, and fewer events would be, if its statement said so. Tokens are not read here.
        if (what === 'gone' && name.startsWith('checkpoints/')) continue;
        if (what !== 'gone' && name.endsWith('.tst')) continue;
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
    const [newer, older] = [log.writer.checkpoint(), log.older[0]!.note].map(
      (note) => openUnderPolicy(note, EXPORT_POLICY).checkpoint,
    );
    await verifyExportExtends(files, newer!, older!);
    const forked = { ...older!, root: newer!.root };
    await expect(verifyExportExtends(files, newer!, forked)).rejects.toMatchObject({ code: 'extension.proof' });
    await expect(verifyExportExtends(files, older!, newer!)).rejects.toMatchObject({ code: 'extension.proof' });
  });
});

describe('custody of a range', () => {
  /** The export, with a file as it is changed; null takes it away. */
  function changed(name: string, bytes: Buffer | null, selection: ExportSelection = RANGE): MemoryFiles {
    const files = memoryExport(selection, log);
    if (bytes === null) files.files.delete(name);
    else files.files.set(name, bytes);
    return files;
  }

  it('is refused without the note of its first frame, and with that of another', async () => {
    expect(await codeOf(changed('frames/254', log.entries[254]!))).toBe('accepted'); // control
    expect(await codeOf(changed('frames/254', null))).toBe('export.custody');
    expect(await codeOf(changed('frames/254', log.entries[1]!))).toBe('export.custody');
    const elsewhere = changed('frames/254', null);
    elsewhere.files.set('frames/1', log.entries[1]!);
    expect(await codeOf(elsewhere)).toBe('export.custody');
    expect(await codeOf(changed('frames/387', log.entries[387]!))).toBe('export.custody');
    expect(await codeOf(changed('frames/x', log.entries[254]!))).toBe('export.name');
    // A range that begins with its own notes asks for none.
    expect(await codeOf(changed('frames/1', log.entries[1]!, { kind: 'range', from: 0, to: 256 }))).toBe(
      'export.custody',
    );
    expect(await codeOf(memoryExport({ kind: 'range', from: 0, to: 256 }, log))).toBe('accepted');
  });

  it('follows the key sets of the log: without the newer one its frames are signed by nobody', async () => {
    const end = { kind: 'range', from: 512, to: log.entries.length } as const;
    expect(await codeOf(changed(`keys/${log.keysIndex}`, log.entries[log.keysIndex]!, end))).toBe('accepted'); // control
    expect(await codeOf(changed(`keys/${log.keysIndex}`, null, end))).toBe('export.custody');
    expect(await codeOf(changed(`keys/${log.keysIndex}`, null))).toBe('export.custody');
    expect(await codeOf(changed('keys/0', null, end))).toBe('keys.genesis');
    expect(await codeOf(changed('keys/5', log.entries[0]!, end))).toBe('export.keys');
    expect(await codeOf(changed('keys/5000', log.entries[0]!, end))).toBe('export.keys');
  });

  it('is that of the entries which the log holds: a frame over the same events by another ingester shows nothing', async () => {
    const { frame } = log.writer.frame('b', ['{}']);
    const own = log.frames[1]!;
    const events = log.entries.slice(own.index + 1, own.index + 1 + own.count);
    const accepted = /"accepted":"([^"]*)"/.exec(events[0]!.toString())![1]!;
    const root = treeRoot(events.map((entry) => leafHash(entry)));
    const claimed = { ...frame, ingester: 'a', count: own.count, root, accepted };
    expect(await codeOf(changed('frames/254', Buffer.from(signFrame(claimed, KEYS.a))))).toBe('export.custody');
  });

  it('finds frames that no ingester of the key sets signed', async () => {
    const { writer } = log;
    const events = log.entries.slice(2, 5);
    const leaves = events.map((entry) => leafHash(entry));
    const made = { ...writer.frame('a', ['{}']).frame, count: 3, accepted: '2026-01-01T00:00:01.000Z' };
    const keys = { before: () => openGenesis(writer.genesis, ORIGIN) } as unknown as ExportedKeys;
    const tree = { size: 5, leaves: () => Promise.resolve([]) } as unknown as TileTree;
    const read = async (signers: typeof KEYS, over: Partial<Frame> = {}): Promise<string> => {
      const tally = new FrameTally();
      const note = Buffer.from(signFrame({ ...made, root: treeRoot(leaves), ...over }, signers.a));
      const custody = await RangeCustody.open(new MemoryFiles(), { origin: ORIGIN, keys, tree, from: 1, tally });
      try {
        for (const entry of [note, ...events]) custody.take(entry, leafHash(entry));
        await custody.end();
      } catch (error) {
        return (error as Error).message;
      }
      return JSON.stringify(tally.result());
    };
    expect(await read(KEYS)).toBe('[{"ingester":"a","frames":1,"events":3}]'); // control
    expect(await read(forgedKeys())).toContain('note.');
    expect(await read(KEYS, { root: leaves[0]! })).toContain('are not the events that ingest a signed');
    expect(await read(KEYS, { accepted: '2026-01-01T00:00:02.000Z' })).toContain('custody.event');
    expect(await read(KEYS, { count: 4 })).toContain('the tree has no place for');
    expect(await read(KEYS, { count: 2 })).toContain('are not the events');
  });
});

describe('a stamped checkpoint of a part', () => {
  it.each([
    ['range', RANGE],
    ['query', QUERY],
  ])('of a %s is one of its log', async (_, selection) => {
    const files = memoryExport(selection, log);
    const name = 'timestamps/253/checkpoint';
    const other = { origin: ORIGIN, size: 253, root: leafHash(Buffer.from('another history')) };
    files.files.set(name, Buffer.from(signCheckpoint(other, KEYS.log)));
    expect(await codeOf(files)).toBe('export.checkpoint');
    files.files.set(name, Buffer.from(signCheckpoint(other, forgedKeys().log)));
    expect(await codeOf(files)).toMatch(/^note\./);
    const moved = memoryExport(selection, log);
    moved.files.set(name, Buffer.from(log.older[1]!.note));
    expect(await codeOf(moved)).toBe('export.checkpoint');
    moved.files.set(name, Buffer.from(log.older[0]!.note));
    expect(await codeOf(moved)).toBe('accepted'); // control
    moved.files.set('timestamps/253/other.tst', Buffer.from('x'));
    expect(await codeOf(moved)).toBe('export.completeness');
    moved.files.set('timestamps/253/readme', Buffer.from('x'));
    expect(await codeOf(moved)).toBe('export.name');
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
    ['another format', 'completeness.format', '{"format":"everseal/export/v3"}'],
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
