/**
 * What stands in the drill ledger for acts to be planned on: a block with events behind which others stand, a full tile, the
 * oldest cosigned checkpoint. Read with the operator's superuser login; null while there is not yet enough.
 */
import { splitBundle } from '@everseal/audit-core';
import type { ClientBase } from 'pg';

export interface FactEntry {
  readonly index: number;
  /** Where its bytes begin in the body. */
  readonly offset: number;
  readonly bytes: Buffer;
}

export interface DrillFacts {
  /** A block below the newest one, with three events at least. */
  readonly block: {
    readonly height: number;
    readonly first: number;
    readonly next: number;
    readonly entries: readonly FactEntry[];
    readonly events: readonly FactEntry[];
  };
  /** Number of a full tile of level 0. */
  readonly tile: number;
  /** Size of a checkpoint. */
  readonly checkpoint: number;
  readonly cosignature: { readonly size: number; readonly signer: string; readonly keyId: string };
}

/** CloudEvents type of everything that is ever sent to a drill ledger. */
export const DRILL_TYPE = 'io.everseal.drill';

const LEAST_EVENTS = 3;
/** Events among which the block is looked for, from the newest back. */
const LOOKED_AT = 1_000;
const OPENS_AN_EVENT = 0x7b;

const BLOCK = `
WITH event AS (SELECT position FROM everseal.event_index WHERE ledger_id = $1 ORDER BY position DESC LIMIT ${LOOKED_AT})
SELECT block.height::text, block.first::text, block.next::text
FROM event CROSS JOIN LATERAL (
  SELECT height, first, next FROM everseal.block WHERE ledger_id = $1 AND next > event.position ORDER BY next LIMIT 1
) AS block
WHERE block.height < (SELECT height FROM everseal.ledger_head WHERE ledger_id = $1)
GROUP BY 1, 2, 3, block.height HAVING count(*) >= ${LEAST_EVENTS} ORDER BY block.height DESC LIMIT 1`;
const BODY = `SELECT encode(body, 'base64') AS body FROM everseal.block_body WHERE ledger_id = $1 AND height = $2::text::bigint`;
const REST = `SELECT
  (SELECT max(number)::text FROM everseal.tile WHERE ledger_id = $1 AND level = 0) AS tile,
  (SELECT min(size)::text FROM everseal.cosignature WHERE ledger_id = $1) AS checkpoint`;
const COSIGNATURE = `SELECT size::text, signer, key_id::text AS "keyId" FROM everseal.cosignature
  WHERE ledger_id = $1 ORDER BY size DESC, signer LIMIT 1`;
const FOREIGN = `SELECT producer FROM everseal.event_index
  WHERE ledger_id = $1 AND type IS DISTINCT FROM '${DRILL_TYPE}' LIMIT 1`;

export async function readFacts(client: ClientBase, ledgerId: number): Promise<DrillFacts | null> {
  const [block] = (await client.query<{ height: string; first: string; next: string }>(BLOCK, [ledgerId])).rows;
  const [rest] = (await client.query<{ tile: string | null; checkpoint: string | null }>(REST, [ledgerId])).rows;
  type Line = { size: string; signer: string; keyId: string };
  const [cosignature] = (await client.query<Line>(COSIGNATURE, [ledgerId])).rows;
  if (!block || !rest || rest.tile === null || rest.checkpoint === null || !cosignature) return null;
  // Behind the newest cosignature an act could be taken for something that was never sealed.
  if (Number(cosignature.size) < Number(block.next)) return null;
  const [stored] = (await client.query<{ body: string }>(BODY, [ledgerId, block.height])).rows;
  if (!stored) return null;
  const entries = entriesOf(Buffer.from(stored.body, 'base64'), Number(block.first));
  const events = entries.filter(({ bytes }) => bytes[0] === OPENS_AN_EVENT);
  if (events.length < LEAST_EVENTS) return null;
  return {
    block: { height: Number(block.height), first: Number(block.first), next: Number(block.next), entries, events },
    tile: Number(rest.tile),
    checkpoint: Number(rest.checkpoint),
    cosignature: { ...cosignature, size: Number(cosignature.size) },
  };
}

export async function countEvents(client: ClientBase, ledgerId: number): Promise<number> {
  const count = 'SELECT count(*)::text AS count FROM everseal.event_index WHERE ledger_id = $1';
  return Number((await client.query<{ count: string }>(count, [ledgerId])).rows[0]!.count);
}

/** Who sent an event that is none of a drill's into the ledger; null when nobody did. */
export async function foreignProducer(client: ClientBase, ledgerId: number): Promise<string | null> {
  return (await client.query<{ producer: string }>(FOREIGN, [ledgerId])).rows[0]?.producer ?? null;
}

function entriesOf(body: Buffer, first: number): FactEntry[] {
  const offsets = splitBundle(body);
  return Array.from({ length: offsets.count }, (_, i) => ({
    index: first + i,
    offset: offsets.start(i),
    bytes: Buffer.from(body.subarray(offsets.start(i), offsets.end(i))),
  }));
}
