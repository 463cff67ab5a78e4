/**
 * A nats-server of its own for one spec file, with certificates; gone with its data after `stop()`. The config is the caller's, given
 * where things are; render it from a policy, or write it by hand.
 */
import path from 'node:path';
import { type CertificateFiles, DevPki, type NatsProcess, startNatsServer } from '@everseal/local';
import { temporaryFolder, type TemporaryFolder } from './temporary-folder.js';

/** Where things are for the config. */
export interface NatsPlace {
  /** `127.0.0.1:-1`: the server picks a free port. */
  listen: string;
  storeDir: string;
  /** The server's certificate and key; `caFile` is the root of the clients. */
  server: CertificateFiles;
}

export interface TestNatsOptions {
  config: (place: NatsPlace) => string;
  /** Where the PKI and the data go; a temporary folder unless given (then `stop()` leaves it there). */
  folder?: TemporaryFolder;
  pki?: DevPki;
}

export class TestNats {
  private current: NatsProcess;

  private constructor(
    first: NatsProcess,
    readonly pki: DevPki,
    private readonly dir: string,
    private readonly config: (listen: string) => string,
    private readonly ownFolder: TemporaryFolder | null,
  ) {
    this.current = first;
  }

  static async start(options: TestNatsOptions): Promise<TestNats> {
    const folder = options.folder ?? temporaryFolder('nats');
    const pki = options.pki ?? (await DevPki.open(path.join(folder.path, 'pki')));
    const server = await pki.ensureServer('nats');
    const dir = path.join(folder.path, 'nats');
    const config = (listen: string) => options.config({ listen, storeDir: path.join(dir, 'store'), server });
    const running = await startNatsServer({ dir, config: config('127.0.0.1:-1') });
    return new TestNats(running, pki, dir, config, options.folder ? null : folder);
  }

  get process(): NatsProcess {
    return this.current;
  }

  get port(): number {
    return this.current.port;
  }

  /** For `connect({ servers })`. */
  get server(): string {
    return `tls://localhost:${this.current.port}`;
  }

  /** Ends the server (kill -9 unless told otherwise) and starts it again at the same port, on the same data. */
  async restart(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.current.kill(signal);
    await this.current.process.exited;
    this.current = await startNatsServer({ dir: this.dir, config: this.config(`127.0.0.1:${this.current.port}`) });
  }

  async stop(): Promise<void> {
    await this.current.stop();
    this.ownFolder?.remove();
  }
}
