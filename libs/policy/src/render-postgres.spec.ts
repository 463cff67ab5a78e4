/**
 * The rendered roles and access files on a real Postgres: for every identity and every role, the certificate opens the
 * identity's own role and no other.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  DevPki,
  freePort,
  startPostgres,
  waitUntil,
  type CertificateFiles,
  type PostgresProcess,
} from '@everseal/local';
import { Client } from 'pg';
import { identitiesOf, identityOf, type Identity } from './identities.js';
import { parsePolicy } from './parse-policy.js';
import {
  POSTGRES_DURABILITY,
  POSTGRES_LOG,
  POSTGRES_TRANSPORT,
  renderPostgres,
  renderPostgresSettings,
} from './render-postgres.js';

/** The names are traps: a producer called as a sealer's certificate is, and one called as the superuser. */
const POLICY = parsePolicy(
  `
domain: audit.example.com
ledgers: [{ name: main, ingesters: [a] }]
producers:
  - { name: sealer-s1, ledgers: [main], sources: ['*'] }
  - { name: postgres, ledgers: [main], sources: ['*'] }
ingest: [{ name: a }]
sealers: [{ name: s1 }, { name: s2 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
readers: [{ name: r1 }, { name: r2 }]
auditors: [{ name: anna, ledgers: [main] }]
`,
  'everseal.yaml',
);

const ACCESS = renderPostgres(POLICY);
const ROLES = [
  'postgres',
  'everseal_owner',
  'everseal_migrator',
  'everseal_sealer',
  'everseal_verifier',
  'everseal_reader',
];

let dir: string;
let pki: DevPki;
let postgres: PostgresProcess;

interface Attempt {
  user: string;
  files: CertificateFiles | null;
  database?: string;
  plaintext?: boolean;
  replication?: boolean;
}

/** Opens a session and runs one statement; the error's SQLSTATE or code if that fails. */
async function query(sql: string, { user, files, database = 'everseal', plaintext, replication }: Attempt) {
  const pem = (file?: string) => (file === undefined ? undefined : readFileSync(file, 'utf8'));
  const ssl = {
    ca: readFileSync(pki.serversRootFile, 'utf8'),
    cert: pem(files?.certFile),
    key: pem(files?.keyFile),
    minVersion: 'TLSv1.3' as const,
  };
  const client = new Client({
    host: '127.0.0.1',
    port: postgres.port,
    user,
    database,
    ...(plaintext === true ? { ssl: false } : { ssl, sslnegotiation: 'direct' }),
    ...(replication === true ? { replication: 'true' } : {}),
  });
  client.on('error', () => {}); // the refusal arrives through the promise
  // Where the server ends the session before it began there is nothing left to end (client.end() would wait for ever).
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

const admin = () => pki.ensureClient(identityOf(POLICY.domain, 'admin', 'deploy'));

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-access-'));
  chmodSync(dir, 0o755);
  pki = await DevPki.open(path.join(dir, 'pki'));
  const tls = await pki.ensureServer('postgres');
  const { hba, ident } = ACCESS;
  postgres = await startPostgres({ dir: path.join(dir, 'postgres'), port: await freePort(), tls, hba, ident });
  const superuser = { user: 'postgres', files: await admin(), database: 'postgres' };
  await query('create database everseal', superuser);
  await query(ACCESS.rolesSql, superuser);
  await query(ACCESS.rolesSql, superuser); // may be run again
});

afterAll(async () => {
  await postgres?.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe('the rendered access', () => {
  it.each(identitiesOf(POLICY).map((identity): [string, Identity] => [identity.commonName, identity]))(
    '%s opens its own role and no other',
    async (_name, identity) => {
      const files = await pki.ensureClient(identity);
      const opened: string[] = [];
      for (const user of ROLES) {
        await query('select 1', { user, files }).then(
          () => opened.push(user),
          (error: { code?: string }) => expect(error.code).toBe('28000'),
        );
      }
      expect(opened).toEqual(identity.role === null ? [] : [identity.role]);
    },
  );

  it('refuses no certificate, plaintext, another root, another database and replication', async () => {
    const user = 'everseal_sealer';
    const files = await pki.ensureClient(identityOf(POLICY.domain, 'sealer', 's1'));
    await expect(query('select 1', { user, files })).resolves.toHaveLength(1);
    await expect(query('select 1', { user, files: null })).rejects.toMatchObject({ code: '28000' });
    await expect(query('select 1', { user, files, plaintext: true })).rejects.toMatchObject({ code: '28000' });
    await expect(query('select 1', { user, files, database: 'postgres' })).rejects.toMatchObject({ code: '28000' });
    await expect(
      query('select 1', { user: 'postgres', files: await admin(), replication: true }),
    ).rejects.toMatchObject({ code: '28000' });
    const foreign = await DevPki.open(path.join(dir, 'foreign'));
    const forged = await foreign.ensureClient(identityOf(POLICY.domain, 'sealer', 's1'));
    await expect(query('select 1', { user, files: forged })).rejects.toThrow(/unknown ca/i);
  });

  it('refuses a sealer that the policy does not name, though its certificate is genuine', async () => {
    const files = await pki.ensureClient(identityOf(POLICY.domain, 'sealer', 's9'));
    await expect(query('select 1', { user: 'everseal_sealer', files })).rejects.toMatchObject({ code: '28000' });
  });

  it('gives no role more than a login; the migrator is the owner only when it says so', async () => {
    const rows = await query(
      `select rolname, rolcanlogin, rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls or rolinherit as more
       from pg_roles where rolname like 'everseal%' order by rolname`,
      { user: 'postgres', files: await admin() },
    );
    expect(rows).toEqual(
      ['migrator', 'owner', 'reader', 'sealer', 'verifier'].map((name) => ({
        rolname: `everseal_${name}`,
        rolcanlogin: name !== 'owner',
        more: false,
      })),
    );
    const become = 'create schema probe authorization everseal_owner; set role everseal_owner; create table probe.t ()';
    const migrator = await pki.ensureClient(identityOf(POLICY.domain, 'migrator', 'deploy'));
    const sealer = await pki.ensureClient(identityOf(POLICY.domain, 'sealer', 's1'));
    await query('create schema owned authorization everseal_owner', { user: 'postgres', files: await admin() });
    const asMigrator = { user: 'everseal_migrator', files: migrator };
    await expect(query('create table owned.t ()', asMigrator)).rejects.toMatchObject({ code: '42501' });
    await query('set role everseal_owner; create table owned.t ()', asMigrator);
    await expect(query(become, { user: 'everseal_sealer', files: sealer })).rejects.toMatchObject({ code: '42501' });
    await expect(query('set role everseal_owner', { user: 'everseal_sealer', files: sealer })).rejects.toMatchObject({
      code: '42501',
    });
  });

  it('knows a stolen certificate no more when the generation of its name is raised, and lets in the next', async () => {
    const user = 'everseal_sealer';
    const identity = identityOf(POLICY.domain, 'sealer', 's1');
    const stolen = await pki.ensureClient({ ...identity, folder: 'stolen' });
    await expect(query('select 1', { user, files: stolen })).resolves.toHaveLength(1);
    const raised = renderPostgres({ ...POLICY, sealers: [{ name: 's1', generation: 2 }, { name: 's2' }] });
    writeFileSync(path.join(dir, 'postgres', 'pg_ident.conf'), raised.ident);
    postgres.kill('SIGHUP');
    const refusal = (): Promise<string> =>
      query('select 1', { user, files: stolen }).then(
        () => 'none',
        (error: { code?: string }) => String(error.code),
      );
    await waitUntil(async () => (await refusal()) === '28000', { what: 'the stolen certificate refused' });
    const next = await pki.ensureClient(identityOf(POLICY.domain, 'sealer', 's1', 2));
    await expect(query('select 1', { user, files: next })).resolves.toHaveLength(1);
  });
});

describe('renderPostgresSettings', () => {
  it('names the files, ends no value early, and is what docker-compose.yml says as well', () => {
    const files = { certFile: "/it's/cert.pem", keyFile: '/k.pem', caFile: '/c.pem' };
    const text = renderPostgresSettings(files, "/it's/log");
    expect(text).toContain("ssl_cert_file = '/it''s/cert.pem'\n");
    const compose = readFileSync(path.resolve(import.meta.dirname, '../../../docker-compose.yml'), 'utf8');
    for (const [name, value] of Object.entries({ ...POSTGRES_TRANSPORT, ...POSTGRES_DURABILITY, ...POSTGRES_LOG })) {
      expect(text).toContain(`${name} = '${value}'\n`);
      expect(compose).toContain(`- -c${name}=${value}\n`);
    }
    expect(text).toContain("log_directory = '/it''s/log'\n");
    expect(renderPostgresSettings(files)).not.toMatch(/^log(?!_connections)/m);
    expect(compose).toContain('- -cssl_groups=X25519MLKEM768:X25519:prime256v1\n');
  });
});

describe('renderPostgres', () => {
  it('repeats every way in for each network, and ends with reject', () => {
    const { hba } = renderPostgres(POLICY, { database: 'audit', addresses: ['10.0.0.0/8', 'fd00::/8'] });
    const lines = hba.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines.slice(0, -2).every((line) => /^hostssl .* cert clientcert=verify-full map=everseal$/.test(line))).toBe(
      true,
    );
    expect(lines.filter((line) => line.includes('everseal_sealer'))).toEqual([
      'hostssl audit everseal_sealer 10.0.0.0/8 cert clientcert=verify-full map=everseal',
      'hostssl audit everseal_sealer fd00::/8 cert clientcert=verify-full map=everseal',
    ]);
    expect(lines.slice(-2)).toEqual(['local all,replication all reject', 'host all,replication all all reject']);
  });

  it.each([
    { database: 'all everseal_sealer 0.0.0.0/0 trust #' },
    { database: '' },
    { addresses: ['0.0.0.0/0 trust #'] },
    { addresses: ['all'] },
  ])('refuses %j', (options) => expect(() => renderPostgres(POLICY, options)).toThrow());
});
