/**
 * What a database superuser can do and nobody can prevent: change one byte of one stored event, triggers switched off,
 * and put it back. The demo does it to its own throw-away ledger.
 */

import { parseEventEntry, splitBundle } from '@everseal/audit-core';
import pg from 'pg';

export interface Tampering {
  /** Index of the changed entry, and the block it stands in. */
  readonly index: number;
  readonly height: number;
  /** The bytes around the change, before and after, for people. */
  readonly before: string;
  readonly after: string;
  restore(): Promise<void>;
}

interface StoredRow {
  ledger_id: number;
  height: string;
  first: string;
  body: Buffer;
}

/** Flips one bit in the `data` of the first event of the newest block of a ledger that holds one. */
export async function flipOneByte(superuser: pg.ClientConfig, ledger: string): Promise<Tampering> {
  const client = new pg.Client(superuser);
  await client.connect();
  client.on('error', () => undefined);
  const { rows } = await client.query<StoredRow>(
    `SELECT ledger_id, b.height, b.first, d.body
     FROM everseal.block b JOIN everseal.block_body d USING (ledger_id, height) JOIN everseal.ledger l USING (ledger_id)
     WHERE split_part(l.origin, '/', 2) = $1 AND b.entries > 1 ORDER BY b.height DESC LIMIT 1`,
    [ledger],
  );
  const [row] = rows;
  if (!row) throw new Error('there is no sealed event to change');
  const height = Number(row.height);
  const { position, at } = placeInEvent(row.body);
  const changed = Buffer.from(row.body);
  changed[at]! ^= 1;
  await write(client, row, changed);
  return {
    index: Number(row.first) + position,
    height,
    before: around(row.body, at),
    after: around(changed, at),
    restore: async () => {
      await write(client, row, row.body);
      await client.end();
    },
  };
}

/** A letter of an event's own bytes; flipping its lowest bit leaves valid JSON behind, which is the point. */
function placeInEvent(body: Buffer): { position: number; at: number } {
  const offsets = splitBundle(body);
  for (let position = 0; position < offsets.count; position++) {
    const entry = body.subarray(offsets.start(position), offsets.end(position));
    if (entry[0] !== 0x7b) continue;
    const parsed = parseEventEntry(entry);
    const start = 'event' in parsed ? parsed.event.start : 0;
    const text = entry.toString('latin1', start);
    const letter = /"(?:actor|userIdentity|data)":[^a-z]*[a-z": {]*?":"[^"]*?([b-y])/.exec(text);
    const inside = letter ? letter.index + letter[0].length - 1 : text.search(/[b-y]/);
    return { position, at: offsets.start(position) + start + inside };
  }
  throw new Error('the newest block holds no event');
}

async function write(client: pg.Client, { ledger_id: id, height }: StoredRow, body: Buffer): Promise<void> {
  await client.query('BEGIN');
  await client.query('SET LOCAL session_replication_role = replica');
  await client.query('ALTER TABLE everseal.block_body DISABLE TRIGGER USER');
  const update = 'UPDATE everseal.block_body SET body = $3 WHERE ledger_id = $1 AND height = $2';
  await client.query(update, [id, height, body]);
  const { rows } = await client.query<{ tgname: string }>(
    `SELECT tgname FROM pg_trigger WHERE tgrelid = 'everseal.block_body'::regclass AND NOT tgisinternal`,
  );
  for (const { tgname } of rows) {
    await client.query(`ALTER TABLE everseal.block_body ENABLE ALWAYS TRIGGER ${client.escapeIdentifier(tgname)}`);
  }
  await client.query('COMMIT');
}

function around(body: Buffer, at: number): string {
  return body.toString('latin1', at - 24, at + 16).replaceAll(/[^\x20-\x7e]/g, '·');
}
