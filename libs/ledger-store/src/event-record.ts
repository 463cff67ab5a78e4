/**
 * The event index as readers see it: the entity, and the connection that searches it. Read only; the rows are written by
 * sql/event-index.ts. The entity's table exists already and is changed by migrations alone.
 *
 * TypeORM is loaded when a connection is opened: services that never search do not carry it.
 *
 * Times stay the text that Postgres writes: a JavaScript date has milliseconds, the index has microseconds.
 */
import type { CustomTypesConfig } from 'pg';
import type { DataSource, EntitySchemaOptions } from 'typeorm';
import { columnParsers } from './column-parsers.js';
import { GuardedClient } from './guarded-client.js';
import { connectionConfig, MOST_SESSION_SECONDS, sessionOptions, type DatabaseAddress } from './pool.js';

export interface EventRecord {
  ledgerId: number;
  /** Index of the entry in the log. */
  position: number;
  /** When ingest took it, as `2026-01-31 09:30:00.25+00`. */
  accepted: string;
  occurred: string | null;
  producer: string;
  eventId: string | null;
  source: string | null;
  type: string | null;
  subject: string | null;
  actor: string | null;
  action: string | null;
  target: string | null;
  outcome: string | null;
  /** Position of the event that this one repeats. */
  duplicateOf: number | null;
}

const text = (name?: string) => ({ type: 'text' as const, nullable: true, ...(name === undefined ? {} : { name }) });
/** Through the driver's parser, which gives a number and refuses what is none. */
const integer = { type: 'int' as const };

/** By this name repositories of events are asked for. */
export const EVENT_RECORD = 'event';

const EVENT_COLUMNS: EntitySchemaOptions<EventRecord> = {
  name: EVENT_RECORD,
  tableName: 'event_index',
  schema: 'everseal',
  synchronize: false,
  columns: {
    ledgerId: { ...integer, name: 'ledger_id', primary: true },
    position: { ...integer, primary: true },
    accepted: { type: 'text' },
    occurred: text(),
    producer: { type: 'text' },
    eventId: text('event_id'),
    source: text(),
    type: text(),
    subject: text(),
    actor: text(),
    action: text(),
    target: text(),
    outcome: text(),
    duplicateOf: { ...integer, name: 'duplicate_of', nullable: true },
  },
};

const TIMESTAMPTZ = 1184;
const READ_PARSERS: CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === TIMESTAMPTZ ? (value: string) => value : columnParsers.getTypeParser(oid, format),
};

export interface ReadSourceOptions extends DatabaseAddress {
  /** Shown in pg_stat_activity. */
  name: string;
  /** Most connections at once. */
  max: number;
  /** As PoolOptions. */
  maxLifetimeSeconds?: number | undefined;
  /** A statement ends after this time, milliseconds. */
  readStatementMs: number;
  onIdleError: (error: Error) => void;
}

/** A DataSource over the read side, connected. `destroy()` ends it. @throws what the driver throws */
export async function openReadSource(options: ReadSourceOptions): Promise<DataSource> {
  const { DataSource, EntitySchema } = await import('typeorm');
  const { ssl, sslnegotiation, ...config } = connectionConfig(options);
  const source = new DataSource({
    type: 'postgres',
    host: options.host,
    port: options.port,
    database: options.database,
    username: options.user,
    schema: 'everseal',
    entities: [new EntitySchema(EVENT_COLUMNS)],
    synchronize: false,
    installExtensions: false,
    poolErrorHandler: options.onIdleError,
    extra: {
      ...config,
      ssl,
      sslnegotiation,
      Client: GuardedClient,
      types: READ_PARSERS,
      max: options.max,
      maxLifetimeSeconds: options.maxLifetimeSeconds ?? MOST_SESSION_SECONDS,
      application_name: options.name,
      options: sessionOptions(options.readStatementMs),
    },
  });
  return source.initialize();
}
