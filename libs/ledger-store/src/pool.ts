/**
 * The connection pool of a service: TLS 1.3, its own column parsers, and a session whose every setting that matters to
 * correctness is set here and not left to the server's configuration.
 *
 * A session that waits too long is ended by the server, so a writer that is stopped (or its machine) never holds the
 * head row for longer than `idle_in_transaction_session_timeout`: the lease can move on.
 */
import type { Socket } from 'node:net';
import type { SecureVersion } from 'node:tls';
import { Pool, type ClientBase, type ClientConfig, type PoolClient } from 'pg';
import { columnParsers } from './column-parsers.js';
import { GuardedClient } from './guarded-client.js';

/** Where a database is and as whom to go there. */
export interface DatabaseAddress {
  /** DNS name: it is checked against the server's certificate. */
  host: string;
  port: number;
  database: string;
  user: string;
  tls: DatabaseTls;
}

/** Material for mutual TLS. Own getters, read at every new connection: a renewed certificate needs no new pool. */
export interface DatabaseTls {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
  readonly minVersion: SecureVersion;
  readonly rejectUnauthorized: true;
}

export interface PoolOptions extends DatabaseAddress {
  /** Shown in pg_stat_activity, e.g. `sealer-s1`. */
  name: string;
  /** Most connections at once. */
  max: number;
  /** A connection is replaced after this time: below a third of a certificate's lifetime (libs/tls, sessionSeconds). Default 3600. */
  maxLifetimeSeconds?: number | undefined;
  /**
   * `short`: the server ends a transaction after 5 s (Postgres 17 and later), and a connection in use that is silent for
   * longer is given up, for whoever locks the head row. `long`: neither, for sweeps and for the index, whose batch must
   * get through on a slow disk as well.
   */
  transactions: 'short' | 'long';
  /** For `short`: how long a connection in use may be silent, milliseconds. Default: twice what a transaction may take. */
  silenceMs?: number;
  /** For who answers strangers: a statement ends after this time, and nothing can be written. Milliseconds; default no bound. */
  readStatementMs?: number;
  /** Called when an idle connection breaks; the pool replaces it by itself. */
  onIdleError: (error: Error) => void;
}

/** Milliseconds. Both bounds are far above what a commit takes (tens of milliseconds) and below a lease. */
const LOCK_TIMEOUT = 1_000;
const IDLE_IN_TRANSACTION_TIMEOUT = 2_000;
const TRANSACTION_TIMEOUT = { short: 5_000, long: 0 };
const CONNECT_TIMEOUT = 5_000;
/** The server would have answered or ended the transaction by then: nobody is there any more, though nothing said so. */
const SILENCE_TIMEOUT = 2 * TRANSACTION_TIMEOUT.short;
export const MOST_SESSION_SECONDS = 3_600;

const SESSION = [
  '-c search_path=everseal,pg_catalog',
  '-c TimeZone=UTC',
  '-c DateStyle=ISO',
  '-c IntervalStyle=postgres',
  '-c client_encoding=UTF8',
  '-c standard_conforming_strings=on',
  '-c bytea_output=hex',
  '-c jit=off', // compiling costs more than any statement here
  `-c lock_timeout=${LOCK_TIMEOUT}`,
  `-c idle_in_transaction_session_timeout=${IDLE_IN_TRANSACTION_TIMEOUT}`,
].join(' ');

/**
 * Session settings of who answers questions of strangers. Pages as cheap as this make every index look better than the
 * walk along the primary key, which for a rare value would read the whole ledger.
 */
const readingSession = (statementMs: number): string =>
  ` -c default_transaction_read_only=on -c statement_timeout=${statementMs}` +
  ' -c random_page_cost=0.01 -c seq_page_cost=0.01 -c enable_seqscan=off';

/** The start-up options of a session. @param readStatementMs see PoolOptions */
export function sessionOptions(readStatementMs?: number): string {
  return SESSION + (readStatementMs === undefined ? '' : readingSession(readStatementMs));
}

/** Connection parameters as the driver wants them, without a pool; the migrations use them as well. */
export function connectionConfig(address: DatabaseAddress): ClientConfig {
  const { host, port, database, user, tls } = address;
  return {
    host,
    port,
    database,
    user,
    ssl: tls,
    sslnegotiation: 'direct',
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}

/** Connects lazily: the first query may throw what a connection throws. */
export function openPool(options: PoolOptions): Pool {
  const pool = new Pool({
    ...connectionConfig(options),
    Client: GuardedClient,
    application_name: options.name,
    options: sessionOptions(options.readStatementMs),
    types: columnParsers,
    max: options.max,
    maxLifetimeSeconds: options.maxLifetimeSeconds ?? MOST_SESSION_SECONDS,
    idleTimeoutMillis: 60_000,
    onConnect: (client: ClientBase) => limitTransactions(client, TRANSACTION_TIMEOUT[options.transactions]),
  });
  pool.on('error', options.onIdleError);
  if (options.transactions === 'short') giveUpSilent(pool, options.silenceMs ?? SILENCE_TIMEOUT);
  return pool;
}

/**
 * Breaks a connection in use on which nothing has come or gone for too long: half-open, the peer's machine gone. Keepalive
 * probes say so only after minutes, and a statement in flight would wait for them; the driver's own query_timeout is not
 * for pools that COPY, since it never hears of the end of one. What was asked has an unknown outcome.
 */
function giveUpSilent(pool: Pool, silenceMs: number): void {
  pool.on('acquire', (client) => {
    const socket = socketOf(client);
    const silent = new Error(`Postgres has been silent for ${silenceMs / 1_000} s: the connection is given up`);
    socket.setTimeout(silenceMs, () => socket.destroy(silent));
  });
  pool.on('release', (_error, client) => {
    const socket = socketOf(client);
    socket.setTimeout(0).removeAllListeners('timeout');
  });
}

/** Of a connected client; the driver's types keep quiet about it. */
function socketOf(client: PoolClient): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}

/**
 * transaction_timeout exists from Postgres 17 on; naming it in the start-up packet would keep an older one from starting.
 * Set in any case: the role may have a default.
 */
async function limitTransactions(client: ClientBase, milliseconds: number): Promise<void> {
  await client.query(
    "SELECT set_config(name, $1, false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'",
    [String(milliseconds)],
  );
}
