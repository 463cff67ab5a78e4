/**
 * Where an installation on one machine keeps what, and which ports it uses.
 *
 *   <dir>/installation.json                 policy file and ports; says that this folder is one (npm run reset removes nothing else)
 *   <dir>/owner.json                        the process that runs it now
 *   <dir>/pki/…  keys/…  trust/…            dev-pki.ts, signing-keys.ts
 *   <dir>/config/<service>-<name>.yaml      settings, written at every start
 *   <dir>/nats/  <dir>/postgres/            the two engines: config, log, data
 *   <dir>/state/<service>-<name>/           what the service itself keeps: spool, memory
 *   <dir>/services/<service>-<name>.log     its output
 */
import path from 'node:path';
import type { Policy } from '@everseal/policy';
import { freePort } from './port.js';

/** The services of an installation, in the order in which they are started; they are stopped in the reverse one. */
const SERVICES = ['verifier', 'sealer', 'ingest', 'reader', 'follower'] as const;
export type ServiceKind = (typeof SERVICES)[number];

/** One running service: kind and the name that the policy gives it. */
export interface ServiceInstance {
  service: ServiceKind;
  name: string;
  /** `<service>-<name>`: file names, certificate, log lines. */
  id: string;
}

/** TCP ports at 127.0.0.1. */
export interface Ports {
  nats: number;
  postgres: number;
  /** /live, /ready and /metrics of each service, by id. */
  operations: Record<string, number>;
  /** The read API of each reader, by id: for clients with a certificate, and for those without. */
  api: Record<string, ApiPorts>;
}

export interface ApiPorts {
  certificate: number;
  open: number;
}

/** Off the usual 4222 and 5432, which a developer's machine often has in use. */
const NATS_PORT = 14_222;
const POSTGRES_PORT = 15_432;
const OPERATIONS_PORT = 19_100;
const API_PORT = 19_200;

/** Where the engines log: a file, and a folder. */
export interface EngineLogs {
  nats: string;
  postgres: string;
}

export class InstallationLayout {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = path.resolve(dir);
  }

  get marker(): string {
    return path.join(this.dir, 'installation.json');
  }

  get owner(): string {
    return path.join(this.dir, 'owner.json');
  }

  get pki(): string {
    return path.join(this.dir, 'pki');
  }

  get nats(): string {
    return path.join(this.dir, 'nats');
  }

  get postgres(): string {
    return path.join(this.dir, 'postgres');
  }

  /** What a follower reads: nats-server's output and what it was moved to, and the folder of Postgres's JSON log. */
  get engineLogs(): EngineLogs {
    return { nats: path.join(this.nats, 'nats-server.log'), postgres: path.join(this.postgres, 'log') };
  }

  get services(): string {
    return path.join(this.dir, 'services');
  }

  get config(): string {
    return path.join(this.dir, 'config');
  }

  configFile(id: string): string {
    return path.join(this.config, `${id}.yaml`);
  }

  state(id: string): string {
    return path.join(this.dir, 'state', id);
  }
}

/** Every service instance that the policy names, in starting order. */
export function servicesOf(policy: Policy): ServiceInstance[] {
  const { ingest, sealers, verifiers, readers, followers } = policy;
  const named = { ingest, sealer: sealers, verifier: verifiers, reader: readers, follower: followers };
  return SERVICES.flatMap((service) => named[service].map(({ name }) => ({ service, name, id: `${service}-${name}` })));
}

/** The ports of an installation that nobody gave others: fixed, so that links and examples stay true. */
export function fixedPorts(policy: Policy): Ports {
  // Followers last: whoever adds one keeps the ports of the others.
  const all = servicesOf(policy);
  const isFollower = ({ service }: ServiceInstance): boolean => service === 'follower';
  const sorted = (some: ServiceInstance[]): string[] => some.map(({ id }) => id).sort();
  const ids = [...sorted(all.filter((one) => !isFollower(one))), ...sorted(all.filter(isFollower))];
  return {
    nats: NATS_PORT,
    postgres: POSTGRES_PORT,
    operations: Object.fromEntries(ids.map((id, i) => [id, OPERATIONS_PORT + i])),
    api: Object.fromEntries(
      readersOf(policy).map((id, i) => [id, { certificate: API_PORT + 2 * i, open: API_PORT + 2 * i + 1 }]),
    ),
  };
}

/** Free ports, for tests. */
export async function freePorts(policy: Policy): Promise<Ports> {
  const operations: Record<string, number> = {};
  for (const { id } of servicesOf(policy)) operations[id] = await freePort();
  const api: Record<string, ApiPorts> = {};
  for (const id of readersOf(policy)) api[id] = { certificate: await freePort(), open: await freePort() };
  return { nats: await freePort(), postgres: await freePort(), operations, api };
}

function readersOf(policy: Policy): string[] {
  return policy.readers.map(({ name }) => `reader-${name}`).sort();
}
