/**
 * The settings file of each service of a one-machine installation, as one explicit object a service, and that of the command-line tool.
 * The schemas are the apps' own (apps/<service>/src); a field that is not written here has the default documented there.
 *
 * Paths are relative to the settings file, so that an installation can be moved as a whole.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { DEPLOY, identityOf, type Policy, POSTGRES_LOG_FILES } from '@everseal/policy';
import { stringify } from 'yaml';
import { filesIn } from '@everseal/pki';
import { replaceFile } from '@everseal/tls';
import {
  type EngineLogs,
  type InstallationLayout,
  type Ports,
  type ServiceInstance,
  servicesOf,
} from './installation-layout.js';
import type { KeyFolder } from './signing-keys.js';

/** What the settings are made from. */
export interface SettingsPlace {
  layout: InstallationLayout;
  keys: KeyFolder;
  policy: Policy;
  policyFile: string;
  ports: Ports;
  database: string;
  hosts: Hosts;
  /** Default: where the engines of one machine log. */
  engineLogs?: EngineLogs;
}

/** Names under which the engines are reached, and the address at which a service serves /ready. */
export interface Hosts {
  nats: string;
  postgres: string;
  operations: string;
}

/** Everything on one machine. */
export const LOOPBACK: Hosts = { nats: 'localhost', postgres: 'localhost', operations: '127.0.0.1' };

/** Writes `<dir>/config/<id>.yaml`. */
export function writeSettings(place: SettingsPlace, instance: ServiceInstance): void {
  const settings = SETTINGS[instance.service](place, instance);
  mkdirSync(place.layout.config, { recursive: true });
  mkdirSync(place.layout.state(instance.id), { recursive: true, mode: 0o700 });
  const text = `# Rendered from the policy: change that, not this file.\n${stringify(settings)}`;
  replaceFile(place.layout.configFile(instance.id), text, 0o644);
}

/** Writes `<dir>/config/cli.yaml` for the command-line tool: on one machine its user may be anybody. */
export function writeCliSettings(place: SettingsPlace): void {
  const { keys, layout, policy, hosts, ports } = place;
  const [ops] = policy.ops;
  const identities = policy.producers.map(({ name }) => ({
    name,
    ...certificate(place, 'client', `producer-${name}`),
  }));
  const operator = { id: `ops-${ops?.name}` };
  const settings = {
    domain: policy.domain,
    policyFile: relative(place, place.policyFile),
    alertKeysFile: relative(place, keys.alertKeys()),
    ledgers: policy.ledgers.map(({ name }) => trusted(place, name)),
    nats: { servers: [`tls://${hosts.nats}:${ports.nats}`] },
    producers: identities,
    ops: { name: ops?.name, ...certificate(place, 'client', operator.id) },
    postgres: postgres(place, operator, 'everseal_reader'),
    sealer: postgres(place, { id: `sealer-${policy.sealers[0]?.name}` }, 'everseal_sealer'),
    migrator: postgres(place, { id: identityOf(policy.domain, 'migrator', DEPLOY).commonName }, 'everseal_migrator'),
    superuser: postgres(place, { id: identityOf(policy.domain, 'admin', DEPLOY).commonName }, 'postgres'),
    services: servicesOf(policy).map(({ service, name, id }) => {
      return { service, name, url: `https://localhost:${ports.operations[id]}` };
    }),
    endpoints: Object.values(ports.api).flatMap(({ certificate: asked, open }) => [
      `https+mtls://localhost:${asked}`,
      `https://localhost:${open}`,
    ]),
  };
  mkdirSync(layout.config, { recursive: true });
  replaceFile(
    layout.configFile('cli'),
    `# Rendered from the policy: change that, not this file.\n${stringify(settings)}`,
    0o644,
  );
}

const SETTINGS = {
  ingest: ingestSettings,
  sealer: sealerSettings,
  verifier: verifierSettings,
  reader: readerSettings,
  follower: followerSettings,
};

function ingestSettings(place: SettingsPlace, instance: ServiceInstance): object {
  const { keys, layout, policy } = place;
  const mine = policy.ledgers.filter(({ ingesters }) => ingesters.includes(instance.name));
  return {
    name: instance.name,
    policyFile: relative(place, place.policyFile),
    keyFile: relative(place, keys.ingest(instance.name)),
    alertKeyFile: relative(place, keys.alerts('ingest', instance.name)),
    spoolDir: relative(place, path.join(layout.state(instance.id), 'spool')),
    ledgers: mine.map(({ name }) => ({ name, genesisFile: relative(place, keys.genesis(name)) })),
    ...systemLedger(place),
    nats: nats(place, instance),
    operations: operations(place, instance),
  };
}

function sealerSettings(place: SettingsPlace, instance: ServiceInstance): object {
  const { keys, layout, policy } = place;
  return {
    name: instance.name,
    policyFile: relative(place, place.policyFile),
    alertKeyFile: relative(place, keys.alerts('sealer', instance.name)),
    stateDir: relative(place, layout.state(instance.id)),
    ledgers: policy.ledgers.map(({ name }) => ({
      name,
      logKeyFile: relative(place, keys.log(name)),
      genesisFile: relative(place, keys.genesis(name)),
    })),
    ...systemLedger(place),
    nats: nats(place, instance),
    postgres: postgres(place, instance, 'everseal_sealer'),
    operations: operations(place, instance),
  };
}

function verifierSettings(place: SettingsPlace, instance: ServiceInstance): object {
  const { keys, layout, policy } = place;
  return {
    name: instance.name,
    policyFile: relative(place, place.policyFile),
    keyFile: relative(place, keys.verifier(instance.name)),
    alertKeyFile: relative(place, keys.alerts('verifier', instance.name)),
    stateDir: relative(place, layout.state(instance.id)),
    ledgers: policy.ledgers.map(({ name }) => trusted(place, name)),
    guards: {
      agreementFile: relative(place, keys.agreement()),
      deployKeyFile: relative(place, keys.deployKey()),
    },
    posture: { endpoints: watchedEndpoints(place) },
    ...systemLedger(place),
    nats: nats(place, instance),
    postgres: postgres(place, instance, 'everseal_verifier'),
    operations: operations(place, instance),
  };
}

/**
 * Every TLS endpoint of the installation, with its service and the certificate that it ought to serve. Containers see neither
 * each other's certificates nor each other at these addresses: there the verifier watches the two engines alone.
 */
function watchedEndpoints(place: SettingsPlace): object[] {
  const { hosts, ports, policy, database } = place;
  if (hosts.operations !== LOOPBACK.operations) return [];
  const watched = (url: string, service: string): object => {
    const { certFile } = filesIn(path.join(place.layout.pki, 'server', service));
    return { url, service, certFile: relative(place, certFile) };
  };
  const services = servicesOf(policy).flatMap(({ id }) => {
    const api = ports.api[id];
    return [
      watched(`https+mtls://localhost:${ports.operations[id]}`, id),
      ...(api
        ? [watched(`https+mtls://localhost:${api.certificate}`, id), watched(`https://localhost:${api.open}`, id)]
        : []),
    ];
  });
  return [
    watched(`nats+tlsfirst://${hosts.nats}:${ports.nats}`, 'nats'),
    watched(`postgres+direct://everseal_verifier@${hosts.postgres}:${ports.postgres}/${database}`, 'postgres'),
    ...services,
  ];
}

/** Every ledger, to auditors with a certificate alone: what is public, and who has a token, is for whoever runs it to say. */
function readerSettings(place: SettingsPlace, instance: ServiceInstance): object {
  const { layout, policy, ports, hosts } = place;
  const api = ports.api[instance.id];
  return {
    name: instance.name,
    policyFile: relative(place, place.policyFile),
    stateDir: relative(place, layout.state(instance.id)),
    ledgers: policy.ledgers.map(({ name }) => ({ name })),
    ...systemLedger(place),
    api: {
      ...certificate(place, 'server', instance.id),
      certificate: { host: hosts.operations, port: api?.certificate },
      open: { host: hosts.operations, port: api?.open },
    },
    ...(policy.systemLedger === undefined ? {} : { nats: nats(place, instance) }),
    postgres: postgres(place, instance, 'everseal_reader'),
    operations: operations(place, instance),
  };
}

/** Both engines, by the logs that they write beside their data. */
function followerSettings(place: SettingsPlace, instance: ServiceInstance): object {
  const { layout, engineLogs = layout.engineLogs } = place;
  const followed = (engine: 'nats' | 'postgres', files: string): object => {
    return { name: engine, engine, files: relative(place, files) };
  };
  return {
    name: instance.name,
    policyFile: relative(place, place.policyFile),
    stateDir: relative(place, layout.state(instance.id)),
    logs: [
      followed('nats', `${engineLogs.nats}*`),
      followed('postgres', path.join(engineLogs.postgres, POSTGRES_LOG_FILES)),
    ],
    ...systemLedger(place),
    nats: nats(place, instance),
    operations: operations(place, instance),
  };
}

/** What a ledger is known by, and where later key sets of it are told. */
function trusted(place: SettingsPlace, name: string): object {
  const { keys } = place;
  return { name, genesisFile: relative(place, keys.genesis(name)), keySetsDir: relative(place, keys.keySets(name)) };
}

/** The genesis note of the system ledger, where there is one. */
function systemLedger(place: SettingsPlace): object {
  const { keys, policy } = place;
  if (policy.systemLedger === undefined) return {};
  return { systemGenesisFile: relative(place, keys.genesis(policy.systemLedger)) };
}

function operations(place: SettingsPlace, { id }: ServiceInstance): object {
  return { host: place.hosts.operations, port: place.ports.operations[id], ...certificate(place, 'server', id) };
}

function nats(place: SettingsPlace, { id }: ServiceInstance): object {
  return { servers: [`tls://${place.hosts.nats}:${place.ports.nats}`], ...certificate(place, 'client', id) };
}

function postgres(place: SettingsPlace, { id }: Pick<ServiceInstance, 'id'>, user: string): object {
  const { hosts, ports, database } = place;
  return { host: hosts.postgres, port: ports.postgres, database, user, ...certificate(place, 'client', id) };
}

function certificate(place: SettingsPlace, kind: 'client' | 'server', name: string): object {
  const files = filesIn(path.join(place.layout.pki, kind, name));
  return Object.fromEntries(Object.entries(files).map(([field, file]) => [field, relative(place, file)]));
}

function relative({ layout }: SettingsPlace, file: string): string {
  return path.relative(layout.config, file);
}
