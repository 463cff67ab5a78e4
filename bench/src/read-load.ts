/**
 * Asks a reader over HTTPS at a steady rate, whether answers come or not (an open loop), and keeps how long each took, from the
 * moment it was due. Connections stay open from one run to the next, as those of monitors do: the handshakes of all of them at
 * once take longer than a hundredth of a run.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';

export interface ReadLogin {
  readonly port: number;
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

export interface ReadResult {
  /** Milliseconds from when each request was due to its last byte. */
  readonly latencies: number[];
  /** Requests that failed, or whose answer was not 200. */
  readonly failed: number;
}

/** Connections: what a handful of monitors have. */
const CONNECTIONS = 32;

export class ReadLoad {
  private readonly agent: Agent;

  constructor(private readonly login: ReadLogin) {
    const [cert, key, ca] = [login.certFile, login.keyFile, login.caFile].map((file) => readFileSync(file));
    this.agent = new Agent({ cert, key, ca, keepAlive: true, maxSockets: CONNECTIONS, scheduling: 'fifo' });
  }

  /** Opens every connection. @throws when one request fails */
  async connect(path: string): Promise<void> {
    await Promise.all(Array.from({ length: CONNECTIONS }, () => this.get(path)));
  }

  /** @param pathOf a path for each request */
  async run(pathOf: () => string, perSecond: number, seconds: number): Promise<ReadResult> {
    const latencies: number[] = [];
    let failed = 0;
    const ask = async (path: string, due: number): Promise<void> => {
      try {
        await this.get(path);
        latencies.push(performance.now() - due);
      } catch {
        failed++;
      }
    };
    const running: Promise<void>[] = [];
    const start = performance.now();
    for (let n = 0; n < perSecond * seconds;) {
      const due = Math.min(perSecond * seconds, Math.floor(((performance.now() - start) / 1_000) * perSecond) + 1);
      for (; n < due; n++) running.push(ask(pathOf(), start + (n * 1_000) / perSecond));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(running);
    return { latencies, failed };
  }

  /** The body of one path. @throws for any answer but 200 */
  get(path: string): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const place = { host: 'localhost', port: this.login.port, path };
      const asked = request({ ...place, agent: this.agent, timeout: 10_000 }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          if (answer.statusCode === 200) resolve(Buffer.concat(chunks));
          else reject(new Error(`${path}: HTTP ${answer.statusCode}`));
        });
      });
      asked.on('timeout', () => asked.destroy(new Error(`${path}: no answer`)));
      asked.on('error', reject);
      asked.end();
    });
  }

  close(): void {
    this.agent.destroy();
  }
}
