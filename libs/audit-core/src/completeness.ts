/**
 * The completeness statement of an export, `completeness.json` (formats.md, "Export"): what was selected, what there is of it, and
 * how far "all" is proven. JSON for programs and people, two spaces deep, in exactly one form: everything but `made` follows from
 * the other files, so whoever checks an export makes it again and compares.
 */
import { encodeBase64 } from './base64.js';
import type { Census } from './event-census.js';
import { FormatError } from './format-error.js';
import type { FrameShare } from './frame-tally.js';
import type { Hash } from './hash.js';
import { MessageReader } from './message-json.js';
import { parseOrigin } from './names.js';
import { numeral, shown } from './proof-words.js';
import type { StampShare } from './stamped-checkpoints.js';
import { TILE_WIDTH } from './tile.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';

/** Entries [from, to). */
export type IndexRange = { readonly from: number; readonly to: number };

export type ExportSelection =
  /** Everything up to the checkpoint. */
  | { readonly kind: 'ledger' }
  /** Every entry of a range, and those in the same bundles of 256. */
  | ({ readonly kind: 'range' } & IndexRange)
  /** Events in a range that fit, by the event index of whoever exports. Null: any. */
  | ({
      readonly kind: 'query';
      readonly source: string | null;
      /** Accepted at this time or later … */
      readonly since: Timestamp | null;
      /** … and before this one. */
      readonly until: Timestamp | null;
    } & IndexRange);

/** What stands beside the entries. */
export type ExportEvidence = {
  readonly keySets: number;
  /** Who accepted the events, by name of the ingester. */
  readonly custody: readonly FrameShare[];
  /** By name of the authority. */
  readonly timestamps: readonly StampShare[];
};

export type Completeness = {
  readonly ledger: string;
  readonly size: number;
  readonly root: Hash;
  readonly made: Timestamp;
  readonly selection: ExportSelection;
  readonly census: Census;
  /** Null in version 1. */
  readonly evidence: ExportEvidence | null;
};

const FORMATS = { 1: 'everseal/export/v1', 2: 'everseal/export/v2' } as const;
export type ExportVersion = keyof typeof FORMATS;
/** 10,000 rows with sources of 256 bytes that JSON escapes, and as many gap records. */
export const MOST_COMPLETENESS_BYTES = 67_108_864;

/** The entries that an export holds all of; null for a query. */
export function exportedRange(selection: ExportSelection, size: number): IndexRange | null {
  if (selection.kind === 'ledger') return { from: 0, to: size };
  if (selection.kind === 'query') return null;
  const { from, to } = selection;
  return {
    from: Math.floor(from / TILE_WIDTH) * TILE_WIDTH,
    to: Math.min(size, Math.ceil(to / TILE_WIDTH) * TILE_WIDTH),
  };
}

/** The entries that time stamps are to cover: of a range all of it, of a query its events. Null where there are none, or all stamps are there. */
export function stampedSpan({ selection, size, census }: Completeness): IndexRange | null {
  if (selection.kind === 'ledger') return null;
  if (selection.kind === 'range') return exportedRange(selection, size);
  return census.first && census.last && { from: census.first.index, to: census.last.index + 1 };
}

export function formatCompleteness(completeness: Completeness): string {
  const { ledger, size, root, made, selection, census, evidence } = completeness;
  const exported = exportedRange(selection, size);
  const statement = completenessWords(completeness);
  const value = {
    format: FORMATS[evidence === null ? 1 : 2],
    ledger,
    size,
    root: encodeBase64(root),
    made,
    selection: spelled(selection),
    exported,
    statement,
    ...census,
    ...(evidence && { keySets: evidence.keySets, custody: evidence.custody, timestamps: evidence.timestamps }),
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** The members in their order, whatever order the object has. */
function spelled(selection: ExportSelection): ExportSelection {
  if (selection.kind === 'ledger') return { kind: 'ledger' };
  const { from, to } = selection;
  if (selection.kind === 'range') return { kind: 'range', from, to };
  const { source, since, until } = selection;
  return { kind: 'query', from, to, source, since, until };
}

/** What is read of a completeness statement. */
export type StatedSelection = {
  readonly version: ExportVersion;
  readonly ledger: string;
  readonly made: Timestamp;
  readonly selection: ExportSelection;
};

/**
 * What a completeness statement says of its selection; the rest follows from the files, and `formatCompleteness` of what was
 * derived is compared with the bytes.
 * @throws FormatError `completeness.size`, `completeness.json`, `completeness.<member>`
 */
export function parseCompleteness(bytes: Uint8Array): StatedSelection {
  const members = MessageReader.parse('completeness', bytes, MOST_COMPLETENESS_BYTES);
  const format = members.text('format');
  const version = format === FORMATS[1] ? 1 : 2;
  if (format !== FORMATS[version]) members.fail('format', `is neither ${FORMATS[1]} nor ${FORMATS[2]}`);
  const [ledger, made] = [members.text('ledger'), members.text('made')];
  members.check('ledger', () => parseOrigin(ledger));
  members.check('made', () => parseTimestamp(made));
  return { version, ledger, made, selection: readSelection(members.object('selection')) };
}

function readSelection(members: MessageReader): ExportSelection {
  const kind = members.text('kind');
  if (kind === 'ledger') return { kind };
  if (kind !== 'range' && kind !== 'query') return members.fail('kind', 'is neither ledger, range nor query');
  const range = { from: members.count('from'), to: members.count('to') };
  if (range.from >= range.to) members.fail('to', 'is not behind from');
  if (kind === 'range') return { kind, ...range };
  const [since, until] = (['since', 'until'] as const).map((name) => {
    const time = members.textOrNull(name);
    if (time !== null) members.check(name, () => parseTimestamp(time));
    return time;
  }) as [Timestamp | null, Timestamp | null];
  return { kind, ...range, source: members.textOrNull('source'), since, until };
}

/** How far "all" goes, what was left out, and what there is beside the entries. */
export function completenessWords(completeness: Completeness): string[] {
  const { evidence } = completeness;
  const words = selectionWords(completeness);
  return evidence === null
    ? words
    : [...words, custodyWords(evidence, completeness.census.events), stampWords(completeness, evidence)];
}

function custodyWords({ custody, keySets }: ExportEvidence, events: number): string {
  if (events === 0) return 'No event is in it, so nobody signed for one.';
  const by = custody.map((share) => {
    const signed = share.frames === 1 ? 'frame' : 'frames';
    return `ingest ${share.ingester} ${numeral(share.events)} in ${numeral(share.frames)} ${signed} that it signed`;
  });
  const what = events === 1 ? 'this 1 event' : `these ${numeral(events)} events`;
  return `Who accepted ${what}: ${by.join('; ')}. Key sets of the log: ${numeral(keySets)}.`;
}

function stampWords(completeness: Completeness, { timestamps }: ExportEvidence): string {
  if (timestamps.length === 0)
    return 'No time stamp is in it: whoever made this had none of an authority over these entries.';
  const span = stampedSpan(completeness);
  const of = timestamps.map(({ authority, stamps, firstSize, lastSize }) => {
    const trees =
      stamps === 1 ? `the tree of ${numeral(lastSize)}` : `trees of ${numeral(firstSize)} to ${numeral(lastSize)}`;
    const short = span !== null && lastSize < span.to ? ', which the newest of these entries are not in' : '';
    return `${numeral(stamps)} of ${shown(authority)} over ${trees} entries${short}`;
  });
  return `Time stamps of authorities: ${of.join('; ')}.`;
}

function selectionWords({ size, selection, census }: Completeness): string[] {
  const gaps = census.gaps.length + census.furtherGaps;
  const missing =
    gaps === 0
      ? 'No gap record stands in it.'
      : `${numeral(gaps)} gap records stand in it: the log itself says which frames of an ingester it lacks there.`;
  if (selection.kind === 'ledger') {
    return [
      `These are all ${numeral(size)} entries of the ledger up to this checkpoint. The root proves that none is missing, added or moved.`,
      missing,
      'Left out: what was sealed later.',
    ];
  }
  if (selection.kind === 'range') {
    const { from, to } = exportedRange(selection, size) as IndexRange;
    return [
      `These are all entries from ${numeral(from)} to ${numeral(to - 1)}, in whole bundles of ${TILE_WIDTH}; asked for were ${numeral(selection.from)} to ${numeral(selection.to - 1)}. The tiles prove that none of them is missing, added or moved.`,
      missing,
      `Left out: ${numeral(size - (to - from))} of the ${numeral(size)} entries below this checkpoint, and what was sealed later.`,
    ];
  }
  return [
    `Each of these ${numeral(census.events)} events is proven to be in the ledger.`,
    'That no other event fits the query is not proven: they were looked up in the event index of whoever made this export, which the verifiers of the installation compare with the log. An export of the range proves that all are there.',
    `Left out: every event that the index does not show as fitting, and all records of the log itself.`,
  ];
}

/** Whether an event is one that a query asks for. */
export function fitsQuery(
  selection: Extract<ExportSelection, { kind: 'query' }>,
  index: number,
  { accepted, source }: { accepted: Timestamp; source: string | null },
): boolean {
  const { from, to, since, until } = selection;
  if (index < from || index >= to) return false;
  if (selection.source !== null && selection.source !== source) return false;
  return (since === null || accepted >= since) && (until === null || accepted < until);
}

/** @throws FormatError `export.completeness` */
export function requireSameStatement(read: Uint8Array, derived: Completeness): void {
  if (Buffer.from(formatCompleteness(derived)).equals(read)) return;
  throw new FormatError(
    'export.completeness',
    'completeness.json does not say what the files give: counts, first, last, gaps or words differ',
  );
}
