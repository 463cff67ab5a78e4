/**
 * A real nats-server as a child process. Ready means: the server has written its ports file, which it does once it listens; so a config
 * may also ask for a random port (`listen: "127.0.0.1:-1"`).
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { LocalError } from './local-error.js';
import { ManagedProcess } from './managed-process.js';
import { repositoryRoot } from './repository-root.js';

/** What `startNatsServer` needs: `config` (text, written to `<dir>/nats.conf`) or `configFile`. */
export type NatsOptions = {
  /** Folder for pid file, log, ports file and, with `config`, the config. Relative paths in the config start here. */
  dir: string;
  /** Path of the binary; found or fetched by scripts/nats-server.mjs unless given. */
  bin?: string;
  /** The port that the config names, if it names one: checked to be free first. */
  port?: number;
} & ({ config: string; configFile?: undefined } | { configFile: string; config?: undefined });

/** A nats-server that accepts connections. */
export interface NatsProcess {
  readonly pid: number;
  /** Client port at 127.0.0.1. */
  readonly port: number;
  readonly process: ManagedProcess;
  /** Ends it in order; JetStream is flushed. */
  stop(): Promise<void>;
  /** Sends a signal, SIGKILL unless given; returns at once (wait on `process.exited`). */
  kill(signal?: NodeJS.Signals): void;
  /** Makes it read its config and certificates again (SIGHUP). A refused config shows in the log only. */
  reload(): void;
  logTail(lines?: number): string;
}

/** Starts nats-server and waits until it listens. LocalError as ManagedProcess.start, and `config-invalid`. */
export async function startNatsServer(options: NatsOptions): Promise<NatsProcess> {
  const dir = path.resolve(options.dir);
  mkdirSync(dir, { recursive: true });
  const bin = options.bin ?? (await findNatsServer());
  const configFile = options.configFile ? path.resolve(options.configFile) : path.join(dir, 'nats.conf');
  if (options.config !== undefined) writeFileSync(configFile, options.config, { mode: 0o600 });
  await checkConfig(bin, configFile, dir);

  const portsFile = (pid: number) => path.join(dir, `${path.basename(bin)}_${pid}.ports`);
  const running = await ManagedProcess.start({
    name: 'nats-server',
    command: bin,
    args: ['-c', configFile, '--ports_file_dir', dir],
    dir,
    stopSignal: 'SIGTERM',
    ports: options.port === undefined ? [] : [options.port],
    ready: (pid) => readPort(portsFile(pid)) !== null,
  });
  const port = readPort(portsFile(running.pid)) as number;
  void running.exited.then(() => rmSync(portsFile(running.pid), { force: true })); // it leaves the file behind when killed
  return {
    pid: running.pid,
    port,
    process: running,
    stop: async () => void (await running.stop()),
    kill: (signal) => running.kill(signal),
    reload: () => running.kill('SIGHUP'),
    logTail: (lines) => running.logTail(lines),
  };
}

/** Path of a usable nats-server: scripts/nats-server.mjs says where, and fetches one if it must. LocalError `binary-missing`. */
export async function findNatsServer(): Promise<string> {
  const script = path.join(repositoryRoot(), 'scripts', 'nats-server.mjs');
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [script]);
    return stdout.trim();
  } catch (cause) {
    throw new LocalError('binary-missing', lastLine(cause) || `${script} failed: run it by hand`, { cause });
  }
}

/** `nats-server -t` names file, line and column of what it does not accept; the running server's log would bury it. */
async function checkConfig(bin: string, configFile: string, cwd: string): Promise<void> {
  try {
    await promisify(execFile)(bin, ['-t', '-c', configFile], { cwd });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new LocalError('binary-missing', `${bin} does not exist: unset NATS_SERVER_BIN or correct it`, { cause });
    }
    throw new LocalError('config-invalid', `nats-server refuses its config: ${lastLine(cause)}`, { cause });
  }
}

/** The client port in a ports file: `{"nats":["tls://127.0.0.1:4222"],…}`; null while it is not (fully) written. */
function readPort(file: string): number | null {
  if (!existsSync(file)) return null;
  try {
    const { nats } = JSON.parse(readFileSync(file, 'utf8')) as { nats?: string[] };
    const port = /:(\d+)$/.exec(nats?.[0] ?? '')?.[1];
    return port === undefined ? null : Number(port);
  } catch {
    return null;
  }
}

/** What a failed `execFile` wrote last on stderr. */
function lastLine(failure: unknown): string {
  const { stderr = '' } = failure as { stderr?: string };
  return stderr.trim().split('\n').at(-1) ?? '';
}
