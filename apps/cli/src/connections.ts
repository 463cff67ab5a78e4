/**
 * Connections of one command: to NATS as a producer or as the operator, to Postgres as the reader, for a drill as superuser,
 * for a restore as sealer, for rows of the index that have to go as the deploy step. Made when needed.
 */
import { openPool } from '@everseal/ledger-store';
import { connectNats, type MessagingLogger, type NatsLink } from '@everseal/messaging';
import { identityOf } from '@everseal/policy';
import { loadMaterial, postgresTlsOptions } from '@everseal/tls';
import type { Pool } from 'pg';
import { usage } from './cli-failure.js';
import { opsSettings, type CliSettings, type ProducerSettings } from './config.js';

const QUIET: MessagingLogger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** @throws TlsError, MessagingError nats.unreachable */
export async function connectAsProducer(settings: CliSettings, producer: ProducerSettings): Promise<NatsLink> {
  return connect(settings, 'producer', producer);
}

/** @throws TlsError, MessagingError nats.unreachable, CliFailure without a section ops */
export async function connectAsOps(settings: CliSettings): Promise<NatsLink> {
  return connect(settings, 'ops', opsSettings(settings));
}

async function connect(
  { domain, nats }: CliSettings,
  service: 'producer' | 'ops',
  identity: ProducerSettings,
): Promise<NatsLink> {
  const { name, certFile, keyFile, caFile } = identity;
  // Looked at first: what is wrong with a certificate is said better here than by a broken handshake.
  await loadMaterial({ certFile, keyFile, caFile }, 'client', Date.now());
  const { commonName, inboxPrefix } = identityOf(domain, service, name);
  return connectNats({
    name: commonName,
    servers: nats.servers,
    tls: { certFile, keyFile, caFile },
    inboxPrefix: inboxPrefix!,
    logger: QUIET,
    firstConnectMs: nats.firstConnectMs,
    // Requests fail by themselves then; there is nothing else to end.
    onClosed: () => undefined,
  });
}

/** @throws TlsError, CliFailure without a section postgres; the first query may throw StoreError */
export async function openDatabase({ postgres, ops }: CliSettings): Promise<Pool> {
  if (postgres === undefined) throw usage('the settings have no section postgres: this command reads the database');
  return open(postgres, `ops-${ops?.name ?? 'cli'}`, 2);
}

/** As the database's superuser, two connections. @throws TlsError, CliFailure without a section superuser */
export async function openAsSuperuser({ superuser }: CliSettings): Promise<Pool> {
  if (superuser === undefined) {
    throw usage('the settings have no section superuser: a drill tampers with the database as its superuser would');
  }
  return open(superuser, 'everseal-drill', 2);
}

/**
 * With the rights of a sealer, three connections.
 * @param name shown in pg_stat_activity
 * @throws TlsError, CliFailure without a section sealer
 */
export async function openAsSealer({ sealer }: CliSettings, name: string): Promise<Pool> {
  if (sealer === undefined) {
    throw usage("the settings have no section sealer: rows are put back with a sealer's rights, on a sealer's host");
  }
  return open(sealer, name, 3);
}

/** As the login of the deploy step, who may become the owner of the tables, one connection. @throws TlsError, CliFailure without a section migrator */
export async function openAsMigrator({ migrator }: CliSettings, name: string): Promise<Pool> {
  if (migrator === undefined) {
    throw usage(
      'the settings have no section migrator: no service may take out rows that stand, only the deploy step may',
    );
  }
  return open(migrator, name, 1);
}

async function open(login: NonNullable<CliSettings['postgres']>, name: string, max: number): Promise<Pool> {
  const { host, port, database, user, certFile, keyFile, caFile } = login;
  const material = await loadMaterial({ certFile, keyFile, caFile }, 'client', Date.now());
  return openPool({
    host,
    port,
    database,
    user,
    tls: postgresTlsOptions(() => material),
    name,
    max,
    transactions: 'long',
    onIdleError: () => undefined,
  });
}
