/**
 * litewitness (filippo.io/torchwood/cmd/litewitness), a C2SP witness that we did not write, for a spec. It speaks HTTP without TLS and has
 * its key in an ssh-agent, so one of each stands here: an agent of its own, and in front of it a server that speaks TLS.
 *
 * `LITEWITNESS_BIN` names the program, with `witnessctl` beside it; specs that need it skip where it is not set. To make both:
 * `GOBIN=<folder> go install filippo.io/torchwood/cmd/litewitness@v0.9.0 filippo.io/torchwood/cmd/witnessctl@v0.9.0`.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import path from 'node:path';
import { freePort, isPortFree, ManagedProcess } from '@everseal/local';

const VARIABLE = 'LITEWITNESS_BIN';
const START_MS = 60_000;

/** Null when it can be started; else why not, in one line. */
export function litewitnessMissing(): string | null {
  const program = process.env[VARIABLE];
  if (program === undefined) return `skipped: ${VARIABLE} names no litewitness, and no other witness of others is here`;
  if (!existsSync(program) || !existsSync(controlOf(program)))
    throw new Error(`${VARIABLE}: ${program} or witnessctl beside it does not exist`);
  return null;
}

const controlOf = (program: string): string => path.join(path.dirname(program), 'witnessctl');

/** A request to it and its answer. */
export interface WitnessExchange {
  /** Size that the request said to be the one cosigned last. */
  readonly old: number;
  readonly status: number;
  readonly answer: string;
}

export class TestLitewitness {
  /** What was asked and answered, in order. */
  readonly seen: WitnessExchange[] = [];
  private witness: ManagedProcess | null = null;

  private constructor(
    private readonly folder: string,
    private readonly agent: ManagedProcess,
    private readonly fingerprint: string,
    private readonly listener: Server,
    private readonly inner: number,
    readonly port: number,
  ) {}

  /**
   * @param folder for its files
   * @param tls certificate and key of the server in front of it
   */
  static async start(folder: string, tls: { certFile: string; keyFile: string }): Promise<TestLitewitness> {
    mkdirSync(folder, { recursive: true });
    const keyFile = path.join(folder, 'key');
    run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', keyFile]);
    const agent = await startAgent(folder);
    run('ssh-add', ['-q', keyFile], { SSH_AUTH_SOCK: socketOf(folder) });
    const fingerprint = run('ssh-keygen', ['-l', '-f', `${keyFile}.pub`]).split(' ')[1]!;
    const [inner, port] = [await freePort(), await freePort()];
    const listener = createServer({ cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) });
    const lite = new TestLitewitness(folder, agent, fingerprint, listener, inner, port);
    listener.on('request', (asked, answer) => lite.pass(asked, answer));
    await new Promise<void>((resolve) => listener.listen(port, '127.0.0.1', resolve));
    await lite.resume();
    return lite;
  }

  get url(): string {
    return `https://localhost:${this.port}/`;
  }

  /** Its public key, as it says itself. */
  get vkey(): string {
    return /vkey=(\S+)/.exec(readFileSync(this.witness!.logFile, 'utf8'))![1]!;
  }

  /** Has it witness a log. */
  addLog(origin: string, vkey: string): void {
    const control = controlOf(process.env[VARIABLE]!);
    run(control, ['add-log', '-db', this.database, '-origin', origin]);
    run(control, ['add-key', '-db', this.database, '-origin', origin, '-key', vkey]);
  }

  async pause(): Promise<void> {
    await this.witness?.stop();
    this.witness = null;
  }

  async resume(): Promise<void> {
    this.witness = await ManagedProcess.start({
      name: 'litewitness',
      command: process.env[VARIABLE]!,
      args: [
        ...['-name', 'witness.example.org/lite', '-db', this.database, '-key', this.fingerprint],
        ...['-ssh-agent', socketOf(this.folder), '-listen', `127.0.0.1:${this.inner}`],
      ],
      dir: this.folder,
      stopSignal: 'SIGINT',
      ready: async () => !(await isPortFree(this.inner)),
      readyWithinMs: START_MS,
    });
  }

  /** Keeps what it knows now. It must be paused. */
  keep(): void {
    copyFileSync(this.database, `${this.database}.kept`);
  }

  /** Sets it back to what was kept, as a restored backup would. It must be paused. */
  setBack(): void {
    copyFileSync(`${this.database}.kept`, this.database);
  }

  async stop(): Promise<void> {
    await this.pause();
    await this.agent.stop();
    this.listener.closeAllConnections();
    this.listener.close();
  }

  private get database(): string {
    return path.join(this.folder, 'litewitness.db');
  }

  private pass(asked: IncomingMessage, answer: ServerResponse): void {
    const chunks: Buffer[] = [];
    asked.on('data', (chunk: Buffer) => chunks.push(chunk));
    asked.on('end', () => {
      const body = Buffer.concat(chunks);
      const { method, url: where, headers } = asked;
      const inner = request({ host: '127.0.0.1', port: this.inner, method, path: where, headers, agent: false });
      inner.on('error', () => answer.destroy());
      inner.on('response', (said: IncomingMessage) => {
        const parts: Buffer[] = [];
        said.on('data', (chunk: Buffer) => parts.push(chunk));
        said.on('end', () => {
          const bytes = Buffer.concat(parts);
          const old = Number(/^old (\d+)\n/.exec(body.toString())?.[1]);
          this.seen.push({ old, status: said.statusCode!, answer: bytes.toString() });
          answer.writeHead(said.statusCode!, said.headers).end(bytes);
        });
      });
      inner.end(body);
    });
  }
}

const socketOf = (folder: string): string => path.join(folder, 'agent.sock');

function startAgent(folder: string): Promise<ManagedProcess> {
  return ManagedProcess.start({
    name: 'ssh-agent',
    command: 'ssh-agent',
    args: ['-D', '-a', socketOf(folder)],
    dir: folder,
    stopSignal: 'SIGTERM',
    ready: () => existsSync(socketOf(folder)),
    readyWithinMs: START_MS,
  });
}

function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${error?.message ?? stderr}`);
  return stdout;
}
