/**
 * What is done once for the two engines, with certificates that no running service holds: roles, database, schema, streams. Everything
 * may be done again at every start; what is there and right stays untouched.
 */
import { type Catalog, databaseSetupSql, migrate, MIGRATOR_ROLE, openPool, readCatalog } from '@everseal/ledger-store';
import {
  ANNOUNCEMENTS,
  type Identity,
  type Policy,
  type ProvisionedStream,
  provisionStreams,
  renderPostgres,
} from '@everseal/policy';
import { type CertificateFiles } from '@everseal/pki';
import { loadMaterial, natsTlsOptions, postgresTlsOptions } from '@everseal/tls';
import { connect } from '@nats-io/transport-node';
import { Client, type ClientConfig } from 'pg';
import { agreeOnCatalog, type AgreementPlace } from './agree-on-catalog.js';
import { LocalError } from './local-error.js';

/** Who connects how. */
export interface Login {
  identity: Identity;
  files: CertificateFiles;
}

/** A database, as its clients see it. */
export interface DatabasePlace {
  host: string;
  port: number;
  database: string;
}

/** Connection parameters for `pg` as the role of `login`. */
export async function postgresLogin(place: DatabasePlace, { identity, files }: Login): Promise<ClientConfig> {
  if (identity.role === null) throw new Error(`${identity.commonName} has no role in the database`);
  const material = await loadMaterial(files, 'client', Date.now());
  return { ...place, user: identity.role, ssl: postgresTlsOptions(() => material), sslnegotiation: 'direct' };
}

/** What was done to a database. */
export interface PreparedDatabase {
  /** Names of the migrations that ran. */
  migrations: string[];
  /** For the operator: what was agreed on anew, and what of the database is not as agreed. */
  notices: string[];
}

/**
 * Creates roles and database, brings the schema up to date, and signs what the verifiers are to compare it with. LocalError and
 * StoreError as `agreeOnCatalog` and `migrate`.
 */
export async function prepareDatabase(
  policy: Policy,
  place: DatabasePlace,
  { admin, migrator }: { admin: Login; migrator: Login },
  agreement: AgreementPlace,
): Promise<PreparedDatabase> {
  const { database } = place;
  let exists = false;
  await asAdmin(await postgresLogin({ ...place, database: 'postgres' }, admin), async (client) => {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [database]);
    exists = rowCount !== 0;
  });
  // Before anything is changed: what differs now was not done by this step.
  const before = exists ? await catalogOf(place, admin) : null;
  await asAdmin(await postgresLogin({ ...place, database: 'postgres' }, admin), async (client) => {
    await client.query(renderPostgres(policy, { database }).rolesSql);
    if (!exists) await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
  });
  await asAdmin(await postgresLogin(place, admin), (client) => client.query(databaseSetupSql(database)));
  const material = await loadMaterial(migrator.files, 'client', Date.now());
  const migrations = await migrate({ ...place, user: MIGRATOR_ROLE, tls: postgresTlsOptions(() => material) });
  const looks = { before, after: await catalogOf(place, admin) };
  return { migrations, notices: agreeOnCatalog(policy, database, looks, agreement, Date.now()) };
}

async function catalogOf(place: DatabasePlace, { identity, files }: Login): Promise<Catalog> {
  if (identity.role === null) throw new Error(`${identity.commonName} has no role in the database`);
  const material = await loadMaterial(files, 'client', Date.now());
  const tls = postgresTlsOptions(() => material);
  const session = { name: 'everseal-deploy', max: 1, transactions: 'long', onIdleError: () => {} } as const;
  const pool = openPool({ ...place, user: identity.role, tls, ...session });
  try {
    return await readCatalog(pool);
  } finally {
    await pool.end();
  }
}

/** Creates the streams that are missing. Returns the names of those; LocalError `config-invalid` when one is not as the policy says. */
export async function prepareStreams(policy: Policy, server: string, { identity, files }: Login): Promise<string[]> {
  const connection = await connect({
    servers: server,
    name: identity.commonName,
    tls: natsTlsOptions(files),
    inboxPrefix: identity.inboxPrefix ?? undefined,
    reconnect: false,
  });
  try {
    const streams = await provisionStreams(connection, policy);
    const now = streams.some(isOutgrown)
      ? await provisionStreams(connection, policy, { update: [ANNOUNCEMENTS] })
      : streams;
    const wrong = now.find(({ outcome }) => outcome === 'differs');
    if (wrong) {
      const [{ field, expected, actual } = { field: '', expected: '', actual: '' }] = wrong.differences;
      const message = `stream ${wrong.name} has ${field} ${actual}, the policy says ${expected}: undo the change in the policy or update the stream`;
      throw new LocalError('config-invalid', message);
    }
    return streams.filter(({ outcome }) => outcome === 'created').map(({ name }) => name);
  } finally {
    await connection.close();
  }
}

/** A ledger more needs room for one more announcement. Nothing is lost under a limit that is raised, so nobody is asked. */
function isOutgrown({ name, differences }: ProvisionedStream): boolean {
  const isRaised = differences.every(
    ({ field, expected, actual }) => field === 'max_bytes' && Number(actual) < Number(expected),
  );
  return name === ANNOUNCEMENTS && differences.length > 0 && isRaised;
}

async function asAdmin(config: ClientConfig, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client(config);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
