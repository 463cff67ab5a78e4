/** System calls of running processes that fail, by `strace -e inject`: what a disk does that answers with an I/O error. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { waitUntil } from '@everseal/local';

const ATTACH_MS = 20_000;

/** Whether this machine has strace and lets it attach. */
export function canInject(): boolean {
  return spawnSync('strace', ['-e', 'trace=none', 'true']).status === 0;
}

/** Until `stop()`: the calls fail in these processes, in all their threads and in what they start. */
export class InjectedFailures {
  private constructor(private readonly child: ChildProcess) {}

  /**
   * @param calls names with commas between them
   * @param which `1+` for every call of a thread from the first on, `3` for the third alone
   */
  static async start(pids: readonly number[], calls: string, error: string, which = '1+'): Promise<InjectedFailures> {
    const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:error=${error}:when=${which}`];
    const targets = pids.flatMap((pid) => ['-p', String(pid)]);
    const child = spawn('strace', ['-f', '-qq', ...inject, ...targets], { stdio: 'ignore' });
    const failures = new InjectedFailures(child);
    const attached = (): boolean => pids.every((pid) => isGone(pid) || tracerOf(pid) === child.pid);
    await waitUntil(attached, { what: `strace at ${pids.join(', ')}`, timeoutMs: ATTACH_MS });
    return failures;
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM'); // lets go of what it traces
    await ended;
  }
}

/** The processes that this one has started and that still run. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

function statusOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return null;
  }
}

function isGone(pid: number): boolean {
  return statusOf(pid) === null;
}

function tracerOf(pid: number): number {
  return Number(/^TracerPid:\s+(\d+)/m.exec(statusOf(pid) ?? '')?.[1] ?? 0);
}
