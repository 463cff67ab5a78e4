/**
 * What docker-compose.yml needs on the host: certificates, keys, rendered configs and the variables it is run with, in one folder that the
 * containers see, each only its own part, as /everseal. Paths in the settings are relative, so they hold on both sides.
 *
 *   <dir>/.env                               for `docker compose --env-file`
 *   <dir>/policy.yaml                        a copy of the policy
 *   <dir>/pki  keys  trust  config           as in installation-layout.ts
 *   <dir>/nats/nats.conf
 *   <dir>/logs                               written by the engines, read by the follower
 *   <dir>/postgres/{pg_hba,pg_ident}.conf    and `password`, which initdb insists on; no rule lets anybody in by it
 */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { identitiesOf, readPolicy, renderNats, renderPostgres } from '@everseal/policy';
import { DevPki } from '@everseal/pki';
import { replaceFile } from '@everseal/tls';
import { InstallationLayout, type Ports, servicesOf } from './installation-layout.js';
import { DATABASE } from './installation-logins.js';
import { writeSettings } from './service-settings.js';
import { ensureKeys, KeyFolder } from './signing-keys.js';
import { giveTo } from './unprivileged-user.js';

const INSIDE = '/everseal';

const HOSTS = { nats: 'nats', postgres: 'postgres', operations: '0.0.0.0' };
const OPERATIONS_PORT = 9100;
const API_PORTS = { certificate: 9443, open: 9444 };
/** Usually the first account of a machine, and the user `node` of the image. */
const ORDINARY_USER = 1000;
/** Networks that a container engine gives out; who comes from there still needs a certificate. */
const PRIVATE_NETWORKS = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'];

/** Writes what is missing or changed into `dir`. Returns notices for the operator. LocalError `key-mismatch`, the policy's own errors. */
export async function prepareContainers(dir: string, policyFile: string): Promise<string[]> {
  const policy = readPolicy(policyFile);
  const layout = new InstallationLayout(dir);
  const keys = new KeyFolder(layout.dir);
  const logs = path.join(layout.dir, 'logs');
  for (const folder of [layout.dir, layout.nats, layout.postgres, logs]) mkdirSync(folder, { recursive: true });
  const policyCopy = path.join(layout.dir, 'policy.yaml');
  copyFileSync(policyFile, policyCopy);

  const services = servicesOf(policy);
  const pki = await DevPki.open(layout.pki);
  for (const name of ['nats', 'postgres', ...services.map(({ id }) => id)]) await pki.ensureServer(name);
  for (const identity of identitiesOf(policy)) await pki.ensureClient(identity);
  const notices = ensureKeys(policy, keys, Date.now());

  const operations = Object.fromEntries(services.map(({ id }) => [id, OPERATIONS_PORT]));
  const api = Object.fromEntries(policy.readers.map(({ name }) => [`reader-${name}`, API_PORTS]));
  const ports: Ports = { nats: 4222, postgres: 5432, operations, api };
  const engineLogs = { nats: path.join(logs, 'nats.log'), postgres: logs };
  const place = { layout, keys, policy, policyFile: policyCopy, ports, database: DATABASE, hosts: HOSTS, engineLogs };
  for (const instance of services) writeSettings(place, instance);

  const certificate = (file: string) => `${INSIDE}/pki/server/nats/${file}.pem`;
  const tls = { certFile: certificate('cert'), keyFile: certificate('key'), caFile: certificate('ca') };
  const at = { host: '0.0.0.0', port: ports.nats, storeDir: '/data', logFile: `${INSIDE}/logs/nats.log` };
  const nats = renderNats(policy, { serverName: 'nats', ...at, ...tls });
  const { hba, ident } = renderPostgres(policy, { database: DATABASE, addresses: PRIVATE_NETWORKS });
  replaceFile(path.join(layout.nats, 'nats.conf'), nats, 0o644);
  replaceFile(path.join(layout.postgres, 'pg_hba.conf'), hba, 0o644);
  replaceFile(path.join(layout.postgres, 'pg_ident.conf'), ident, 0o644);
  const password = path.join(layout.postgres, 'password');
  if (!existsSync(password)) replaceFile(password, randomBytes(32).toString('base64'), 0o600);
  writeFileSync(path.join(layout.dir, '.env'), handOver(layout.dir));
  return notices;
}

/**
 * Containers run as whoever owns the key files, for those are closed to everybody else. Root's own files are given to an ordinary user:
 * Postgres does not run as root, and nothing else should.
 */
function handOver(dir: string): string {
  let [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  if (uid === 0) {
    [uid, gid] = [ORDINARY_USER, ORDINARY_USER];
    giveTo({ uid, gid }, dir);
  }
  return `EVERSEAL_DIR=${dir}\nEVERSEAL_UID=${uid}\nEVERSEAL_GID=${gid}\n`;
}
