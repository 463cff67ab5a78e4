/**
 * A database with the real schema for specs: roles, set-up, migrations; and a small ledger to write to. The server comes
 * from the spec (TestPostgres); what is needed of it is named here so that this file imports no test library.
 */
import { sha256, ZERO_HASH, type Hash } from '@everseal/audit-core';
import { Client, type ClientConfig, type Pool } from 'pg';
import { databaseSetupSql } from './database-setup.js';
import { migrate } from './data-source.js';
import { openPool, type DatabaseAddress, type DatabaseTls, type PoolOptions } from './pool.js';
import { ALL_ROLES, MIGRATOR_ROLE, OWNER_ROLE, READER_ROLE, SEALER_ROLE, VERIFIER_ROLE } from './roles.js';
import type { BlockWrite } from './sql/block.js';
import { readHead, type ExpectedHead, type LedgerHead, type StreamCursor } from './sql/head.js';

interface Files {
  certFile: string;
  keyFile: string;
  caFile: string;
}

/** What a spec's server offers. */
export interface SpecServer {
  readonly port: number;
  connection(user?: string, files?: Files): ClientConfig;
  client(commonName: string): Promise<Files>;
  query(sql: string, database?: string): Promise<Record<string, unknown>[]>;
}

/** As an installation makes them: one that cannot log in, the others with what the migrations grant. */
export const ROLES_SQL = [
  ...ALL_ROLES.map((role) => `CREATE ROLE ${role} ${role === OWNER_ROLE ? 'NOLOGIN' : 'LOGIN'} NOINHERIT;`),
  `GRANT ${OWNER_ROLE} TO ${MIGRATOR_ROLE} WITH INHERIT FALSE, SET TRUE;`,
].join('\n');

export type LoginRole = 'postgres' | 'everseal_migrator' | 'everseal_sealer' | 'everseal_verifier' | 'everseal_reader';

/** One database of a server, and pools to it that `close()` ends. */
export class SpecStore {
  private readonly pools: Pool[] = [];

  private constructor(
    private readonly server: SpecServer,
    readonly database: string,
  ) {}

  /** Creates the roles unless they exist, the database, and migrates it unless told otherwise. */
  static async create(server: SpecServer, database: string, migrated = true): Promise<SpecStore> {
    const [roles] = await server.query(`SELECT count(*) FROM pg_roles WHERE rolname LIKE 'everseal\\_%'`);
    if (roles?.count === '0') await server.query(ROLES_SQL);
    await server.query(`CREATE DATABASE "${database}"`);
    await server.query(databaseSetupSql(database), database);
    const store = new SpecStore(server, database);
    if (migrated) await migrate(await store.address(MIGRATOR_ROLE));
    return store;
  }

  /** A database that is there already, of a server that was started anew. */
  static reopen(server: SpecServer, database: string): SpecStore {
    return new SpecStore(server, database);
  }

  async address(user: LoginRole, port = this.server.port): Promise<DatabaseAddress> {
    const { host, ssl } = this.server.connection(user, await this.server.client(user));
    const tls = { ...(ssl as Omit<DatabaseTls, 'rejectUnauthorized'>), rejectUnauthorized: true } as const;
    return { host: host!, port, database: this.database, user, tls };
  }

  async pool(user: LoginRole, options: Partial<PoolOptions> = {}): Promise<Pool> {
    const pool = openPool({
      ...(await this.address(user, options.port)),
      name: `spec-${user}`,
      max: 4,
      transactions: 'short',
      onIdleError: () => {},
      ...options,
    });
    this.pools.push(pool);
    return pool;
  }

  sealer(options: Partial<PoolOptions> = {}): Promise<Pool> {
    return this.pool(SEALER_ROLE, options);
  }

  verifier(): Promise<Pool> {
    return this.pool(VERIFIER_ROLE, { transactions: 'long' });
  }

  reader(): Promise<Pool> {
    return this.pool(READER_ROLE, { transactions: 'long' });
  }

  /** As a superuser, several statements at will. */
  async sql(text: string): Promise<Record<string, unknown>[]> {
    return this.server.query(text, this.database);
  }

  /** A superuser's connection of one's own. */
  async superuser(): Promise<Client> {
    const client = new Client({ ...this.server.connection(), database: this.database });
    await client.connect();
    return client;
  }

  async close(): Promise<void> {
    await Promise.all(this.pools.splice(0).map(async (pool) => (pool.ended ? undefined : pool.end())));
  }
}

export const CURSOR: StreamCursor = { epoch: 'e1', created: '2026-01-31T09:30:00Z', sequence: 0, hash: null };

/** A hash that stands for something in a spec. */
export const specHash = (of: string | number): Hash => sha256(Buffer.from(String(of)));

/** What a writer that just read this head expects of it. */
export function expectHead({ ledgerId, fence, height, size, previous }: LedgerHead): ExpectedHead {
  return { ledgerId, fence, height, size, previous };
}

/**
 * A block that follows `expect`. The store does not read bodies, so any bytes will do; `entries` entries of them.
 */
export function nextBlock(expect: ExpectedHead, entries = 3, changes: Partial<BlockWrite> = {}): BlockWrite {
  const height = expect.height + 1;
  const next = expect.size + entries + 1;
  const sealed = new Date(Date.UTC(2026, 0, 31, 9, 30, 0, height)).toISOString();
  const hash = specHash(`block ${height}`);
  return {
    expect,
    block: { height, first: expect.size, next, entries, hash, sealed },
    body: Buffer.from(`body of block ${height}`),
    tiles: [],
    frames: [],
    gaps: [],
    waiting: [],
    frontier: [ZERO_HASH, hash],
    keysIndex: 0,
    cursor: { ...CURSOR, sequence: height + 1, hash: specHash(`message ${height + 1}`) },
    ...changes,
  };
}

/** The block after the head that is stored now. */
export async function blockAfterHead(pool: Pool, ledgerId: number, entries = 3): Promise<BlockWrite> {
  return nextBlock(expectHead(await readHead(pool, ledgerId)), entries);
}
