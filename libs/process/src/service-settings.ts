/**
 * The settings that every service has, as building blocks: an app's own schema is a z.strictObject of these and its own
 * fields. Certificates are files here and nothing else; no setting holds a secret.
 */
import { z } from 'zod';
import { filePath } from './settings.js';

export const logSettings = z
  .strictObject({
    level: z
      .enum(['trace', 'debug', 'info', 'warn', 'error'])
      .default('info')
      .describe('Least severe log line that is written. Default info.'),
  })
  .prefault({});

/** Where `/live`, `/ready` and `/metrics` are served, over HTTPS. */
export const operationsSettings = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address to listen on for /live, /ready and /metrics. Default 127.0.0.1: this machine only.'),
  port: z.int().min(0).max(65_535).describe('TCP port to listen on; 0 takes any free one.'),
  certFile: filePath('Server certificate (PEM, leaf first), for serverAuth, with a DNS name or address.'),
  keyFile: filePath('Its private key (PEM), mode 0600.'),
  caFile: filePath(
    'Roots of client certificates. When set, who asks must show one; without, anybody who reaches the port may read.',
  ).optional(),
});

/** What receipts of the system ledger are checked from. */
export const systemGenesisFile = filePath(
  "The system ledger's genesis note. Needed where the policy names a system ledger; without one, nothing.",
);

/** The NATS connection. */
export const natsSettings = z.strictObject({
  servers: z
    .array(z.string().regex(/^tls:\/\/[^\s/:]+:\d+$/, 'must look like tls://nats.example.com:4222'))
    .min(1)
    .describe('NATS servers as tls://host:port; the certificate must carry the host.'),
  certFile: filePath('Client certificate (PEM, leaf first), for clientAuth, with one spiffe:// URI.'),
  keyFile: filePath('Its private key (PEM), mode 0600.'),
  caFile: filePath("Roots of the NATS servers' certificates."),
  firstConnectMs: z
    .int()
    .min(1_000)
    .max(600_000)
    .default(30_000)
    .describe(
      'How long to try to connect at start, milliseconds; then the process ends with the reason. Default 30000. Later it reconnects for ever.',
    ),
});

/** The Postgres connection. */
export const postgresSettings = z.strictObject({
  host: z.string().min(1).describe("Host name of Postgres, as in its server's certificate."),
  port: z.int().min(1).max(65_535).default(5432).describe('TCP port. Default 5432.'),
  database: z.string().min(1).default('everseal').describe('Database name. Default everseal.'),
  user: z.string().min(1).describe('Database role; pg_ident maps the certificate to it.'),
  certFile: filePath('Client certificate (PEM, leaf first), for clientAuth; its CN is what pg_ident maps.'),
  keyFile: filePath('Its private key (PEM), mode 0600.'),
  caFile: filePath("Roots of the Postgres server's certificate."),
});

/** The Postgres connection of a service, which may be up before Postgres is. */
export const servicePostgresSettings = postgresSettings.extend({
  firstConnectMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(30_000)
    .describe(
      'How long to wait for Postgres at start, milliseconds; then the process ends with the reason. Default 30000. Later it waits for ever.',
    ),
});

/** What runService needs to know of any service's settings. */
export interface ServiceSettings {
  /** Name of this instance; with the service it names its account, keys and log lines. */
  name: string;
  log: z.output<typeof logSettings>;
  operations: z.output<typeof operationsSettings>;
}
