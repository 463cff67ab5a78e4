/**
 * The ways to talk to the database: reading on a connection of one's own, a transaction, one statement that writes.
 *
 * A connection on which anything failed is closed, not given back: its state is not known. That also ends a COPY that is
 * not wanted any more.
 *
 * COMMIT has three outcomes. The answer COMMIT is success. An error that can only mean rollback is failure. Everything
 * else, a lost connection above all, is neither: CommitUnknown.
 */
import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg';
import { asStoreError, CommitUnknown, sqlState, StoreError } from './store-error.js';

/** A connection taken from a pool; `giveBack(true)` closes it. */
export interface Taken {
  client: PoolClient;
  giveBack(failed: boolean): void;
}

/** @throws StoreError */
export async function takeConnection(pool: Pool, doing: string): Promise<Taken> {
  let client: PoolClient;
  try {
    client = await pool.connect();
  } catch (error) {
    throw asStoreError(error, doing);
  }
  // A connection that breaks between two queries emits 'error'; without a listener that would end the process.
  const ignored = (): void => {};
  client.on('error', ignored);
  return {
    client,
    giveBack(failed) {
      client.release(failed);
      client.off('error', ignored);
    },
  };
}

/**
 * Runs `work` on a connection of its own.
 *
 * @param doing what is being done, for error messages: "reading the head of ledger 1"
 * @throws StoreError
 */
export async function onConnection<T>(pool: Pool, doing: string, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const { client, giveBack } = await takeConnection(pool, doing);
  let failed = true;
  try {
    const result = await work(client);
    failed = false;
    return result;
  } catch (error) {
    throw asStoreError(error, doing);
  } finally {
    giveBack(failed);
  }
}

/**
 * Runs `work` in one READ COMMITTED transaction. (Not REPEATABLE READ: the head row is locked and then read in its newest
 * version; a lease renewal in between would fail the transaction for nothing.)
 *
 * @throws CommitUnknown when the answer to COMMIT was lost; any other StoreError: rolled back
 */
export async function inTransaction<T>(
  pool: Pool,
  doing: string,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  return onConnection(pool, doing, async (client) => {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
    let result: T;
    try {
      result = await work(client);
    } catch (error) {
      // Frees the locks before the caller hears of the failure; if it fails too, closing the connection does it.
      await client.query('ROLLBACK').catch(() => {});
      throw error;
    }
    await commit(client, doing);
    return result;
  });
}

/**
 * Runs one statement that writes, outside a transaction.
 *
 * @returns what the statement returned
 * @throws CommitUnknown when no answer came; any other StoreError: nothing was written
 */
export async function autocommit<R extends QueryResultRow>(
  pool: Pool,
  doing: string,
  statement: string,
  values: unknown[],
): Promise<QueryResult<R>> {
  return onConnection(pool, doing, async (client) => {
    try {
      return await client.query<R>(statement, values);
    } catch (error) {
      const state = sqlState(error);
      if (state !== null && !ENDS_CONNECTION.some((prefix) => state.startsWith(prefix))) throw error;
      throw new CommitUnknown(`no answer came while ${doing}: look before doing it again`, { cause: error });
    }
  });
}

/** SQLSTATEs that come with the end of the connection (terminated, shut down, crashed), perhaps after the commit. */
const ENDS_CONNECTION = ['08', '57P'];

/** SQLSTATEs at COMMIT that mean rollback for certain: a deferred constraint, a serialization failure, a deadlock. */
const ROLLED_BACK = ['23', '40001', '40P01'];

async function commit(client: PoolClient, doing: string): Promise<void> {
  let command: string;
  try {
    ({ command } = await client.query('COMMIT'));
  } catch (error) {
    const state = sqlState(error);
    if (state !== null && ROLLED_BACK.some((prefix) => state.startsWith(prefix))) throw error;
    throw new CommitUnknown(`the answer to COMMIT was lost while ${doing}: read the head before anything else`, {
      cause: error,
    });
  }
  // Postgres answers COMMIT of an aborted transaction with ROLLBACK, without an error.
  if (command !== 'COMMIT')
    throw new StoreError('store.refused', `Postgres answered ${command} to COMMIT while ${doing}`);
}
