/**
 * A child process with a guaranteed end.
 *
 *  - It runs in a session of its own, so that Ctrl-C in a terminal reaches only us and we stop things in order.
 *  - It cannot outlive us: a watchdog (a `sh` of a few lines) holds the other end of a pipe and stops the child when the pipe closes,
 *    which the kernel does however we end, kill -9 included.
 *  - `<dir>/<name>.pid` says which process runs for which owner. Found at the next start: owner alive → refused; owner gone, child
 *    still there (its watchdog was killed too, or has not finished yet) → it is stopped first; both gone → ignored.
 *  - Output goes to `<dir>/<name>.log`, not to a pipe: what it says while it goes down after us is kept too.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LocalError } from './local-error.js';
import { requireFreePort } from './port.js';
import { identify, isAlive, type ProcessIdentity } from './process-identity.js';
import { waitUntil, WaitTimeout } from './wait-until.js';

const LOG_KEPT_BYTES = 16 * 1024 * 1024;
const STOP_GRACE_MS = 15_000;

/** `read` fails when the pipe closes without a second line: then we are gone and the child must follow. 20 s, then SIGKILL. */
const WATCHDOG = `read -r pid || exit 0; read -r told && exit 0
kill -s "$1" "$pid" 2>/dev/null; kill -s CONT "$pid" 2>/dev/null
i=0; while kill -0 "$pid" 2>/dev/null && [ $i -lt 25 ]; do i=$((i+1)); [ $i -gt 20 ] && kill -s KILL "$pid"; sleep 1; done`;

/** How to run one process. */
export interface ProcessPlan {
  /** Stands in messages and file names, e.g. `nats-server`. */
  name: string;
  command: string;
  args: readonly string[];
  /** Folder of the pid file and the log; made if missing. */
  dir: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** User and group to run as, when we are root. */
  user?: { uid: number; gid: number };
  /** Asks the process to end in order. */
  stopSignal: NodeJS.Signals;
  /** Ports at 127.0.0.1 that it will listen on: looked at before it is started, so that one in use is named in a clear line. */
  ports?: readonly number[];
  /** Asked every 20 ms with the child's pid until it says true. */
  ready: (pid: number) => Promise<boolean> | boolean;
  /** Bound for `ready`, milliseconds; 30,000 unless given. */
  readyWithinMs?: number;
  /** Ends the wait for `ready`, and the process with it: LocalError `not-ready`. */
  abort?: AbortSignal;
}

/** How a process ended. */
export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A process that became ready. */
export class ManagedProcess {
  /** Resolves once, when the process has ended, for whatever reason. */
  readonly exited: Promise<ProcessExit>;
  readonly pid: number;
  private ended: ProcessExit | null = null;

  private constructor(
    private readonly plan: ProcessPlan,
    child: ChildProcess,
    private readonly watchdog: ChildProcess,
    private readonly logFrom: number,
  ) {
    this.pid = child.pid as number;
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.ended = { code, signal };
        this.watchdog.stdin?.end('ended\n');
        rmSync(pidFile(plan), { force: true });
        resolve(this.ended);
      });
    });
  }

  get name(): string {
    return this.plan.name;
  }

  get logFile(): string {
    return logFile(this.plan);
  }

  get isRunning(): boolean {
    return this.ended === null;
  }

  /** Starts the process and waits until it is ready. LocalError `already-running`, `port-in-use`, `binary-missing`, `process-exited`, `not-ready`. */
  static async start(plan: ProcessPlan): Promise<ManagedProcess> {
    mkdirSync(plan.dir, { recursive: true });
    await clearFormerRun(plan);
    for (const port of plan.ports ?? []) await requireFreePort(port, plan.name);
    const log = openLog(plan);
    const watchdog = spawn('/bin/sh', ['-c', WATCHDOG, 'watchdog', plan.stopSignal.slice(3)], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    watchdog.unref();
    watchdog.on('error', () => {}); // reported by the write below not mattering: without /bin/sh nothing else here runs either
    watchdog.stdin.on('error', () => {}); // EPIPE when the watchdog was killed
    try {
      const logFrom = fstatSync(log).size;
      const child = await spawned(plan, log);
      watchdog.stdin.write(`${child.pid}\n`);
      const running = new ManagedProcess(plan, child, watchdog, logFrom);
      const identity = { child: identify(running.pid), owner: identify(process.pid) };
      if (identity.child) writeFileSync(pidFile(plan), JSON.stringify(identity), { mode: 0o600 });
      await running.becomeReady();
      return running;
    } catch (error) {
      watchdog.stdin.end('not started\n');
      throw error;
    } finally {
      closeSync(log);
    }
  }

  /** Ends the process in order, by force after `graceMs`. Safe to call twice, or after it ended by itself. */
  async stop(graceMs = STOP_GRACE_MS): Promise<ProcessExit> {
    if (this.ended) return this.ended;
    this.kill(this.plan.stopSignal);
    this.kill('SIGCONT'); // a test may have stopped it with SIGSTOP; then it would never see the signal
    try {
      await waitUntil(() => !this.isRunning, { what: `${this.name} ended`, timeoutMs: graceMs });
    } catch (error) {
      if (!(error instanceof WaitTimeout)) throw error;
      this.kill('SIGKILL');
    }
    return this.exited;
  }

  /** Sends a signal; nothing happens when the process has ended. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    if (this.ended) return;
    try {
      process.kill(this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** The last lines that this run wrote to its log. */
  logTail(lines = 20): string {
    return tailOf(this.logFile, this.logFrom, lines);
  }

  /** The last line that was meant for people; a service's log lines are JSON. */
  lastWords(): string {
    const lines = this.logTail(200).split('\n');
    return lines.findLast((line) => !line.startsWith('{')) || (lines.at(-1) ?? '');
  }

  private async becomeReady(): Promise<void> {
    const { ready, readyWithinMs = 30_000, name, abort } = this.plan;
    const look = async () => {
      if (abort?.aborted) throw new LocalError('not-ready', `${name} was stopped before it was ready`);
      return this.ended !== null || (await ready(this.pid));
    };
    try {
      await waitUntil(look, { what: `${name} ready`, timeoutMs: readyWithinMs });
    } catch (error) {
      await this.stop(2_000);
      if (!(error instanceof WaitTimeout)) throw error;
      throw new LocalError('not-ready', `${name} was not ready within ${readyWithinMs} ms: see ${this.logFile}`, {
        cause: error,
      });
    }
    if (!this.ended) return;
    const how = this.ended.signal ?? `code ${this.ended.code}`;
    const said = this.lastWords();
    throw new LocalError(
      'process-exited',
      `${name} ended (${how}) before it was ready${said && `: ${said}`} (log: ${this.logFile})`,
    );
  }
}

function pidFile(plan: ProcessPlan): string {
  return path.join(plan.dir, `${plan.name}.pid`);
}

function logFile(plan: ProcessPlan): string {
  return path.join(plan.dir, `${plan.name}.log`);
}

/** Opens the log for appending; one that has grown is kept once, under `.1`. */
function openLog(plan: ProcessPlan): number {
  const file = logFile(plan);
  if (existsSync(file) && statSync(file).size > LOG_KEPT_BYTES) renameSync(file, `${file}.1`);
  return openSync(file, 'a', 0o600);
}

function spawned(plan: ProcessPlan, log: number): Promise<ChildProcess> {
  const child = spawn(plan.command, plan.args, {
    cwd: plan.cwd ?? plan.dir,
    env: plan.env ?? process.env,
    stdio: ['ignore', log, log],
    detached: true,
    ...plan.user,
  });
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child));
    child.once('error', (cause) => {
      reject(
        new LocalError('binary-missing', `${plan.name} cannot be run from ${plan.command}: ${cause.message}`, {
          cause,
        }),
      );
    });
  });
}

/** What the pid file of a former run asks for, see the head of this file. */
async function clearFormerRun(plan: ProcessPlan): Promise<void> {
  const former = readPidFile(pidFile(plan));
  if (!former) return;
  const { child, owner } = former;
  if (isAlive(child)) {
    if (owner && isAlive(owner)) {
      const message = `${plan.name} of ${plan.dir} is running as pid ${child.pid}, started by pid ${owner.pid}: stop that one first`;
      throw new LocalError('already-running', message);
    }
    await endOrphan(child, plan.stopSignal);
  }
  rmSync(pidFile(plan), { force: true });
}

async function endOrphan(child: ProcessIdentity, stopSignal: NodeJS.Signals): Promise<void> {
  for (const signal of [stopSignal, 'SIGKILL'] as const) {
    try {
      process.kill(child.pid, signal);
      await waitUntil(() => !isAlive(child), { what: `pid ${child.pid} ended`, timeoutMs: STOP_GRACE_MS });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
      if (!(error instanceof WaitTimeout) || signal === 'SIGKILL') throw error;
    }
  }
}

function readPidFile(file: string): { child: ProcessIdentity; owner: ProcessIdentity | null } | null {
  try {
    const { child, owner } = JSON.parse(readFileSync(file, 'utf8'));
    return Number.isSafeInteger(child?.pid) && typeof child.started === 'string'
      ? { child, owner: owner ?? null }
      : null;
  } catch {
    return null; // none, or cut off by a crash: nothing is known, and the process's own locks still protect its data
  }
}

function tailOf(file: string, from: number, lines: number): string {
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    const start = Math.max(from, size - 64 * 1024);
    const bytes = Buffer.alloc(Math.max(0, size - start));
    readSync(fd, bytes, 0, bytes.length, start);
    return bytes.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    closeSync(fd);
  }
}
