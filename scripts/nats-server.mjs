/**
 * Finds a nats-server, or fetches one into the user's cache, and gives its path. No dependencies, no root, nothing installed.
 *
 * Tried in this order; the first that yields a server of at least FLOOR wins:
 *   1. $NATS_SERVER_BIN (if set it must do: a wrong path is an error, not a reason to look elsewhere)
 *   2. PATH
 *   3. the cache: $EVERSEAL_CACHE, else $XDG_CACHE_HOME/everseal, else ~/.cache/everseal; file bin/nats-server
 *   4. the upstream release whose SHA-256 stands in nats-server.sha256
 *   5. the Debian package of suite FORKY, from the mirror this machine already uses, through an apt with state of its own (apt checks the
 *      archive's signature; the machine's apt is not touched)
 *   6. the package this machine's own apt knows
 * Downloads use curl and apt, which honour http(s)_proxy; Node's fetch does not before Node 24.
 *
 * FLOOR is 2.14.6: earlier servers have bugs in `sync_interval: always` and no batched direct get with post-quantum TLS groups.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
} from 'node:fs';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

export const FLOOR = '2.14.6';
const FORKY = 'forky';
const RELEASES = 'https://github.com/nats-io/nats-server/releases/download';
const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Why there is no server, in one line that says what to do. */
export class NoNatsServer extends Error {}

/**
 * Path of a usable nats-server.
 * @param {{ env?: Record<string, string | undefined>, say?: (line: string) => void }} [options] say gets one line per slow step
 * @returns {string} absolute path; throws NoNatsServer
 */
export function findNatsServer({ env = process.env, say = () => {} } = {}) {
  if (env.NATS_SERVER_BIN) {
    const problem = unusable(env.NATS_SERVER_BIN);
    if (problem) throw new NoNatsServer(`NATS_SERVER_BIN=${env.NATS_SERVER_BIN} ${problem}: correct it or unset it`);
    return path.resolve(env.NATS_SERVER_BIN);
  }
  const cached = path.join(cacheDir(env), 'bin', 'nats-server');
  for (const candidate of [...inPath(env), cached]) if (!unusable(candidate)) return candidate;
  return fetchInto(cached, say);
}

/** @returns {string} the cache directory, made by whoever first writes into it */
function cacheDir(env) {
  if (env.EVERSEAL_CACHE) return path.resolve(env.EVERSEAL_CACHE);
  return path.join(env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'everseal');
}

function inPath(env) {
  const folders = (env.PATH ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder));
  return folders.map((folder) => path.join(folder, 'nats-server')).filter((file) => existsSync(file));
}

/** @returns {string | null} null when `file` is a nats-server of at least FLOOR, else what is wrong with it */
function unusable(file) {
  try {
    accessSync(file, constants.X_OK);
  } catch {
    return existsSync(file) ? 'is not executable' : 'does not exist';
  }
  const asked = spawnSync(file, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  const version = /^nats-server: v(\d+\.\d+\.\d+)/.exec(asked.stdout ?? '')?.[1];
  if (!version) return 'is not a nats-server';
  return isBelow(version, FLOOR) ? `is version ${version}, below ${FLOOR}` : null;
}

function isBelow(version, floor) {
  const [a, b] = [version, floor].map((text) => text.split('.').map(Number));
  for (let i = 0; i < 3; i++) if (a[i] !== b[i]) return a[i] < b[i];
  return false;
}

function fetchInto(target, say) {
  const ways = [
    { name: 'the upstream release', fetch: fromRelease },
    { name: `the Debian package (${FORKY})`, fetch: fromDebian },
    { name: "this machine's apt", fetch: fromOwnApt },
  ];
  const tried = [];
  for (const { name, fetch } of ways) {
    const work = mkdtempSync(path.join(tmpdir(), 'everseal-nats-'));
    try {
      say(`looking for nats-server: ${name}`);
      const found = fetch(work);
      if (found.file) return install(found.file, target);
      tried.push(`${name}: ${found.problem}`);
    } catch (error) {
      tried.push(`${name}: ${error.message}`);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  const hint =
    process.platform === 'darwin' ? 'run `brew install nats-server`' : 'install it (https://nats.io/download)';
  const how = `${hint} so that it is on PATH, or set NATS_SERVER_BIN to a binary of at least ${FLOOR}`;
  throw new NoNatsServer(`no nats-server found or fetched: ${how} (${tried.join('; ')})`);
}

/** Copies under another name, checks, then renames: an interrupted or parallel run never leaves half a binary behind. */
function install(file, target) {
  const fresh = `${target}.${process.pid}`;
  mkdirSync(path.dirname(target), { recursive: true });
  try {
    copyFileSync(file, fresh, constants.COPYFILE_FICLONE);
    const problem = spawnSync('chmod', ['755', fresh]).status === 0 ? unusable(fresh) : 'cannot be made executable';
    if (problem) throw new Error(`what was fetched ${problem}`);
    renameSync(fresh, target);
  } finally {
    rmSync(fresh, { force: true });
  }
  return target;
}

function fromRelease(work) {
  const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch];
  const list = readFileSync(new URL('nats-server.sha256', import.meta.url), 'utf8');
  const pinned = new RegExp(
    `^([0-9a-f]{64}) {2}(nats-server-v([0-9.]+)-${process.platform}-${arch}\\.tar\\.gz)$`,
    'm',
  ).exec(list);
  if (!pinned) return { problem: `no pinned SHA-256 for ${process.platform}-${process.arch}` };
  const [, sha256, archive, version] = pinned;
  const file = path.join(work, archive);
  const url = `${RELEASES}/v${version}/${archive}`;
  const got = run(
    'curl',
    ['-fsSL', '--connect-timeout', '10', '--max-time', '300', '--retry', '2', '-o', file, url],
    work,
  );
  if (got.problem) return got;
  if (createHash('sha256').update(readFileSync(file)).digest('hex') !== sha256)
    return { problem: `${archive} has another SHA-256` };
  const unpacked = run('tar', ['-xzf', file, '-C', work], work);
  return unpacked.problem ? unpacked : { file: path.join(work, archive.slice(0, -'.tar.gz'.length), 'nats-server') };
}

function fromDebian(work) {
  const mirror = debianMirror();
  if (!mirror || !existsSync(DEBIAN_KEYRING)) return { problem: 'not a Debian machine' };
  for (const folder of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(path.join(work, folder), { recursive: true });
  writeFileSync(path.join(work, 'status'), '');
  writeFileSync(path.join(work, 'sources.list'), `deb [signed-by=${DEBIAN_KEYRING}] ${mirror} ${FORKY} main\n`);
  const settings = [
    `Dir::State "${work}"; Dir::State::status "${work}/status"; Dir::State::lists "${work}/lists"; Dir::Cache "${work}/cache";`,
    `Dir::Etc::sourcelist "${work}/sources.list"; Dir::Etc::sourceparts "/dev/null";`,
    'Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";',
    'APT::Sandbox::User ""; Debug::NoLocking "true"; Acquire::Languages "none"; Acquire::Retries "2"; Acquire::http::Timeout "15";',
  ];
  writeFileSync(path.join(work, 'apt.conf'), `${settings.join('\n')}\n`);
  const env = { ...process.env, APT_CONFIG: path.join(work, 'apt.conf') };
  const updated = run('apt-get', ['-qq', 'update'], work, env);
  return updated.problem ? updated : fromApt(work, env);
}

/** The first Debian mirror in this machine's own sources. */
function debianMirror() {
  const sources = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].filter((file) =>
    existsSync(file),
  );
  for (const text of sources.map((file) => readFileSync(file, 'utf8'))) {
    const mirror = /^(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(https?:\S+)/m.exec(text)?.[1];
    if (mirror) return mirror;
  }
  return null;
}

function fromOwnApt(work) {
  return fromApt(work, process.env);
}

function fromApt(work, env) {
  const got = run('apt-get', ['-qq', 'download', 'nats-server'], work, env);
  if (got.problem) return got;
  const archive = readdirSync(work).find((file) => file.startsWith('nats-server_') && file.endsWith('.deb'));
  if (!archive) return { problem: 'apt gave no package' };
  const unpacked = run('dpkg-deb', ['-x', archive, 'unpacked'], work, env);
  return unpacked.problem ? unpacked : { file: path.join(work, 'unpacked', 'usr', 'sbin', 'nats-server') };
}

/** @returns {{ problem?: string }} problem: what the command said last, in one line */
function run(command, args, cwd, env = process.env) {
  const result = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 360_000 });
  if (result.status === 0) return {};
  if (result.error?.code === 'ENOENT') return { problem: `${command} is not installed` };
  const said = (result.stderr ?? '').trim().split('\n').at(-1);
  return { problem: said || result.error?.message || `${command} exited with ${result.status}` };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    console.log(findNatsServer({ say: (line) => console.error(line) }));
  } catch (error) {
    if (!(error instanceof NoNatsServer)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
