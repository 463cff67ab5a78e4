/**
 * `everseal access`: what follows from the policy. `render` writes the configs that enforce it, `show` says who may do what.
 * Neither connects to anything.
 */
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import {
  brokerRightsOf,
  identitiesOf,
  readPolicy,
  renderNats,
  renderPostgres,
  renderPostgresSettings,
  type NatsOptions,
  type Policy,
} from '@everseal/policy';
import { replaceFile } from '@everseal/process';
import { usage } from './cli-failure.js';
import { readSettings } from './config.js';
import { settingsFile, type SettingsPlace } from './settings-file.js';
import { EXIT, type ExitCode } from './exit-code.js';
import type { Terminal } from './terminal.js';

export interface PolicyOption {
  /** Default: the one that the settings name, or everseal.yaml in the working folder. */
  policy?: string | undefined;
}

/** Paths and addresses as the servers see them, not this machine. */
export interface RenderOptions extends PolicyOption {
  out: string;
  natsName: string;
  natsHost: string;
  natsPort: number;
  natsStore: string;
  natsLog: string;
  natsCertificates: string;
  clusterName?: string | undefined;
  clusterHost: string;
  clusterPort: number;
  clusterRoute?: string[] | undefined;
  clusterCertificates?: string | undefined;
  database: string;
  postgresAddress: string[];
  postgresCertificates: string;
  postgresLog: string;
}

const DEFAULT_POLICY = 'everseal.yaml';

export function renderAccess(terminal: Terminal, place: SettingsPlace, options: RenderOptions): ExitCode {
  const policyFile = policyPath(place, options);
  const policy = readPolicy(policyFile);
  if (policy.replicas > 1 && options.clusterName === undefined) {
    throw usage(
      `${policyFile} wants ${policy.replicas} replicas of each stream, which needs a cluster: give --cluster-name and the routes`,
    );
  }
  const { rolesSql, hba, ident } = postgresFiles(policy, options);
  const isFollowed = policy.followers.length > 0;
  const files = {
    'nats.conf': renderNats(policy, { ...natsOptions(options), logFile: isFollowed ? options.natsLog : undefined }),
    'roles.sql': rolesSql,
    'pg_hba.conf': hba,
    'pg_ident.conf': ident,
    'everseal.conf': renderPostgresSettings(
      filesIn(options.postgresCertificates),
      isFollowed ? options.postgresLog : undefined,
    ),
  };
  mkdirSync(options.out, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    replaceFile(path.join(options.out, name), text, 0o644);
    terminal.line(path.join(options.out, name));
  }
  terminal.note(
    'next: check nats.conf with nats-server -t -c, put the files in place, reload both servers, and look into',
  );
  terminal.note('their logs: a config that a server refuses leaves the old one in force (docs/operations/access.md)');
  return EXIT.ok;
}

function postgresFiles(
  policy: Policy,
  { database, postgresAddress }: RenderOptions,
): ReturnType<typeof renderPostgres> {
  try {
    return renderPostgres(policy, { database, addresses: postgresAddress });
  } catch (cause) {
    throw usage(cause instanceof Error ? cause.message : String(cause));
  }
}

function natsOptions(options: RenderOptions): NatsOptions {
  const { natsName, natsHost, natsPort, natsStore, natsCertificates, clusterName } = options;
  const base = {
    serverName: natsName,
    host: natsHost,
    port: natsPort,
    storeDir: natsStore,
    ...filesIn(natsCertificates),
  };
  if (clusterName === undefined) return base;
  const cluster = {
    name: clusterName,
    host: options.clusterHost,
    port: options.clusterPort,
    routes: options.clusterRoute ?? [],
    ...filesIn(options.clusterCertificates ?? path.posix.join(natsCertificates, 'cluster')),
  };
  return { ...base, cluster };
}

function filesIn(folder: string): { certFile: string; keyFile: string; caFile: string } {
  const file = (name: string): string => path.posix.join(folder, `${name}.pem`);
  return { certFile: file('cert'), keyFile: file('key'), caFile: file('ca') };
}

/** @param wanted one identity, to see its rights at the broker; undefined shows who there is */
export function showAccess(
  terminal: Terminal,
  place: SettingsPlace,
  wanted: string | undefined,
  { policy: file, json }: PolicyOption & { json?: boolean | undefined },
): ExitCode {
  const policy = readPolicy(policyPath(place, { policy: file }));
  const all = identitiesOf(policy);
  const chosen = wanted === undefined ? all : all.filter(({ folder }) => folder === wanted);
  if (chosen.length === 0)
    throw usage(`the policy has no "${wanted}": there is ${all.map(({ folder }) => folder).join(', ')}`);
  if (json) {
    for (const identity of chosen) terminal.json({ ...identity, rights: brokerRightsOf(policy, identity) });
    return EXIT.ok;
  }
  terminal.table(
    ['identity', 'common name', 'certificate URI', 'NATS account', 'database role', 'rights at the broker'],
    chosen.map((identity) => {
      const { folder, commonName, uri, account, role } = identity;
      return [folder, commonName, uri, account ?? '-', role ?? '-', String(brokerRightsOf(policy, identity).length)];
    }),
  );
  if (wanted === undefined) {
    terminal.note('everseal access show <identity> lists the rights of one');
    return EXIT.ok;
  }
  terminal.line();
  terminal.table(
    ['way', 'subject', 'for'],
    chosen.flatMap((identity) =>
      brokerRightsOf(policy, identity).map(({ way, subject, queue, what }) => [
        way,
        queue === undefined ? subject : `${subject} (queue ${queue})`,
        what,
      ]),
    ),
  );
  return EXIT.ok;
}

/** The policy file that is meant. */
export function policyPath(place: SettingsPlace, { policy }: PolicyOption): string {
  if (policy !== undefined) return policy;
  if (place.config !== undefined || existsSync(settingsFile(place))) {
    const { policyFile } = readSettings(place);
    if (policyFile !== undefined) return policyFile;
  }
  return DEFAULT_POLICY;
}
