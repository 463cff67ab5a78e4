/** The JSON API: each operation of operations.ts, from its parsed request to its answer. Who may ask is decided before (gate.ts). */
import {
  encodeBase64,
  FIRST_LINE,
  formatAddCheckpoint,
  formatReceipt,
  formatTlogProof,
  leafHash,
  equalHash,
  parseDecimal,
  parseNote,
  parseFrameText,
  proveConsistencyFromTiles,
  proveInclusionFromTiles,
  proveRange,
} from '@everseal/audit-core';
import {
  anchorPage,
  blockAt,
  checkpointAt,
  cosignedAt,
  endOfBody,
  firstSealedFrom,
  positionsOf,
  readIndexHead,
  searchEvents,
  recordsAt,
} from '@everseal/ledger-store';
import type { DataSource } from 'typeorm';
import type { z } from 'zod';
import { entryView, recordView } from './event-view.js';
import { jsonAnswer, type Answer } from './exchange.js';
import { frameOf } from './frame-lookup.js';
import { normalInstant } from './instant-text.js';
import { keySetsOf } from './key-sets.js';
import { damaged } from './log-source.js';
import { OPERATIONS } from './operations.js';
import { Problem } from './problem.js';
import { openStored, type Published } from './published-log.js';
import { searchOf, type SearchQuery } from './search-query.js';
import type { ServedLedger } from './served-ledger.js';
import { parseQuery } from './strict-query.js';

/** The parts of a request that an operation on one ledger reads. */
export interface LedgerRequest {
  readonly ledger: ServedLedger;
  /** Path and query as they came. */
  readonly target: string;
  /** The decoded last part of the path: a number, where the operation takes one. */
  readonly number: string;
}

/** A block note is shorter than this. */
const MOST_NOTE_BYTES = 4_096;
const BLOCK_NOTE = Buffer.from(`${FIRST_LINE.block}\n`);

export class JsonApi {
  constructor(private readonly index: DataSource) {}

  checkpoint({ ledger, target }: LedgerRequest): Promise<Answer> {
    parseQuery(target, OPERATIONS.checkpoint.query);
    return Promise.resolve(checkpointAnswer(ledger.published));
  }

  async checkpointAt({ ledger, target, number }: LedgerRequest): Promise<Answer> {
    parseQuery(target, OPERATIONS.checkpointAt.query);
    return checkpointAnswer(await publishedAt(ledger, numberOf(number)));
  }

  async anchors({ ledger, target }: LedgerRequest): Promise<Answer> {
    const { after } = parseQuery(target, OPERATIONS.anchors.query);
    const from = after === undefined ? 0 : parseDecimal(after);
    const { anchors, next } = await anchorPage(ledger.pool, ledger.ledgerId, from, ledger.published.size);
    const notes = new Map<number, string | null>();
    for (const { size } of anchors) {
      if (!notes.has(size)) notes.set(size, (await checkpointAt(ledger.pool, ledger.ledgerId, size))?.note ?? null);
    }
    const shown = anchors.map(({ size, kind, target: anchor, evidence }) => {
      return { size, kind, anchor, evidence: encodeBase64(evidence), signed: notes.get(size) };
    });
    return jsonAnswer({ anchors: shown, next });
  }

  async keys({ ledger, target }: LedgerRequest): Promise<Answer> {
    parseQuery(target, OPERATIONS.keys.query);
    return jsonAnswer({ origin: ledger.origin, keySets: await keySetsOf(ledger) });
  }

  async block({ ledger, target, number }: LedgerRequest): Promise<Answer> {
    parseQuery(target, OPERATIONS.block.query);
    const height = numberOf(number);
    const { size } = ledger.published;
    const block = await blockAt(ledger.pool, ledger.ledgerId, height);
    if (block === null || block.next > size) throw new Problem('log.absent', `no checkpoint covers a block ${height}`);
    const end = (await endOfBody(ledger.pool, ledger.ledgerId, height, MOST_NOTE_BYTES)) ?? damaged(`block ${height}`);
    const at = end.lastIndexOf(BLOCK_NOTE);
    const note = at < 0 ? damaged(`the note of block ${height}`) : end.subarray(at);
    if (!equalHash(leafHash(note), block.hash)) damaged(`the note of block ${height}`);
    return jsonAnswer({ ...block, hash: encodeBase64(block.hash), note: note.toString('utf8') });
  }

  async proof({ ledger, target, number }: LedgerRequest): Promise<Answer> {
    const { size } = parseQuery(target, OPERATIONS.proof.query);
    const index = numberOf(number);
    const checkpoint = size === undefined ? ledger.published : await publishedAt(ledger, parseDecimal(size));
    requireCovered(index, checkpoint.size);
    const proof = await proveInclusionFromTiles(index, checkpoint.size, ledger.tiles.reader(checkpoint.size));
    return textAnswer(formatTlogProof({ index, proof, checkpoint: checkpoint.note }));
  }

  async consistency({ ledger, target, number }: LedgerRequest): Promise<Answer> {
    const { to } = parseQuery(target, OPERATIONS.consistency.query);
    const old = numberOf(number);
    const newer = to === undefined ? ledger.published : await publishedAt(ledger, parseDecimal(to));
    if (old < 1 || old > newer.size) {
      throw new Problem(
        'log.absent',
        `the checkpoint of size ${newer.size} extends trees of 1 to ${newer.size} entries`,
      );
    }
    const proof = await proveConsistencyFromTiles(old, newer.size, ledger.tiles.reader(newer.size));
    return textAnswer(formatAddCheckpoint({ old, proof, checkpoint: newer.note }));
  }

  async entry({ ledger, target, number }: LedgerRequest): Promise<Answer> {
    parseQuery(target, OPERATIONS.entry.query);
    const index = numberOf(number);
    requireCovered(index, ledger.published.size);
    const block = await ledger.source.block(index);
    const at = index - block.first;
    const entry = block.body.subarray(block.offsets.start(at), block.offsets.end(at));
    return jsonAnswer(entryView(index, entry, frameOf(block, index) !== null));
  }

  async receipt({ ledger, target, number }: LedgerRequest): Promise<Answer> {
    parseQuery(target, OPERATIONS.receipt.query);
    const index = numberOf(number);
    requireCovered(index, ledger.published.size);
    const frame = frameOf(await ledger.source.block(index), index);
    if (frame === null) throw new Problem('log.absent', `entry ${index} is no event: only events have a receipt`);
    const events = await ledger.source.entries(frame.position + 1, frame.position + 1 + frame.count);
    const first = index - frame.position - 1;
    const proof = proveRange(
      first,
      1,
      events.map((event) => leafHash(event)),
    );
    const note = frame.note.toString('utf8');
    const { origin } = parseFrameText(parseNote(note).text);
    const headers = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' };
    return { status: 200, headers, body: formatReceipt({ ledger: origin, frame: note, first, count: 1, proof }) };
  }

  async search({ ledger, target }: LedgerRequest): Promise<Answer> {
    const query: SearchQuery = parseQuery(target, OPERATIONS.search.query);
    const indexed = await this.indexedTo(ledger);
    const [from, to] = await sealedBetween(ledger, query, indexed);
    const before = Math.min(to, query.before === undefined ? to : parseDecimal(query.before));
    if (before <= from) return jsonAnswer({ events: [], next: null, indexed });
    const { events, next } = await searchEvents(this.index, searchOf(query, ledger.ledgerId, from, before));
    return jsonAnswer({ events: events.map(recordView), next: next !== null && next > from ? next : null, indexed });
  }

  async event({ ledger, target }: LedgerRequest): Promise<Answer> {
    const asked: z.output<typeof OPERATIONS.event.query> = parseQuery(target, OPERATIONS.event.query);
    const indexed = await this.indexedTo(ledger);
    const positions = await positionsOf(ledger.pool, ledger.ledgerId, asked, indexed);
    const records = await recordsAt(this.index, ledger.ledgerId, positions);
    // The columns hold the beginning of a long text; the hash that led here is over all of it.
    const events = records.filter(
      ({ source, eventId }) => asked.source.startsWith(source ?? '\0') && asked.id.startsWith(eventId ?? '\0'),
    );
    return jsonAnswer({ events: events.map(recordView), indexed });
  }

  /** Position up to which the index can be shown: indexed, and covered by the newest checkpoint. */
  private async indexedTo(ledger: ServedLedger): Promise<number> {
    return Math.min(ledger.published.size, await readIndexHead(ledger.pool, ledger.ledgerId));
  }
}

function textAnswer(body: string): Answer {
  return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }, body };
}

function checkpointAnswer({ size, root, note, cosignatures }: Published): Answer {
  return jsonAnswer({ size, root: encodeBase64(root), note, cosignatures });
}

/** A checkpoint that is not larger than the one shown as the newest. */
async function publishedAt(ledger: ServedLedger, size: number): Promise<Published> {
  const row = size <= ledger.published.size ? await cosignedAt(ledger.pool, ledger.ledgerId, size) : null;
  if (row === null) throw new Problem('log.absent', `there is no checkpoint of size ${size}`);
  return openStored(row, ledger.origin);
}

async function sealedBetween(ledger: ServedLedger, query: SearchQuery, end: number): Promise<[number, number]> {
  const first = async (text: string | undefined, otherwise: number): Promise<number> => {
    const time = normalInstant(text);
    if (time === undefined) return otherwise;
    return Math.min(end, (await firstSealedFrom(ledger.pool, ledger.ledgerId, time)) ?? end);
  };
  return [await first(query.sealedFrom, 0), await first(query.sealedTo, end)];
}

function requireCovered(index: number, size: number): void {
  if (index < size) return;
  throw new Problem(
    'log.beyond',
    `the newest checkpoint covers entries 0 to ${size - 1}: ask again when it covers ${index}`,
  );
}

function numberOf(text: string): number {
  try {
    return parseDecimal(text);
  } catch (cause) {
    const message = `"${text}" is not a decimal number without sign and leading zeros`;
    throw new Problem('request.path', message, null, { cause });
  }
}
