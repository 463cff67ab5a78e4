/** A real ingest process, built from the sources, for specs that kill it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { freePort, waitUntil } from '@everseal/local';
import { stringify } from 'yaml';
import type { IngestSettings } from './config.js';
import type { IngestLab, Producer } from './ingest.fixture.js';

export class IngestProcess {
  output = '';
  readonly ended: Promise<number | null>;

  private constructor(
    private readonly lab: IngestLab,
    private readonly child: ChildProcess,
    readonly port: number,
  ) {
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (this.output += String(data)));
    this.ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  }

  /** @param main the built main file */
  static async start(lab: IngestLab, main: string, settings: IngestSettings): Promise<IngestProcess> {
    const port = await freePort();
    const file = lab.file('ingest-a.yaml');
    writeFileSync(file, stringify({ ...settings, operations: { ...settings.operations, port } }));
    return new IngestProcess(lab, spawn(process.execPath, [main, file], { stdio: ['ignore', 'pipe', 'pipe'] }), port);
  }

  async ready(producer: Producer): Promise<void> {
    await waitUntil(() => this.output.includes('accepting requests'), { what: 'acceptance', timeoutMs: 25_000 }).catch(
      () => {
        throw new Error(`not ready: ${this.output}`);
      },
    );
    // The subscription has reached the server: a request is answered, with a refusal.
    await waitUntil(() => producer.send('no event').catch(() => null), { what: 'an answer' });
  }

  end(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    return this.ended;
  }

  status(page: string): Promise<number> {
    return new Promise((resolve, reject) => {
      get(
        { host: 'localhost', port: this.port, path: page, ca: readFileSync(this.lab.nats.pki.serversRootFile) },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      ).on('error', reject);
    });
  }
}
