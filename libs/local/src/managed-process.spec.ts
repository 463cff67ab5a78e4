import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { transformFileSync } from '@swc/core';
import { ManagedProcess, type ProcessPlan } from './managed-process.js';
import { identify } from './process-identity.js';
import { waitUntil } from './wait-until.js';

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-process-'));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A shell that says it is up, and what it was told; `onTerm` is what it does about SIGTERM. */
function plan(name: string, onTerm = 'echo told; exit 3'): ProcessPlan {
  const script = `trap '${onTerm}' TERM; echo up; while :; do sleep 0.05; done`;
  const logFile = path.join(dir, `${name}.log`);
  return {
    name,
    command: '/bin/sh',
    args: ['-c', script],
    dir,
    stopSignal: 'SIGTERM',
    ready: () => readFileSync(logFile, 'utf8').includes('up'),
  };
}

describe('ManagedProcess', () => {
  it('stops in order, keeps the output, leaves no pid file', async () => {
    const running = await ManagedProcess.start(plan('orderly'));
    expect(existsSync(path.join(dir, 'orderly.pid'))).toBe(true);
    expect(await running.stop()).toEqual({ code: 3, signal: null });
    expect(running.logTail()).toBe('up\ntold');
    expect(existsSync(path.join(dir, 'orderly.pid'))).toBe(false);
    expect(await running.stop()).toEqual({ code: 3, signal: null });
  });

  it('stops by force what does not stop, and what a test has frozen', async () => {
    const stubborn = await ManagedProcess.start(plan('stubborn', ':'));
    expect(await stubborn.stop(200)).toEqual({ code: null, signal: 'SIGKILL' });
    const frozen = await ManagedProcess.start(plan('frozen'));
    frozen.kill('SIGSTOP');
    expect(await frozen.stop()).toEqual({ code: 3, signal: null });
  });

  it('reports the last line of a process that ends too early, and one that never gets ready', async () => {
    const early = {
      ...plan('early'),
      args: ['-c', 'echo starting; echo no such thing >&2; exit 7'],
      ready: () => false,
    };
    await expect(ManagedProcess.start(early)).rejects.toMatchObject({
      code: 'process-exited',
      message: expect.stringContaining('early ended (code 7) before it was ready: no such thing'),
    });
    const late = { ...plan('late'), ready: () => false, readyWithinMs: 100 };
    await expect(ManagedProcess.start(late)).rejects.toMatchObject({ code: 'not-ready' });
    expect(existsSync(path.join(dir, 'late.pid'))).toBe(false);
    const absent = { ...plan('absent'), command: path.join(dir, 'nothing') };
    await expect(ManagedProcess.start(absent)).rejects.toMatchObject({ code: 'binary-missing' });
  });

  it('refuses a second run while the first one lives', async () => {
    const first = await ManagedProcess.start(plan('single'));
    await expect(ManagedProcess.start(plan('single'))).rejects.toMatchObject({ code: 'already-running' });
    await first.stop();
  });

  it('takes no notice of a pid file whose pid now is another process', async () => {
    const stranger = { child: { pid: process.pid, started: 'another time' }, owner: null };
    writeFileSync(path.join(dir, 'reused.pid'), JSON.stringify(stranger));
    const running = await ManagedProcess.start(plan('reused'));
    await running.stop();
    expect(identify(process.pid)).not.toBeNull();
  });
});

describe('when the parent is killed with SIGKILL', () => {
  it('the child is stopped in order', async () => {
    const { parent, child } = await startFromAnotherProcess('watched');
    parent.kill('SIGKILL');
    await waitUntil(() => identify(child) === null, { what: `pid ${child} ended` });
    expect(readFileSync(path.join(dir, 'watched.log'), 'utf8')).toBe('up\ntold\n');
  });

  it('and its watchdog too, the next start stops the child first', async () => {
    const { parent, child } = await startFromAnotherProcess('orphan');
    for (const watchdog of childrenOf(parent.pid as number)) if (watchdog !== child) process.kill(watchdog, 'SIGKILL');
    parent.kill('SIGKILL');
    await waitUntil(() => identify(parent.pid as number) === null, { what: 'the parent ended' });
    expect(identify(child)).not.toBeNull(); // the control: without the watchdog it would stay
    const next = await ManagedProcess.start(plan('orphan'));
    expect(identify(child)).toBeNull();
    await next.stop();
  });
});

/** Runs the real code in a process of its own, which then does nothing but wait. */
async function startFromAnotherProcess(name: string): Promise<{ parent: ChildProcess; child: number }> {
  for (const module of ['managed-process', 'process-identity', 'wait-until', 'local-error', 'port']) {
    const { code } = transformFileSync(path.join(import.meta.dirname, `${module}.ts`), {
      swcrc: false,
      jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
      module: { type: 'es6' },
    });
    writeFileSync(path.join(dir, `${module}.js`), code);
  }
  writeFileSync(path.join(dir, 'package.json'), '{"type":"module"}');
  const { ready: _, ...rest } = plan(name);
  const program = `
    import { readFileSync } from 'node:fs';
    import { ManagedProcess } from './managed-process.js';
    const plan = ${JSON.stringify(rest)};
    plan.ready = () => readFileSync(${JSON.stringify(path.join(dir, `${name}.log`))}, 'utf8').includes('up');
    console.log((await ManagedProcess.start(plan)).pid);
  `;
  writeFileSync(path.join(dir, `${name}.js`), program);
  const parent = spawn(process.execPath, [path.join(dir, `${name}.js`)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = await new Promise<string>((resolve, reject) => {
    parent.stdout.once('data', (text) => resolve(String(text)));
    parent.once('exit', () => reject(new Error('the parent ended')));
  });
  return { parent, child: Number(pid) };
}

function childrenOf(pid: number): number[] {
  const all = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).stdout.trim().split('\n');
  return all
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child, parent]) => (parent === pid ? [child as number] : []));
}
