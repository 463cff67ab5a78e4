/**
 * How long the texts of a head row may be. The sealer's login may write them, and who reads the row takes the whole of it into memory: one
 * login in wrong hands must not be able to end every reader. Far above what is ever written.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const HEAD = `
ALTER TABLE everseal.ledger_head
  ADD CONSTRAINT ledger_head_holder_bound CHECK (octet_length(holder) <= 1024),
  ADD CONSTRAINT ledger_head_stream_epoch_bound CHECK (octet_length(stream_epoch) <= 1024),
  ADD CONSTRAINT ledger_head_stream_created_bound CHECK (octet_length(stream_created) <= 1024);
`;

export class HeadBounds1795392000005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(HEAD);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('a ledger is never migrated back: restore the database instead'));
  }
}
