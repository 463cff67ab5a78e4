/**
 * Asks a reader over HTTPS at a steady rate, whether answers come or not (an open loop), and keeps how long each took, from the
 * moment it was due.
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
  /** Answers that were not 200, and requests that failed. */
  readonly failed: number;
}

/** Connections: what a handful of monitors have. */
const CONNECTIONS = 32;

/** @param pathOf the path of request number n */
export async function readLoad(
  login: ReadLogin,
  pathOf: (n: number) => string,
  perSecond: number,
  seconds: number,
): Promise<ReadResult> {
  const tls = {
    cert: readFileSync(login.certFile),
    key: readFileSync(login.keyFile),
    ca: readFileSync(login.caFile),
  };
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: CONNECTIONS, scheduling: 'fifo' });
  const latencies: number[] = [];
  let failed = 0;
  const ask = (path: string, due: number): Promise<void> =>
    new Promise((resolve) => {
      const asked = request({ host: 'localhost', port: login.port, path, agent, timeout: 10_000 }, (answer) => {
        answer.on('end', () => {
          latencies.push(performance.now() - due);
          if (answer.statusCode !== 200) failed++;
          resolve();
        });
        answer.resume();
      });
      asked.on('timeout', () => asked.destroy(new Error('no answer')));
      asked.on('error', () => {
        failed++;
        resolve();
      });
      asked.end();
    });
  const running: Promise<void>[] = [];
  const start = performance.now();
  for (let n = 0; n < perSecond * seconds;) {
    const due = Math.min(perSecond * seconds, Math.floor(((performance.now() - start) / 1_000) * perSecond) + 1);
    for (; n < due; n++) running.push(ask(pathOf(n), start + (n * 1_000) / perSecond));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(running);
  agent.destroy();
  return { latencies, failed };
}

/** The body of one path. */
export function readOnce(login: ReadLogin, path: string): Promise<string> {
  const tls = { cert: readFileSync(login.certFile), key: readFileSync(login.keyFile), ca: readFileSync(login.caFile) };
  return new Promise((resolve, reject) => {
    const asked = request({ host: 'localhost', port: login.port, path, ...tls, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve(Buffer.concat(chunks).toString()));
    });
    asked.on('error', reject);
    asked.end();
  });
}
