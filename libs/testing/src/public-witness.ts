/**
 * C2SP witnesses that we did not write, for a spec: litewitness (filippo.io/torchwood) and omniwitness (transparency-dev/witness). Both
 * speak HTTP without TLS, so a server that speaks TLS stands in front, which also keeps what was said.
 *
 *     LITEWITNESS_BIN   GOBIN=<folder> go install filippo.io/torchwood/cmd/litewitness@v0.9.0
 *     OMNIWITNESS_BIN   GOBIN=<folder> go install github.com/transparency-dev/witness/cmd/omniwitness@latest
 *
 * name the programs; specs that need one skip where it is not set. litewitness needs `ssh-agent` and `sqlite3` on PATH as well: its key is in
 * an agent, and a log is put into its database as `witnessctl` does, which is made of packages that not every proxy serves.
 */
import { randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import path from 'node:path';
import { COSIGNATURE_KEY, EMPTY_ROOT, encodeBase64, formatVkey, NOTE_KEY, SigningKey } from '@everseal/audit-core';
import { freePort, isPortFree, ManagedProcess } from '@everseal/local';

const VARIABLES = { litewitness: 'LITEWITNESS_BIN', omniwitness: 'OMNIWITNESS_BIN' } as const;
export type PublicWitnessProgram = keyof typeof VARIABLES;

const START_MS = 60_000;

/** Those that are here. */
export function publicWitnesses(): PublicWitnessProgram[] {
  const programs = Object.keys(VARIABLES) as PublicWitnessProgram[];
  return programs.filter((program) => process.env[VARIABLES[program]] !== undefined);
}

/** A request to it and its answer. */
export interface WitnessExchange {
  /** Size that the request said to be the one cosigned last. */
  readonly old: number;
  readonly status: number;
}

/** How a program is run. */
interface Running {
  readonly vkey: string;
  readonly args: readonly string[];
  /** What runs beside it. */
  readonly beside: readonly ManagedProcess[];
  /** Has it know the log; it runs. */
  readonly prepared: () => void;
}

interface WitnessedLog {
  readonly origin: string;
  readonly vkey: string;
}

export class PublicWitness {
  /** What was asked and answered, in order. */
  readonly seen: WitnessExchange[] = [];
  private witness: ManagedProcess | null = null;

  private constructor(
    private readonly program: PublicWitnessProgram,
    private readonly folder: string,
    private readonly running: Running,
    private readonly listener: Server,
    private readonly inner: number,
    readonly port: number,
  ) {}

  /**
   * @param folder for its files
   * @param log that it is to witness
   * @param tls certificate and key of the server in front of it, PEM
   */
  static async start(
    program: PublicWitnessProgram,
    folder: string,
    log: WitnessedLog,
    tls: { cert: string | Buffer; key: string | Buffer },
  ): Promise<PublicWitness> {
    mkdirSync(folder, { recursive: true });
    const [inner, port] = [await freePort(), await freePort()];
    const running = await PROGRAMS[program](folder, inner, log);
    const listener = createServer(tls);
    const witness = new PublicWitness(program, folder, running, listener, inner, port);
    listener.on('request', (asked, answer) => witness.pass(asked, answer));
    await new Promise<void>((resolve) => listener.listen(port, '127.0.0.1', resolve));
    await witness.resume();
    running.prepared();
    return witness;
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  get vkey(): string {
    return this.running.vkey;
  }

  /** Name of its key. */
  get name(): string {
    return nameOf(this.program);
  }

  async pause(): Promise<void> {
    await this.witness?.stop();
    this.witness = null;
  }

  async resume(): Promise<void> {
    this.witness = await ManagedProcess.start({
      name: this.program,
      command: process.env[VARIABLES[this.program]]!,
      args: this.running.args,
      dir: this.folder,
      stopSignal: 'SIGINT',
      ready: async () => !(await isPortFree(this.inner)),
      readyWithinMs: START_MS,
    });
  }

  /** Keeps what it knows now. It must be paused. */
  keep(): void {
    copyDatabase(databaseIn(this.folder), keptIn(this.folder));
  }

  /** Sets it back to what was kept, as a restored backup would. It must be paused. */
  setBack(): void {
    copyDatabase(keptIn(this.folder), databaseIn(this.folder));
  }

  async stop(): Promise<void> {
    await this.pause();
    for (const process_ of this.running.beside) await process_.stop();
    this.listener.closeAllConnections();
    this.listener.close();
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
        const old = Number(/^old (\d+)\n/.exec(body.toString())?.[1]);
        this.seen.push({ old, status: said.statusCode! });
        said.pipe(answer.writeHead(said.statusCode!, said.headers));
      });
      inner.end(body);
    });
  }
}

const PROGRAMS: Record<PublicWitnessProgram, (folder: string, port: number, log: WitnessedLog) => Promise<Running>> = {
  litewitness,
  omniwitness,
};

const nameOf = (program: PublicWitnessProgram): string => `witness.example.org/${program}`;
const databaseIn = (folder: string): string => path.join(folder, 'witness.db');
const keptIn = (folder: string): string => path.join(folder, 'kept.db');

/** An SQLite database that nobody has open, with what is not in its main file yet. */
function copyDatabase(from: string, to: string): void {
  for (const part of ['', '-wal', '-shm']) {
    rmSync(to + part, { force: true });
    if (existsSync(from + part)) copyFileSync(from + part, to + part);
  }
}

async function litewitness(folder: string, port: number, { origin, vkey }: WitnessedLog): Promise<Running> {
  const keyFile = path.join(folder, 'key');
  const socket = path.join(folder, 'agent.sock');
  const database = databaseIn(folder);
  run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', keyFile]);
  const agent = await ManagedProcess.start({
    name: 'ssh-agent',
    command: 'ssh-agent',
    args: ['-D', '-a', socket],
    dir: folder,
    stopSignal: 'SIGTERM',
    ready: () => existsSync(socket),
    readyWithinMs: START_MS,
  });
  run('ssh-add', ['-q', keyFile], { SSH_AUTH_SOCK: socket });
  const fingerprint = run('ssh-keygen', ['-l', '-f', `${keyFile}.pub`]).split(' ')[1]!;
  // The last 32 bytes of an OpenSSH public key are the Ed25519 one.
  const publicKey = Buffer.from(readFileSync(`${keyFile}.pub`, 'utf8').split(' ')[1]!, 'base64').subarray(-32);
  const name = nameOf('litewitness');
  return {
    vkey: formatVkey(name, COSIGNATURE_KEY, publicKey),
    args: ['-name', name, '-db', database, '-key', fingerprint, '-ssh-agent', socket, '-listen', `127.0.0.1:${port}`],
    beside: [agent],
    prepared: () => {
      run('sqlite3', [database, `INSERT INTO log VALUES ('${origin}', 0, '${encodeBase64(EMPTY_ROOT)}')`]);
      run('sqlite3', [database, `INSERT INTO key VALUES ('${origin}', '${vkey}')`]);
    },
  };
}

/** It reaches for nothing else: feeders and lists of logs are asked for by options that are not given. */
function omniwitness(folder: string, port: number, { origin, vkey }: WitnessedLog): Promise<Running> {
  const seed = randomBytes(32);
  const name = nameOf('omniwitness');
  const [keyFile, logsFile] = [path.join(folder, 'key'), path.join(folder, 'logs.yaml')];
  writeFileSync(keyFile, SigningKey.fromSeed(name, seed, NOTE_KEY).skey, { mode: 0o600 });
  writeFileSync(logsFile, `Logs:\n  - Origin: ${origin}\n    PublicKey: ${vkey}\n    URL: http://127.0.0.1:9/\n`);
  const files = ['--private_key_path', keyFile, '--additional_logs', logsFile, '--db_file', databaseIn(folder)];
  return Promise.resolve({
    vkey: SigningKey.fromSeed(name, seed, COSIGNATURE_KEY).verifier.vkey,
    args: [...files, '--listen', `127.0.0.1:${port}`, '--metrics_listen', '', '--logtostderr'],
    beside: [],
    prepared: () => undefined,
  });
}

function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): string {
  const options = { encoding: 'utf8', env: { ...process.env, ...env } } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${error?.message ?? stderr}`);
  return stdout;
}
