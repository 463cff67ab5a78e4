/**
 * A Postgres of its own for one spec file: real, TLS 1.3, client certificates, durability on; gone with its data after `stop()`.
 *
 *     const postgres = await TestPostgres.start();
 *     const pool = new Pool({ ...postgres.connection('postgres'), database: await postgres.createDatabase('store') });
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type CertificateFiles, DevPki, freePort, type PostgresProcess, startPostgres } from '@everseal/local';
import { Client, type ClientConfig } from 'pg';
import { copyCluster } from './cluster-template.js';
import { temporaryFolder, type TemporaryFolder } from './temporary-folder.js';

export interface TestPostgresOptions {
  /** Where the PKI and the data go; a temporary folder unless given (then `stop()` leaves it there). */
  folder?: TemporaryFolder;
  pki?: DevPki;
  /** Lines of pg_hba.conf and pg_ident.conf; the superuser's own line is always there. Unless given, a CN is the name of a role. */
  hba?: string;
  ident?: string;
  settings?: Readonly<Record<string, string | number>>;
}

const SUPERUSER_LINE = 'hostssl all postgres 127.0.0.1/32 cert\n';
const ANY_ROLE_LINE = 'hostssl all all 127.0.0.1/32 cert\n';

export class TestPostgres {
  private constructor(
    readonly process: PostgresProcess,
    readonly pki: DevPki,
    private readonly admin: CertificateFiles,
    private readonly ownFolder: TemporaryFolder | null,
  ) {}

  static async start(options: TestPostgresOptions = {}): Promise<TestPostgres> {
    const folder = options.folder ?? temporaryFolder('postgres');
    const pki = options.pki ?? (await DevPki.open(path.join(folder.path, 'pki')));
    const admin = await pki.ensureClient({ commonName: 'postgres', uri: 'spiffe://audit.example.com/admin/postgres' });
    const dir = path.join(folder.path, 'postgres');
    copyCluster(dir);
    const running = await startPostgres({
      dir,
      port: await freePort(),
      tls: await pki.ensureServer('postgres'),
      hba: `${SUPERUSER_LINE}${options.hba ?? ANY_ROLE_LINE}`,
      ident: options.ident ?? '',
      settings: options.settings ?? {},
    });
    return new TestPostgres(running, pki, admin, options.folder ? null : folder);
  }

  get port(): number {
    return this.process.port;
  }

  /** Connection parameters for `pg`, as `user` with `files` (the superuser's unless given). */
  connection(user = 'postgres', files: CertificateFiles = this.admin): ClientConfig {
    return {
      host: this.process.host,
      port: this.process.port,
      user,
      database: 'postgres',
      sslnegotiation: 'direct',
      ssl: {
        ca: readFileSync(files.caFile),
        cert: readFileSync(files.certFile),
        key: readFileSync(files.keyFile),
        minVersion: 'TLSv1.3',
      },
    };
  }

  /** A certificate with that common name: a role of that name, or what pg_ident makes of it. */
  client(commonName: string): Promise<CertificateFiles> {
    return this.pki.ensureClient({ commonName, uri: `spiffe://audit.example.com/test/${commonName}` });
  }

  /** Runs `sql` as superuser and gives the rows of the last statement. */
  async query(sql: string, database = 'postgres'): Promise<Record<string, unknown>[]> {
    const client = new Client({ ...this.connection(), database });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }

  /** Creates a database, as a copy of `template` if given (nobody may be connected to that), and gives its name. */
  async createDatabase(name: string, template?: string): Promise<string> {
    await this.query(`create database "${name}"${template ? ` template "${template}"` : ''}`);
    return name;
  }

  async stop(): Promise<void> {
    await this.process.stop();
    this.ownFolder?.remove();
  }
}
