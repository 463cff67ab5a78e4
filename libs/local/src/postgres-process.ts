/**
 * A real Postgres as a child process: TLS 1.3 and client certificates only, data checksums, every durability setting on, one loopback
 * port, no Unix socket, no password for anybody. Ready means: the postmaster says so in postmaster.pid.
 *
 * `<dir>` holds data/ (PGDATA), tls/ (copies that belong to the database's user), pg_hba.conf, pg_ident.conf, the log and the pid file.
 */
import { spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { POSTGRES_DURABILITY, POSTGRES_TRANSPORT } from '@everseal/policy';
import { LocalError } from './local-error.js';
import { ManagedProcess } from './managed-process.js';
import { findPostgres, keyExchangeOf } from './postgres-binaries.js';
import { commandLineOf, identify } from './process-identity.js';
import { giveTo, isOwnedBy, type Owner, type RunAs, runAsUnprivileged } from './unprivileged-user.js';

/** The server's certificate with chain, its key, and the root that client certificates must come from. */
export interface PostgresTls {
  certFile: string;
  keyFile: string;
  caFile: string;
}

export interface PostgresOptions {
  /** Umbrella folder, see the head of this file. */
  dir: string;
  port: number;
  tls: PostgresTls;
  /** Lines of pg_hba.conf; unless given: any role over TLS with a certificate whose CN is the role's name. */
  hba?: string;
  /** Lines of pg_ident.conf. */
  ident?: string;
  /** Further settings of postgresql.conf; they win over those here. */
  settings?: Readonly<Record<string, string | number>>;
}

/** A Postgres that accepts connections. The superuser is `postgres`. */
export interface PostgresProcess {
  readonly pid: number;
  readonly host: string;
  readonly port: number;
  readonly process: ManagedProcess;
  /** Fast shutdown: sessions are ended, data is flushed. */
  stop(): Promise<void>;
  /** Sends a signal to the postmaster, SIGKILL unless given; returns at once (wait on `process.exited`). */
  kill(signal?: NodeJS.Signals): void;
  /** Copies the certificate files again and makes the server read them (SIGHUP). A bad file shows in the log only, the old one stays. */
  reload(): void;
  logTail(lines?: number): string;
}

const HOST = '127.0.0.1';
const CERTIFICATE_ONLY = `hostssl all all ${HOST}/32 cert\n`;
const REJECT_THE_REST = 'host all all all reject\n';

const SETTINGS = {
  listen_addresses: HOST,
  unix_socket_directories: '',
  ...POSTGRES_DURABILITY,
  ...POSTGRES_TRANSPORT,
  timezone: 'UTC',
  // Blocks arrive by the megabyte: with the default of 1 GB a checkpoint comes every half minute at full load, and every
  // page that is touched after one goes into the WAL whole.
  max_wal_size: '4GB',
  shared_buffers: '256MB',
  jit: 'off',
} as const;

/** Only what the programs need: PGPORT, PGDATA and the like of the caller must not leak in. */
const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Creates the cluster if the folder is new, starts it and waits until it is ready. LocalError as ManagedProcess.start and `createCluster`. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresProcess> {
  const { dir, data, bin, runAs } = createCluster(options.dir);
  installFiles(dir, options, runAs);
  const interrupted = clearLock(data);
  const running = await launch(dir, bin, runAs, options, interrupted);
  return {
    pid: running.pid,
    host: HOST,
    port: options.port,
    process: running,
    stop: async () => void (await running.stop()),
    kill: (signal) => running.kill(signal),
    reload: () => {
      installFiles(dir, options, runAs);
      running.kill('SIGHUP');
    },
    logTail: (lines) => running.logTail(lines),
  };
}

/**
 * Creates the cluster in `<dir>/data` if there is none, and does not start it; a copy of it, made before its first start, is another
 * cluster. LocalError `process-exited`, and as `runAsUnprivileged`.
 */
export function createCluster(folder: string): { dir: string; data: string; bin: string; runAs: RunAs } {
  const dir = path.resolve(folder);
  mkdirSync(path.dirname(dir), { recursive: true });
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const bin = findPostgres();
  const runAs = runAsUnprivileged([bin, path.dirname(dir)]);
  const data = path.join(dir, 'data');
  if (!existsSync(path.join(data, 'PG_VERSION'))) initialise(data, bin, runAs);
  return { dir, data, bin, runAs };
}

/** initdb under another name, then rename: an interrupted one is started over instead of being taken for a cluster. */
function initialise(data: string, bin: string, runAs: RunAs): void {
  const fresh = `${data}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { mode: 0o700 });
  if (runAs.owner) giveTo(runAs.owner, path.dirname(data));
  const initdb = [...runAs.prefix, path.join(bin, 'initdb'), '-D', fresh, '-U', 'postgres'];
  const options = ['--auth=reject', '-E', 'UTF8', '--locale=C', '--data-checksums', '--no-instructions'];
  const [command, ...args] = [...initdb, ...options] as [string, ...string[]];
  const made = spawnSync(command, args, { ...runAs.user, encoding: 'utf8', cwd: '/', env: ENVIRONMENT });
  if (made.status !== 0) {
    const said = (made.stderr || made.error?.message || '').trim().split('\n').slice(-2).join(' ');
    throw new LocalError('process-exited', `initdb failed in ${fresh}: ${said}`);
  }
  renameSync(fresh, data);
}

/** Postgres reads only a key that belongs to its own user and is closed to others, hence copies. */
function installFiles(
  dir: string,
  { tls, hba = CERTIFICATE_ONLY, ident = '' }: PostgresOptions,
  { owner }: RunAs,
): void {
  const folder = path.join(dir, 'tls');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const copies = [
    [tls.certFile, path.join(folder, 'server.crt')],
    [tls.keyFile, path.join(folder, 'server.key')],
    [tls.caFile, path.join(folder, 'clients.crt')],
  ] as const;
  for (const [source, target] of copies) {
    copyFileSync(source, `${target}.new`);
    chmodSync(`${target}.new`, 0o600);
  }
  const [[, certificate], [, key]] = copies;
  const isPair = new X509Certificate(readFileSync(`${certificate}.new`)).checkPrivateKey(
    createPrivateKey(readFileSync(`${key}.new`)),
  );
  // Caught in the middle of a renewal: what is there stays.
  if (!isPair) throw new LocalError('key-mismatch', `${tls.keyFile} is not the key of ${tls.certFile}`);
  for (const [, target] of copies) renameSync(`${target}.new`, target);
  const [hbaFile, identFile] = [path.join(dir, 'pg_hba.conf'), path.join(dir, 'pg_ident.conf')];
  writeFileSync(hbaFile, `${hba.trimEnd()}\n${REJECT_THE_REST}`, { mode: 0o600 });
  writeFileSync(identFile, `${ident.trimEnd()}\n`, { mode: 0o600 });
  if (owner) ownFolder(owner, dir);
}

/** The database's user owns everything; its data, which may be large, is only walked through when it belongs to somebody else. */
function ownFolder(owner: Owner, dir: string): void {
  chownSync(dir, owner.uid, owner.gid);
  for (const entry of ['tls', 'pg_hba.conf', 'pg_ident.conf']) giveTo(owner, path.join(dir, entry));
  const data = path.join(dir, 'data');
  if (!isOwnedBy(owner, data)) giveTo(owner, data);
}

async function launch(
  dir: string,
  bin: string,
  runAs: RunAs,
  options: PostgresOptions,
  interrupted: boolean,
): Promise<ManagedProcess> {
  const data = path.join(dir, 'data');
  const settings = {
    ...SETTINGS,
    ssl_groups: keyExchangeOf(bin),
    port: options.port,
    hba_file: path.join(dir, 'pg_hba.conf'),
    ident_file: path.join(dir, 'pg_ident.conf'),
    ssl_cert_file: path.join(dir, 'tls', 'server.crt'),
    ssl_key_file: path.join(dir, 'tls', 'server.key'),
    ssl_ca_file: path.join(dir, 'tls', 'clients.crt'),
    ...options.settings,
  };
  const assignments = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const [command, ...args] = [...runAs.prefix, path.join(bin, 'postgres'), '-D', data, ...assignments] as [
    string,
    ...string[],
  ];
  const start = () =>
    ManagedProcess.start({
      name: 'postgres',
      command,
      args,
      dir,
      cwd: '/',
      env: ENVIRONMENT,
      user: runAs.user,
      stopSignal: 'SIGINT',
      ports: [options.port],
      ready: (pid) => isReady(data, pid),
      readyWithinMs: 60_000, // recovery after a crash
    });
  // After a kill -9 of the postmaster its last sessions may still hold the shared memory for a moment, and a new one refuses to start.
  for (let retries = interrupted ? 20 : 0; ; retries--) {
    try {
      return await start();
    } catch (error) {
      if (retries === 0 || !(error instanceof LocalError) || error.code !== 'process-exited') throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

/**
 * Looks at a postmaster.pid that an interrupted run left behind and says whether there was one. Postgres takes any live process with that
 * pid for a postmaster; after a reboot it may be another program, then the file is removed.
 */
function clearLock(data: string): boolean {
  const file = path.join(data, 'postmaster.pid');
  const pid = Number(lockLines(data)?.[0]);
  if (!Number.isSafeInteger(pid)) return existsSync(file);
  const command = identify(pid) ? commandLineOf(pid) : null;
  if (command !== null && !command.includes(data)) rmSync(file, { force: true });
  return true;
}

/** postmaster.pid: line 1 the pid, line 8 the state, written by the postmaster for pg_ctl. */
function isReady(data: string, pid: number): boolean {
  const lines = lockLines(data);
  return lines?.[0] === String(pid) && lines[7]?.trim() === 'ready';
}

function lockLines(data: string): string[] | null {
  try {
    return readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
