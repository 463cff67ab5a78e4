/**
 * Who may do what. Nothing is granted to PUBLIC, and nothing to anybody on a partition: the index is reached through its
 * parent only. The sealer inserts by named columns, so it cannot choose `stored`, the database's own time.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { READER_ROLE, SEALER_ROLE, VERIFIER_ROLE } from '../roles.js';

/** Columns that the sealer may insert, and the ones of them it may update. */
const SEALER: Record<string, { insert: string; update?: string }> = {
  ledger: { insert: 'origin' },
  ledger_head: {
    insert:
      'ledger_id, height, size, previous, frontier, sealed, keys_index, stream_epoch, stream_created, ' +
      'stream_sequence, stream_hash, holder, fence, lease_until, state',
    update:
      'height, size, previous, frontier, sealed, keys_index, stream_epoch, stream_created, ' +
      'stream_sequence, stream_hash, holder, fence, lease_until, state',
  },
  block: { insert: 'ledger_id, height, first, next, entries, hash, sealed' },
  block_body: { insert: 'ledger_id, height, body' },
  tile: { insert: 'ledger_id, level, number, data, root' },
  frame: { insert: 'ledger_id, ingester, number, hash, position, sequence, reason, bytes', update: 'position' },
  gap: { insert: 'ledger_id, ingester, first, last, cause, position' },
  checkpoint: { insert: 'ledger_id, size, note' },
  cosignature: { insert: 'ledger_id, size, signer, key_id, line' },
  anchor: { insert: 'ledger_id, size, kind, target, evidence' },
  event_index: {
    insert:
      'position, accepted, occurred, identity, duplicate_of, ledger_id, producer, event_id, source, type, subject, ' +
      'actor, action, target, outcome',
  },
  index_head: { insert: 'ledger_id, position', update: 'position' },
};

function grantsSql(): string {
  const tables = [...Object.keys(SEALER), 'migration'].map((table) => `everseal.${table}`).join(', ');
  const sealer = Object.entries(SEALER).map(([table, { insert, update }]) => {
    const verbs = update === undefined ? `INSERT (${insert})` : `INSERT (${insert}), UPDATE (${update})`;
    return `GRANT ${verbs} ON everseal.${table} TO ${SEALER_ROLE};`;
  });
  const everyone = `${SEALER_ROLE}, ${VERIFIER_ROLE}, ${READER_ROLE}`;
  return [
    'REVOKE ALL ON SCHEMA everseal FROM PUBLIC;',
    'REVOKE ALL ON ALL FUNCTIONS IN SCHEMA everseal FROM PUBLIC;',
    `GRANT USAGE ON SCHEMA everseal TO ${everyone};`,
    `GRANT SELECT ON ${tables} TO ${everyone};`,
    ...sealer,
    `GRANT EXECUTE ON FUNCTION everseal.extend_event_index() TO ${SEALER_ROLE};`,
  ].join('\n');
}

export class Grants1795392000004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(grantsSql());
  }

  down(): Promise<void> {
    return Promise.reject(new Error('a ledger is never migrated back: restore the database instead'));
  }
}
