import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { type CertificateFiles, DevPki } from '@everseal/pki';
import { freePort } from './port.js';
import { type PostgresProcess, startPostgres } from './postgres-process.js';
import { identify } from './process-identity.js';
import { waitUntil } from './wait-until.js';

const HBA = 'hostssl all postgres 127.0.0.1/32 cert\nhostssl all sealer 127.0.0.1/32 cert map=services\n';
const IDENT = 'services sealer-s1 sealer\n';

let dir: string;
let pki: DevPki;
let admin: CertificateFiles;
let sealer: CertificateFiles;
let server: CertificateFiles;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-pg-'));
  chmodSync(dir, 0o755);
  pki = await DevPki.open(path.join(dir, 'pki'));
  admin = await pki.ensureClient({ commonName: 'postgres', uri: 'spiffe://audit.example.com/admin/postgres' });
  sealer = await pki.ensureClient({ commonName: 'sealer-s1', uri: 'spiffe://audit.example.com/svc/sealer/s1' });
  server = await pki.ensureServer('postgres');
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function query(
  port: number,
  user: string,
  files: CertificateFiles | null,
  sql = 'select 1 as one',
  plaintext = false,
) {
  const read = (file?: string) => (file ? readFileSync(file, 'utf8') : undefined);
  const ssl = {
    ca: readFileSync(pki.serversRootFile, 'utf8'),
    cert: read(files?.certFile),
    key: read(files?.keyFile),
    minVersion: 'TLSv1.3' as const,
  };
  const client = new Client({
    host: '127.0.0.1',
    port,
    user,
    connectionTimeoutMillis: 10_000,
    database: 'postgres',
    ssl: plaintext ? false : ssl,
    ...(plaintext ? {} : { sslnegotiation: 'direct' as const }),
  });
  client.on('error', () => {}); // the refusal arrives through the promise
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('startPostgres', () => {
  let postgres: PostgresProcess;

  beforeAll(async () => {
    postgres = await startPostgres({
      dir: path.join(dir, 'a'),
      port: await freePort(),
      tls: server,
      hba: HBA,
      ident: IDENT,
    });
    await query(postgres.port, 'postgres', admin, 'create role sealer login');
  });

  afterAll(() => postgres.stop());

  it('lets a role in by its certificate, over TLS 1.3', async () => {
    const sql = 'select version, client_dn from pg_stat_ssl where pid = pg_backend_pid()';
    expect(await query(postgres.port, 'sealer', sealer, sql)).toEqual([
      { version: 'TLSv1.3', client_dn: '/CN=sealer-s1' },
    ]);
  });

  it("refuses another's certificate, none, a foreign authority's and plaintext", async () => {
    await expect(query(postgres.port, 'postgres', sealer)).rejects.toMatchObject({ code: '28000' });
    await expect(query(postgres.port, 'sealer', admin)).rejects.toMatchObject({ code: '28000' });
    await expect(query(postgres.port, 'sealer', null)).rejects.toMatchObject({ code: '28000' });
    await expect(query(postgres.port, 'sealer', null, 'select 1', true)).rejects.toMatchObject({ code: '28000' });
    const foreign = await DevPki.open(path.join(dir, 'foreign'));
    const forged = await foreign.ensureClient({
      commonName: 'sealer-s1',
      uri: 'spiffe://audit.example.com/svc/sealer/s1',
    });
    await expect(query(postgres.port, 'sealer', forged)).rejects.toThrow(/unknown ca/i);
  });

  it('runs with checksums and every durability setting on', async () => {
    const names = "'fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums', 'ssl_min_protocol_version'";
    const rows = await query(
      postgres.port,
      'postgres',
      admin,
      `select name, setting from pg_settings where name in (${names})`,
    );
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: 'on',
      full_page_writes: 'on',
      synchronous_commit: 'on',
      data_checksums: 'on',
      ssl_min_protocol_version: 'TLSv1.3',
    });
  });
});

describe('the life of a data folder', () => {
  it('survives kill -9 of the postmaster and starts again with its data', async () => {
    const options = { dir: path.join(dir, 'b'), port: await freePort(), tls: server };
    const first = await startPostgres(options);
    await query(first.port, 'postgres', admin, "create table kept as select 'still here' as word");
    first.kill();
    await first.process.exited;
    const second = await startPostgres(options);
    try {
      expect(await query(second.port, 'postgres', admin, 'select word from kept')).toEqual([{ word: 'still here' }]);
    } finally {
      await second.stop();
    }
    expect(readdirSync(options.dir).filter((file) => file.endsWith('.pid'))).toEqual([]);
    expect(existsSync(path.join(options.dir, 'data', 'postmaster.pid'))).toBe(false);
    expect(identify(second.pid)).toBeNull();
  });

  it('takes no notice of a postmaster.pid whose pid now is another program', async () => {
    const options = { dir: path.join(dir, 'c'), port: await freePort(), tls: server };
    await (await startPostgres(options)).stop();
    writeFileSync(path.join(options.dir, 'data', 'postmaster.pid'), `${process.pid}\n/nowhere\n1\n${options.port}\n`);
    const again = await startPostgres(options);
    await again.stop();
  });

  it('starts over when initdb was interrupted', async () => {
    const options = { dir: path.join(dir, 'd'), port: await freePort(), tls: server };
    mkdirSync(path.join(options.dir, 'data.new', 'base'), { recursive: true });
    const postgres = await startPostgres(options);
    await postgres.stop();
    expect(existsSync(path.join(options.dir, 'data.new'))).toBe(false);
  });

  it('works below a folder that only its owner may enter', async () => {
    const closed = path.join(dir, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    const postgres = await startPostgres({ dir: path.join(closed, 'e'), port: await freePort(), tls: server });
    try {
      expect(await query(postgres.port, 'postgres', admin)).toEqual([{ one: 1 }]);
    } finally {
      await postgres.stop();
    }
  });

  it('serves a renewed certificate after reload', async () => {
    const options = { dir: path.join(dir, 'f'), port: await freePort(), tls: await pki.ensureServer('renewed') };
    const postgres = await startPostgres(options);
    try {
      const other = await DevPki.open(path.join(dir, 'other'));
      options.tls = await other.ensureServer('renewed');
      postgres.reload();
      const refused = () =>
        query(postgres.port, 'postgres', admin).then(
          () => false,
          () => true,
        );
      await waitUntil(refused, { what: 'the certificate of a root we do not trust' });
    } finally {
      await postgres.stop();
    }
  });
});
