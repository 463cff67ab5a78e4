/** Reads a service's /metrics as ops does: over HTTPS with the ops certificate. */

import { readFileSync } from 'node:fs';
import { request } from 'node:https';

export interface MetricsLogin {
  readonly port: number;
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/**
 * The value of one metric; NaN when it is not there.
 *
 * @param label of the one that is meant, `name="value"`; whichever comes first without it
 */
export async function metric(login: MetricsLogin, name: string, label = ''): Promise<number> {
  const text = await get(login, '/metrics');
  const named = text.split('\n').filter((l) => l.startsWith(`${name}{`) || l.startsWith(`${name} `));
  const line = named.find((l) => l.includes(label));
  return line ? Number(line.slice(line.lastIndexOf(' ') + 1)) : Number.NaN;
}

function get({ port, certFile, keyFile, caFile }: MetricsLogin, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      host: 'localhost',
      port,
      path,
      cert: readFileSync(certFile),
      key: readFileSync(keyFile),
      ca: readFileSync(caFile),
    };
    const asked = request(options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve(Buffer.concat(chunks).toString()));
    });
    asked.on('error', reject);
    asked.end();
  });
}
