/**
 * Makes a fresh clone ready to run: checks Node, installs packages, finds or fetches nats-server, builds. Does only what is missing, says
 * one line about each thing it does, and stops with one line about what it cannot do. No dependencies: it runs before there are any.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { findNatsServer, NoNatsServer } from './nats-server.mjs';

export const ROOT = path.dirname(import.meta.dirname);

/** Something the person at the keyboard has to settle; the message is one line. */
export class SetupFailure extends Error {}

/**
 * @param {{ say?: (line: string) => void, build?: boolean, nats?: boolean }} [options]
 * @returns {{ natsServer: string | null }} natsServer: path of the binary, null when not asked for
 */
export function setup({ say = (line) => console.log(line), build = true, nats = true } = {}) {
  requireNode();
  installPackages(say);
  const natsServer = nats ? natsServerOrFailure(say) : null;
  if (build) buildIfStale(say);
  return { natsServer };
}

/** Runs `main` and turns a SetupFailure into one line and exit code 1. */
export async function runScript(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof SetupFailure)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

function requireNode() {
  const { engines } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const floor = engines.node.replace('>=', '');
  const [have, need] = [process.versions.node, floor].map((version) => version.split('.').map(Number));
  const differing = need.findIndex((part, i) => part !== have[i]);
  if (differing >= 0 && have[differing] < need[differing]) {
    throw new SetupFailure(
      `Node ${process.versions.node} is too old: install Node ${floor} or later (20, 22 and 24 are fine)`,
    );
  }
}

function installPackages(say) {
  const [lock, installed] = ['package-lock.json', 'node_modules/.package-lock.json'].map((file) =>
    path.join(ROOT, file),
  );
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  say('installing packages (npm ci)');
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: ROOT, encoding: 'utf8' });
  if (npm.status !== 0) throw new SetupFailure(`npm ci failed: ${lastLines(npm, 5)}`);
  const now = new Date();
  utimesSync(installed, now, now); // npm may keep an older time; a clone's lockfile must not look newer for ever
}

function natsServerOrFailure(say) {
  try {
    return findNatsServer({ say });
  } catch (error) {
    if (error instanceof NoNatsServer) throw new SetupFailure(error.message, { cause: error });
    throw error;
  }
}

function buildIfStale(say) {
  const stamp = path.join(ROOT, 'dist', '.built');
  const started = new Date();
  const projects = ['apps', 'libs', 'bench', 'demo', 'test/soak', 'test/faults'];
  const sources = [...projects, '.swcrc', 'nest-cli.json', 'tsconfig.json', 'package-lock.json'];
  const newest = Math.max(...sources.map((source) => newestIn(path.join(ROOT, source))));
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= newest) return;
  say('building (nest build --all)');
  const nest = path.join(ROOT, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js');
  const built = spawnSync(process.execPath, [nest, 'build', '--all'], { cwd: ROOT, encoding: 'utf8' });
  if (built.status !== 0) throw new SetupFailure(`the build failed: ${lastLines(built, 20)}`);
  writeFileSync(stamp, '');
  utimesSync(stamp, started, started); // a source written during the build is newer than this
}

function newestIn(file) {
  const stat = statSync(file);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(file).map((entry) => newestIn(path.join(file, entry))));
}

function lastLines({ stdout, stderr, error }, count) {
  const said = `${stdout ?? ''}\n${stderr ?? ''}`.trim().split('\n').slice(-count).join('\n');
  return said || (error?.message ?? 'no reason given');
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runScript(() => {
    const { natsServer } = setup();
    console.log(`ready: nats-server at ${natsServer}; next: npm start`);
  });
}
