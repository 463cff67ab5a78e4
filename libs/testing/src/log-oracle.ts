/**
 * The oracle of every test that writes: reads a ledger as an outsider would, verifies it from its first byte, and compares
 * it with what producers have written down.
 *
 *   lost          a receipted event that is not in the log with its bytes
 *   unmarked      a copy of an event that the index does not mark as a duplicate of the first
 *   unknown       an event in the log that no journal knows
 *   findings      what verifyLog has to say
 */
import {
  appendSignatures,
  indexEvent,
  JsonTape,
  parseEventEntry,
  verifyLog,
  type LogReport,
  type LogTrust,
} from '@everseal/audit-core';
import { waitUntil } from '@everseal/local';
import pg, { type ClientConfig } from 'pg';
import type { JournalEntry } from './journal-producer.js';

export interface OracleVerdict {
  readonly report: LogReport;
  readonly receipted: number;
  readonly sealed: number;
  /** Copies of events, marked or not. */
  readonly copies: number;
  readonly lost: readonly string[];
  readonly unmarked: readonly number[];
  readonly unknown: readonly number[];
  /** Rows of the index that do not say what their event says. */
  readonly misindexed: readonly number[];
}

interface IndexRow {
  event_id: string | null;
  source: string | null;
  producer: string;
  actor: string | null;
  action: string | null;
  duplicate_of: string | null;
}

/** Rows of the one ledger that is looked at; its origin is the first parameter. */
const OF_LEDGER = 'ledger_id = (SELECT ledger_id FROM ledger WHERE origin = $1)';

export interface SealedEvent {
  readonly producer: string;
  /** Exactly as the producer sent it. */
  readonly bytes: Buffer;
}

export class LogOracle {
  private constructor(
    private readonly client: pg.Client,
    private readonly trust: LogTrust,
  ) {}

  /** @param login anybody who may read */
  static async open(login: ClientConfig, trust: LogTrust): Promise<LogOracle> {
    const client = new pg.Client(login);
    client.on('error', () => {}); // a connection that breaks fails the query that comes next
    await client.connect();
    await client.query('SET search_path = everseal');
    return new LogOracle(client, trust);
  }

  close(): Promise<void> {
    return this.client.end();
  }

  /** Waits until everything that was receipted is sealed, and until the index has come up with the log. */
  async caughtUp(journal: readonly JournalEntry[], timeoutMs: number): Promise<void> {
    const newest = new Map<string, number>();
    for (const { frame } of journal) {
      if (frame) newest.set(frame.ingester, Math.max(newest.get(frame.ingester) ?? 0, frame.number));
    }
    for (const [ingester, number] of newest) {
      await waitUntil(async () => (await this.sealedFrame(ingester)) >= number, {
        what: `frame ${number} of ${ingester} sealed`,
        timeoutMs,
        everyMs: 100,
      });
    }
    await waitUntil(() => this.isIndexed(), { what: 'the index caught up', timeoutMs, everyMs: 100 });
  }

  /** Waits until a checkpoint with a cosignature stands over the whole log. */
  async cosigned(timeoutMs: number): Promise<void> {
    const query = `SELECT 1 FROM ledger_head h JOIN cosignature c ON c.ledger_id = h.ledger_id AND c.size = h.size
                   WHERE h.${OF_LEDGER}`;
    const stands = async (): Promise<boolean> => (await this.client.query(query, [this.trust.origin])).rowCount! > 0;
    await waitUntil(stands, { what: 'the whole log cosigned', timeoutMs, everyMs: 100 });
  }

  /** Reads everything there is and compares it with the journals of these producers. */
  async judge(journals: Readonly<Record<string, readonly JournalEntry[]>>): Promise<OracleVerdict> {
    const sent = new Map<string, JournalEntry>();
    for (const [producer, journal] of Object.entries(journals)) {
      for (const entry of journal) sent.set(keyOf(producer, entry.bytes), entry);
    }
    const index = await this.index();
    const first = new Map<string, number>();
    const wrong = { unmarked: [] as number[], unknown: [] as number[], misindexed: [] as number[] };
    let copies = 0;
    const tape = new JsonTape();
    const report = await verifyLog({
      trust: this.trust,
      bodies: this.bodies(),
      checkpoints: await this.checkpoints(),
      onEvent: ({ index: position, entry }) => {
        const parsed = parseEventEntry(entry);
        const bytes = 'event' in parsed ? entry.subarray(parsed.event.start, parsed.event.end) : Buffer.alloc(0);
        const key = keyOf(parsed.producer, bytes);
        if (!sent.has(key)) wrong.unknown.push(position);
        const original = first.get(key);
        if (original === undefined) first.set(key, position);
        else copies++;
        const row = index.get(position);
        const derived =
          'event' in parsed && indexEvent(tape, parsed.producer, entry, parsed.event.start, parsed.event.end);
        if (!row || !derived || !sameRow(row, parsed.producer, derived)) wrong.misindexed.push(position);
        if (row && Number(row.duplicate_of ?? -1) !== (original ?? -1)) wrong.unmarked.push(position);
      },
    });
    const receipted = [...sent].filter(([, { frame }]) => frame !== null);
    const lost = receipted.filter(([key]) => !first.has(key)).map(([, { id }]) => id);
    return { report, receipted: receipted.length, sealed: report.events, copies, lost, ...wrong };
  }

  /** Every event in the log, in order. Throws unless an outsider finds the whole log good. */
  async sealedEvents(): Promise<SealedEvent[]> {
    const events: SealedEvent[] = [];
    const { findings } = await verifyLog({
      trust: this.trust,
      bodies: this.bodies(),
      checkpoints: await this.checkpoints(),
      onEvent: ({ entry }) => {
        const { producer, ...parsed } = parseEventEntry(entry);
        if (!('event' in parsed)) return;
        events.push({ producer, bytes: Buffer.from(entry.subarray(parsed.event.start, parsed.event.end)) });
      },
    });
    if (findings.length > 0) throw new Error(`the log is not good: ${JSON.stringify(findings)}`);
    return events;
  }

  private async sealedFrame(ingester: string): Promise<number> {
    const query = `SELECT max(number) AS number FROM frame WHERE ${OF_LEDGER} AND ingester = $2 AND position IS NOT NULL`;
    const { rows } = await this.client.query<{ number: string | null }>(query, [this.trust.origin, ingester]);
    return Number(rows[0]?.number ?? 0);
  }

  private async isIndexed(): Promise<boolean> {
    const query = `SELECT 1 FROM ledger_head h JOIN index_head i USING (ledger_id)
                   WHERE h.${OF_LEDGER} AND h.size = i.position`;
    return (await this.client.query(query, [this.trust.origin])).rowCount! > 0;
  }

  private async *bodies(): AsyncGenerator<Buffer> {
    for (let height = -1; ;) {
      const query = `SELECT height, body FROM block_body WHERE ${OF_LEDGER} AND height > $2 ORDER BY height LIMIT 16`;
      const { rows } = await this.client.query<{ height: string; body: Buffer }>(query, [this.trust.origin, height]);
      for (const { body } of rows) yield body;
      if (rows.length === 0) return;
      height = Number(rows.at(-1)!.height);
    }
  }

  /** Every stored checkpoint with its cosignatures. */
  private async checkpoints(): Promise<string[]> {
    const query = `SELECT note, array_remove(array_agg(line), NULL) AS lines
                   FROM checkpoint LEFT JOIN cosignature USING (ledger_id, size)
                   WHERE ${OF_LEDGER} GROUP BY size, note ORDER BY size`;
    const { rows } = await this.client.query<{ note: string; lines: string[] }>(query, [this.trust.origin]);
    return rows.map(({ note, lines }) => appendSignatures(note, lines));
  }

  private async index(): Promise<Map<number, IndexRow>> {
    const query = `SELECT position, producer, event_id, source, actor, action, duplicate_of FROM event_index
                   WHERE ${OF_LEDGER}`;
    const { rows } = await this.client.query<IndexRow & { position: string }>(query, [this.trust.origin]);
    return new Map(rows.map(({ position, ...row }) => [Number(position), row]));
  }
}

function keyOf(producer: string, bytes: Buffer): string {
  return `${producer} ${bytes.toString('latin1')}`;
}

function sameRow(row: IndexRow, producer: string, event: ReturnType<typeof indexEvent>): boolean {
  const { eventId, source, actor, action } = event;
  return (
    row.producer === producer &&
    row.event_id === eventId &&
    row.source === source &&
    row.actor === actor &&
    row.action === action
  );
}
