/**
 * Renders who may log in to Postgres, from the policy: the roles, pg_hba.conf and pg_ident.conf.
 *
 * Every way in is TLS with a client certificate, checked as `verify-full`: the certificate's common name must stand in
 * pg_ident.conf beside the role asked for (Postgres never reads SANs). `cert` alone implies verify-full; it is written
 * out because `verify-ca` in its place would let any certificate of the clients' root be anybody. All else is rejected,
 * Unix sockets and replication included.
 *
 * What each role may do inside the database is granted by the migrations (libs/ledger-store); database and schema are
 * made by its set-up. Removing an instance from the policy, rendering and reloading locks it out at once, whatever its
 * certificate says.
 */
import { identitiesOf, SUPERUSER, type LoginRole } from './identities.js';
import type { Policy } from './policy.js';

export interface PostgresOptions {
  /** Default `everseal`. */
  database?: string;
  /** Networks the services connect from, in CIDR notation; default the machine itself. */
  addresses?: string[];
}

/** A certificate with its intermediates, its key, and the root of the clients', as the server sees them. */
export interface PostgresTlsFiles {
  certFile: string;
  keyFile: string;
  caFile: string;
}

/**
 * What postgresql.conf has to say about transport: TLS 1.3 alone, and no password that could be asked for. The groups of the key exchange
 * are not among it, because what a server may name depends on its OpenSSL.
 */
export const POSTGRES_TRANSPORT = {
  ssl: 'on',
  ssl_min_protocol_version: 'TLSv1.3',
  ssl_tls13_ciphers: 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256',
  password_encryption: 'scram-sha-256',
  log_connections: 'all',
} as const;

/** What must be on for a block that is committed to stay. */
export const POSTGRES_DURABILITY = { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on' } as const;

/**
 * What a follower reads: a JSON object a line, in UTC and English, with every login and every statement that changes schema, roles or
 * grants. A ring of seven files, one a weekday. Sessions may turn some of it off if they are a superuser's; what they change is found
 * by the catalog guard all the same.
 */
export const POSTGRES_LOG = {
  logging_collector: 'on',
  log_destination: 'jsonlog',
  log_filename: 'everseal-%a.log',
  log_rotation_age: '1d',
  log_rotation_size: '0',
  log_truncate_on_rotation: 'on',
  log_timezone: 'UTC',
  lc_messages: 'C',
  log_statement: 'ddl',
} as const;

/** What the files of that log are called. */
export const POSTGRES_LOG_FILES = 'everseal-*.json';

/** Hybrid post-quantum first: OpenSSL 3.5 or later. */
const GROUPS = 'X25519MLKEM768:X25519:prime256v1';

export interface PostgresAccess {
  /** For a superuser, on any database of the cluster; may be run again. */
  rolesSql: string;
  /** The whole of pg_hba.conf. */
  hba: string;
  /** The whole of pg_ident.conf. */
  ident: string;
}

const OWNER = 'everseal_owner';
const MIGRATOR = 'everseal_migrator';
const SERVICE_ROLES: readonly LoginRole[] = ['everseal_sealer', 'everseal_verifier', 'everseal_reader'];

/** Name of the map in pg_ident.conf. */
const MAP = 'everseal';

/** Throws on a database name or address that could end its field in pg_hba.conf. */
export function renderPostgres(policy: Policy, options: PostgresOptions = {}): PostgresAccess {
  const database = options.database ?? 'everseal';
  const addresses = options.addresses ?? ['127.0.0.1/32'];
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(database)) throw new Error(`"${database}" is not a plain database name`);
  for (const address of addresses) {
    if (!/^[0-9a-fA-F:.]+\/[0-9]{1,3}$/.test(address))
      throw new Error(`"${address}" is not a network in CIDR notation`);
  }
  return { rolesSql: renderRoles(), hba: renderHba(database, addresses), ident: renderIdent(policy) };
}

/**
 * A file for `include` in postgresql.conf.
 * @param files paths on the server
 * @param logFolder folder of the log that a follower reads, on the server; undefined where nobody follows it
 */
export function renderPostgresSettings({ certFile, keyFile, caFile }: PostgresTlsFiles, logFolder?: string): string {
  // Readable for the group: the follower runs as somebody else.
  const log = logFolder === undefined ? {} : { ...POSTGRES_LOG, log_directory: logFolder, log_file_mode: '0640' };
  const settings = {
    ...POSTGRES_TRANSPORT,
    ssl_cert_file: certFile,
    ssl_key_file: keyFile,
    ssl_ca_file: caFile,
    ...POSTGRES_DURABILITY,
    ...log,
  };
  const line = ([name, value]: [string, string]): string => `${name} = '${value.replaceAll("'", "''")}'`;
  return [
    '# What Everseal needs of Postgres; include it at the end of postgresql.conf.',
    ...Object.entries(settings).map(line),
    '# OpenSSL 3.5 or later; without X25519MLKEM768 before that.',
    line(['ssl_groups', GROUPS]),
    '',
  ].join('\n');
}

function renderRoles(): string {
  const none = 'NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT PASSWORD NULL';
  const role = (name: string, login: 'LOGIN' | 'NOLOGIN'): string =>
    [
      `DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '${name}') THEN CREATE ROLE ${name}; END IF; END $$;`,
      `ALTER ROLE ${name} ${login} ${none};`,
    ].join('\n');
  return [
    role(OWNER, 'NOLOGIN'),
    ...[MIGRATOR, ...SERVICE_ROLES].map((name) => role(name, 'LOGIN')),
    // The migrator is nobody until it says SET ROLE: a slip with its certificate changes nothing.
    `GRANT ${OWNER} TO ${MIGRATOR} WITH INHERIT FALSE, SET TRUE, ADMIN FALSE;`,
    '',
  ].join('\n');
}

function renderHba(database: string, addresses: string[]): string {
  const roles: [string, string][] = [
    ['all', SUPERUSER],
    ...[MIGRATOR, ...SERVICE_ROLES].map((name): [string, string] => [database, name]),
  ];
  const lines = addresses.flatMap((address) =>
    roles.map(([where, role]) => `hostssl ${where} ${role} ${address} cert clientcert=verify-full map=${MAP}`),
  );
  return [
    '# Rendered from the policy; change the policy and render again.',
    ...lines,
    'local all,replication all reject',
    'host all,replication all all reject',
    '',
  ].join('\n');
}

function renderIdent(policy: Policy): string {
  const lines = identitiesOf(policy).flatMap(({ commonName, role }) =>
    role === null ? [] : [`${MAP} ${commonName} ${role}`],
  );
  return ['# Rendered from the policy; change the policy and render again.', ...lines, ''].join('\n');
}
