/**
 * Settings of the command-line tool: where an installation is reached, as whom, and what is trusted. They name files and
 * addresses and hold no secret. A one-machine installation writes them to `<dir>/config/cli.yaml`; elsewhere they are
 * written by hand, and each machine has only what its user may do: a producer's has no `ops` and no `postgres`.
 *
 * docs/operations/command-line.md lists every field (checked by config.spec.ts).
 */
import { existsSync } from 'node:fs';
import { filePath, natsSettings, postgresSettings, readConfig } from '@everseal/process';
import { parseEndpoint } from '@everseal/tls-posture';
import { z } from 'zod';
import { usage } from './cli-failure.js';
import { settingsFile, type SettingsPlace } from './settings-file.js';

const certificate = {
  certFile: filePath('Client certificate (PEM, leaf first) with one spiffe:// URI.'),
  keyFile: filePath('Its private key (PEM), mode 0600.'),
  caFile: filePath("Roots of the servers' certificates."),
};

export const cliSettings = z.strictObject({
  domain: z.string().min(1).describe('Domain of the installation, as the policy says it, e.g. audit.example.com.'),
  policyFile: filePath('The policy, everseal.yaml; used by access when --policy is not given.').optional(),
  alertKeysFile: filePath('Public keys (vkey) of all who may raise alerts, one a line; used by alerts.').optional(),
  ledgers: z
    .array(
      z.strictObject({
        name: z.string().min(1).describe('Name of the ledger in the policy, e.g. main.'),
        genesisFile: filePath("The ledger's first key set, the note that is its entry 0: trust starts from it."),
        keySetsDir: filePath(
          'Folder in which verifiers of this machine look for later key sets (their keySetsDir): keys rotate puts orders there.',
        ).optional(),
        witnessesFile: filePath(
          'Witnesses of others and their quorum (docs/operations/witnesses.md): policy writes them, prove and export ask for them.',
        ).optional(),
      }),
    )
    .min(1)
    .describe('Ledgers that can be named with --ledger.'),
  authorities: z
    .array(
      z.strictObject({
        name: z.string().min(1).describe("Name of the anchor, as the sealer's settings have it, e.g. tsa."),
        certificatesFile: filePath('Certificates (PEM) that the time-stamp authority is known by.'),
      }),
    )
    .default([])
    .describe(
      'Time-stamp authorities: their time stamps go into exports and proofs, with these certificates. Default none.',
    ),
  nats: z
    .strictObject({
      servers: natsSettings.shape.servers,
      firstConnectMs: z
        .int()
        .min(100)
        .max(600_000)
        .default(10_000)
        .describe('How long to try to connect, milliseconds. Default 10000.'),
    })
    .describe('The NATS servers.'),
  producers: z
    .array(z.strictObject({ name: z.string().min(1).describe('Name of the producer in the policy.'), ...certificate }))
    .default([])
    .describe('Producers whose certificates are here; submit sends as one of them. Default none.'),
  ops: z
    .strictObject({ name: z.string().min(1).describe('Name under ops in the policy.'), ...certificate })
    .optional()
    .describe('The operator identity, for status, alerts and verify.'),
  postgres: postgresSettings.optional().describe('The Postgres connection, as role everseal_reader.'),
  superuser: postgresSettings
    .optional()
    .describe('The Postgres connection as a superuser, for drill alone; nothing else of this tool uses it.'),
  sealer: postgresSettings
    .optional()
    .describe(
      'The Postgres connection as role everseal_sealer, for restore and reindex; nothing else of this tool uses it.',
    ),
  migrator: postgresSettings
    .optional()
    .describe(
      'The Postgres connection as role everseal_migrator, for reindex --replace alone; nothing else of this tool uses it.',
    ),
  services: z
    .array(
      z.strictObject({
        service: z.enum(['ingest', 'sealer', 'verifier', 'reader', 'follower']).describe('Kind of service.'),
        name: z.string().min(1).describe('Its name in the policy.'),
        url: z
          .string()
          .regex(/^https:\/\/[^\s/:]+:\d+$/, 'must look like https://host:port')
          .describe('Where it serves /live, /ready and /metrics, as https://host:port.'),
      }),
    )
    .default([])
    .describe('Services that status asks. Default none.'),
  endpoints: z
    .array(z.string().refine(isEndpoint, 'must look like https://host:port or nats+tlsfirst://host:port'))
    .default([])
    .describe(
      'Further TLS endpoints that tls scan looks at, beside the servers and services above, e.g. those of the read API. Default none.',
    ),
});

function isEndpoint(text: string): boolean {
  try {
    return parseEndpoint(text).url !== '';
  } catch {
    return false;
  }
}

export type CliSettings = z.output<typeof cliSettings>;
export type ProducerSettings = CliSettings['producers'][number];
export type OpsSettings = NonNullable<CliSettings['ops']>;

/** @throws ConfigError; CliFailure when no file was named and the usual one is not there */
export function readSettings(place: SettingsPlace): CliSettings {
  const file = settingsFile(place);
  if (place.config === undefined && !existsSync(file)) {
    throw usage(
      `there are no settings at ${file}: start an installation (npm start), or name one with --dir or --config`,
    );
  }
  return readConfig(file, cliSettings);
}

/** @throws CliFailure naming the ledgers that there are */
export function ledgerSettings(settings: CliSettings, name: string): CliSettings['ledgers'][number] {
  const found = settings.ledgers.find((ledger) => ledger.name === name);
  if (found) return found;
  throw usage(
    `the settings have no ledger "${name}": there is ${settings.ledgers.map((ledger) => ledger.name).join(', ')}`,
  );
}

/**
 * The producer to send as: the one that is named, or the only one.
 * @throws CliFailure
 */
export function producerSettings(settings: CliSettings, name: string | undefined): ProducerSettings {
  const names = settings.producers.map((producer) => producer.name);
  if (names.length === 0) throw usage('the settings have no producer: add its certificate under producers');
  if (name === undefined && names.length > 1) throw usage(`say who sends, with --producer: ${names.join(', ')}`);
  const found = name === undefined ? settings.producers[0] : settings.producers.find((one) => one.name === name);
  if (found) return found;
  throw usage(`the settings have no producer "${name}": there is ${names.join(', ')}`);
}

/** @throws CliFailure */
export function opsSettings({ ops }: CliSettings): OpsSettings {
  if (ops === undefined) throw usage('the settings have no section ops: this command needs the operator certificate');
  return ops;
}
