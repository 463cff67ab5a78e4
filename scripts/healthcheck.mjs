/**
 * Health check of a service in a container: `node healthcheck.mjs <port> <folder of a client certificate>`; exit code 0 when it is ready.
 * The service's own client certificate will do: who may ask is whoever has a certificate of the clients' root.
 */
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import path from 'node:path';

const [port, folder] = process.argv.slice(2);
const file = (name) => readFileSync(path.join(folder, `${name}.pem`));
const options = {
  host: 'localhost',
  port,
  path: '/ready',
  cert: file('cert'),
  key: file('key'),
  ca: file('ca'),
  timeout: 3_000,
};

const request = get(options, (response) => {
  process.exitCode = response.statusCode === 200 ? 0 : 1;
  response.pipe(process.stdout);
});
request.on('timeout', () => request.destroy(new Error('no answer')));
request.on('error', (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
