/**
 * The acts of a drill: what each changes, and the verdict that has to follow. The numbers are those of the acts that the
 * design is held against (docs/operations/drill.md lists them); letters tell variants apart.
 *
 * Pure: an act is planned from what stands in the drill ledger (drill-facts.ts). Everything it touches is old, so that the
 * services have no reason to write it meanwhile.
 */
import { encodeBundle, type VerdictCode } from '@everseal/audit-core';
import type { Change, DrillSetting, RowPlace, Statement } from './drill-change.js';
import type { DrillFacts, FactEntry } from './drill-facts.js';

export interface DrillAct {
  readonly id: string;
  /** What is done, for people. */
  readonly title: string;
  readonly code: VerdictCode;
  /** It is about the whole database: its alert carries the domain, not the drill ledger. */
  readonly ofDatabase: boolean;
  readonly plan: (facts: DrillFacts) => PlannedAct;
}

export interface PlannedAct {
  readonly change: Change;
  /** The record that the alert has to name; null where the verdict is not about one. */
  readonly first: { readonly index: number | null; readonly height: number | null } | null;
}

const hex = (bytes: Uint8Array): string => `\\x${Buffer.from(bytes).toString('hex')}`;
const bundle = (entries: readonly FactEntry[]): Buffer => encodeBundle(entries.map(({ bytes }) => bytes));

function flipped({ bytes, ...entry }: FactEntry): FactEntry {
  const other = Buffer.from(bytes);
  other[other.length >> 1]! ^= 1;
  return { ...entry, bytes: other };
}

/** The body of the block replaced by one of these entries. */
function bodyOf({ block }: DrillFacts, entries: readonly FactEntry[], index: number): PlannedAct {
  const height = String(block.height);
  const sql =
    'UPDATE everseal.block_body SET body = $3::text::bytea WHERE ledger_id = $1 AND height = $2::text::bigint';
  const rows = {
    places: [{ table: 'block_body' as const, key: { height } }],
    statements: [{ sql, values: [height, hex(bundle(entries))] }],
  };
  return { change: { rows }, first: { index, height: block.height } };
}

const ofRows = (
  places: readonly RowPlace[],
  statements: readonly Statement[],
  first: PlannedAct['first'],
): PlannedAct => ({ change: { rows: { places, statements } }, first });

function flipByte({ block }: DrillFacts): PlannedAct {
  const victim = block.events[1]!;
  const at = String(victim.offset + (victim.bytes.length >> 1));
  const height = String(block.height);
  const byte = '$3::text::integer';
  const sql = `UPDATE everseal.block_body SET body = set_byte(body, ${byte}, get_byte(body, ${byte}) # 1) WHERE ledger_id = $1 AND height = $2::text::bigint`;
  return ofRows([{ table: 'block_body', key: { height } }], [{ sql, values: [height, at] }], {
    index: victim.index,
    height: block.height,
  });
}

function deleteBlock({ block }: DrillFacts): PlannedAct {
  const key = { height: String(block.height) };
  const tables = ['block_body', 'block'] as const;
  const statements = tables.map((table) => ({
    sql: `DELETE FROM everseal.${table} WHERE ledger_id = $1 AND height = $2::text::bigint`,
    values: [key.height],
  }));
  const first = { index: block.first, height: block.height };
  return ofRows(
    tables.map((table) => ({ table, key })),
    statements,
    first,
  );
}

function changeIndex({ block }: DrillFacts): PlannedAct {
  const { index } = block.events[1]!;
  const position = String(index);
  const sql = `UPDATE everseal.event_index SET actor = coalesce(actor, '') || ' or somebody else' WHERE ledger_id = $1 AND position = $2::text::bigint`;
  return ofRows([{ table: 'event_index', key: { position } }], [{ sql, values: [position] }], {
    index,
    height: block.height,
  });
}

function hideEvent({ block }: DrillFacts): PlannedAct {
  const { index } = block.events[1]!;
  const position = String(index);
  const sql = 'DELETE FROM everseal.event_index WHERE ledger_id = $1 AND position = $2::text::bigint';
  return ofRows([{ table: 'event_index', key: { position } }], [{ sql, values: [position] }], {
    index,
    height: block.height,
  });
}

/** A row for an entry that is no event: the note at the end of the block. */
function inventEvent({ block }: DrillFacts): PlannedAct {
  const index = block.next - 1;
  const values = [String(index), String(block.events[1]!.index)];
  const columns = 'accepted, ledger_id, producer, event_id, source, type';
  const sql = `INSERT INTO everseal.event_index (position, ${columns}) SELECT $2::text::bigint, ${columns} FROM everseal.event_index WHERE ledger_id = $1 AND position = $3::text::bigint`;
  return ofRows([{ table: 'event_index', key: { position: values[0]! } }], [{ sql, values }], { index, height: null });
}

function alterTile({ tile }: DrillFacts): PlannedAct {
  const number = String(tile);
  const sql =
    'UPDATE everseal.tile SET data = set_byte(data, 4000, get_byte(data, 4000) # 1) WHERE ledger_id = $1 AND level = 0 AND number = $2::text::bigint';
  return ofRows([{ table: 'tile', key: { level: '0', number } }], [{ sql, values: [number] }], {
    index: tile * 256,
    height: null,
  });
}

/** Four characters in the middle of a signature; never the ones that stand there. */
const SIGNATURE = String.raw`'(— \S+ \S{20})(\S{4})'`;
const otherSignature = (column: string): string =>
  `regexp_replace(${column}, ${SIGNATURE}, CASE WHEN ${column} ~ '— \\S+ \\S{20}AAAA' THEN '\\1BBBB' ELSE '\\1AAAA' END)`;

function alterCheckpoint({ checkpoint }: DrillFacts): PlannedAct {
  const size = String(checkpoint);
  const sql = `UPDATE everseal.checkpoint SET note = ${otherSignature('note')} WHERE ledger_id = $1 AND size = $2::text::bigint`;
  return ofRows([{ table: 'checkpoint', key: { size } }], [{ sql, values: [size] }], {
    index: checkpoint,
    height: null,
  });
}

function alterCosignature({ cosignature: { size, signer, keyId } }: DrillFacts): PlannedAct {
  const key = { size: String(size), signer, key_id: keyId };
  const sql = `UPDATE everseal.cosignature SET line = ${otherSignature('line')} WHERE ledger_id = $1 AND size = $2::text::bigint AND signer = $3 AND key_id = $4::text::bytea`;
  return ofRows([{ table: 'cosignature', key }], [{ sql, values: [key.size, signer, keyId] }], null);
}

const ofSetting = (setting: DrillSetting) => (): PlannedAct => ({ change: { setting }, first: null });

const onLedger = (id: string, code: VerdictCode, title: string, plan: DrillAct['plan']): DrillAct => ({
  id,
  code,
  title,
  plan,
  ofDatabase: false,
});
const onDatabase = (id: string, code: VerdictCode, title: string, setting: DrillSetting): DrillAct => ({
  id,
  code,
  title,
  plan: ofSetting(setting),
  ofDatabase: true,
});

export const DRILL_ACTS: readonly DrillAct[] = [
  onLedger('T1', 'entry.altered', 'flip one bit of one stored event', flipByte),
  onLedger('T7', 'entry.missing', "delete an event's bytes from a body", (facts) => {
    const victim = facts.block.events[1]!;
    const rest = facts.block.entries.filter((entry) => entry !== victim);
    return bodyOf(facts, rest, victim.index);
  }),
  onLedger('T8', 'block.missing', 'delete a middle block', deleteBlock),
  onLedger('T11', 'entry.reordered', 'swap two events inside a block', (facts) => {
    const [, one, other] = facts.block.events as [FactEntry, FactEntry, FactEntry];
    const swapped = facts.block.entries.map((entry) => (entry === one ? other : entry === other ? one : entry));
    return bodyOf(facts, swapped, one.index);
  }),
  onLedger('T12', 'entry.inserted', 'put a backdated event into a body', (facts) => {
    const place = facts.block.events[1]!;
    const more = facts.block.entries.flatMap((entry) => (entry === place ? [flipped(entry), entry] : [entry]));
    return bodyOf(facts, more, place.index);
  }),
  onLedger('T14', 'index.altered', 'change the actor of an event in the index alone', changeIndex),
  onLedger('T15a', 'index.missing', 'hide an event from search', hideEvent),
  onLedger('T15b', 'index.extra', 'show an event to search that was never sealed', inventEvent),
  onLedger('T16a', 'tile.altered', 'flip one bit of a stored tile', alterTile),
  onLedger('T16b', 'checkpoint.signature', 'alter the signature of a stored checkpoint', alterCheckpoint),
  onLedger('T16c', 'checkpoint.signature', 'alter a stored cosignature', alterCosignature),
  onDatabase('T17a', 'store.catalog', 'switch a trigger off (table anchor)', 'trigger'),
  onDatabase('T17b', 'store.catalog', 'grant the sealer UPDATE (table anchor)', 'grant'),
  onDatabase('T17c', 'store.catalog', 'create a superuser (who cannot log in)', 'superuser'),
  onDatabase(
    'T18',
    'store.durability',
    'let commits of a role be lost (everseal_reader, which writes nothing)',
    'commit',
  ),
];

/** The act of a canary: the quickest to find, and the one that matters most. */
const CANARY = ['T1'];

/**
 * The acts that are meant: `T15` is every variant of it, `all` every one. Without a list, those on the drill ledger, whose
 * alerts carry its name.
 * @returns null when an item of the list is no act
 */
export function chooseActs(list: readonly string[] | undefined, canary: boolean): readonly DrillAct[] | null {
  if (list?.includes('all')) return DRILL_ACTS;
  const wanted = list ?? (canary ? CANARY : DRILL_ACTS.filter(({ ofDatabase }) => !ofDatabase).map(({ id }) => id));
  const isMeant = (item: string, { id }: DrillAct): boolean => id === item || id.replace(/[a-z]$/, '') === item;
  if (!wanted.every((item) => DRILL_ACTS.some((act) => isMeant(item, act)))) return null;
  return DRILL_ACTS.filter((act) => wanted.some((item) => isMeant(item, act)));
}
