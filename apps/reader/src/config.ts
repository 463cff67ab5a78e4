/** Settings of one reader process. Every field says its unit, its default and what it is for. */

import {
  filePath,
  logSettings,
  natsSettings,
  operationsSettings,
  servicePostgresSettings,
  systemGenesisFile,
} from '@everseal/process';
import { z } from 'zod';

const port = z.int().min(0).max(65_535);
const host = (what: string): z.ZodDefault<z.ZodString> =>
  z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe(`Address to listen on for ${what}. Default 127.0.0.1: this machine only.`);

const perSecond = (fallback: number, what: string): z.ZodDefault<z.ZodNumber> =>
  z.number().positive().max(1_000_000).default(fallback).describe(`${what}, requests a second. Default ${fallback}.`);
const burst = (fallback: number): z.ZodDefault<z.ZodInt> =>
  z
    .int()
    .min(1)
    .max(1_000_000)
    .default(fallback)
    .describe(`How many of them may come at once, after a pause. Default ${fallback}.`);

export const readerSettings = z.strictObject({
  name: z.string().min(1).describe('Name of this reader in the policy file, e.g. r1.'),
  policyFile: filePath('The policy, everseal.yaml: ledgers, auditors.'),
  stateDir: filePath('Folder of what this reader has still to bring into the system ledger: who read what.'),
  ledgers: z
    .array(
      z.strictObject({
        name: z.string().min(1).describe('Name of the ledger in the policy file, e.g. main.'),
        public: z
          .enum(['none', 'hashes', 'tiles'])
          .default('none')
          .describe(
            'What anybody may read: nothing; checkpoints, hash tiles and proofs; or those and the entry bundles, that is ' +
              'every event of the ledger. All else needs a certificate or a token. Default none.',
          ),
        witnessesFile: filePath(
          'Witnesses of others whose quorum must have cosigned a checkpoint before it is shown (docs/operations/witnesses.md). ' +
            'Without it checkpoints are shown as they come.',
        ).optional(),
      }),
    )
    .min(1)
    .describe('Ledgers to serve.'),
  systemGenesisFile: systemGenesisFile.optional(),
  api: z
    .strictObject({
      certFile: filePath('Server certificate (PEM, leaf first), for serverAuth, with the DNS names that clients use.'),
      keyFile: filePath('Its private key (PEM), mode 0600.'),
      caFile: filePath("Roots of the auditors' certificates."),
      tls12: z
        .boolean()
        .default(false)
        .describe('Whether TLS 1.2 is spoken besides 1.3, with ECDHE and AEAD only. Default false.'),
      certificate: z
        .strictObject({
          host: host('clients with a certificate'),
          port: port.describe(
            'TCP port for clients with a certificate; who shows none is refused by TLS. 0 takes any free one.',
          ),
        })
        .describe('The listener for auditors with a certificate.'),
      open: z
        .strictObject({
          host: host('clients without a certificate'),
          port: port.describe(
            'TCP port for clients without a certificate: tokens, and what is public. 0 takes any free one.',
          ),
        })
        .optional()
        .describe(
          'The listener that asks nobody for a certificate. Without it there are neither tokens nor public reads.',
        ),
    })
    .describe('The read API over HTTPS.'),
  tokensFile: filePath(
    'Tokens, as their hashes, one a line (docs/operations/reader.md), mode 0600. Read again when it changes. Without it nobody has one.',
  ).optional(),
  limits: z
    .strictObject({
      hashesPerSecond: perSecond(1_000, 'Checkpoints, tiles and proofs for one client'),
      hashesBurst: burst(2_000),
      contentPerSecond: perSecond(20, 'Reads of content by one client'),
      contentBurst: burst(200),
      statementMs: z
        .int()
        .min(100)
        .max(60_000)
        .default(5_000)
        .describe(
          'How long one statement in the database may take, milliseconds; then the client is told 503. Default 5000.',
        ),
      connections: z
        .int()
        .min(1)
        .max(65_536)
        .default(1_024)
        .describe('Connections of clients that each listener holds at once; more are closed. Default 1024.'),
      cacheBytes: z
        .int()
        .min(16 * 1024 * 1024)
        .default(128 * 1024 * 1024)
        .describe('Memory for tiles, bundles and blocks that were read before, bytes. Default 134217728 (128 MiB).'),
    })
    .prefault({})
    .describe('What a client may ask for, and what it may cost.'),
  refreshMs: z
    .int()
    .min(50)
    .max(60_000)
    .default(500)
    .describe('How often the newest checkpoint is looked for, milliseconds. Default 500.'),
  nats: natsSettings
    .optional()
    .describe(
      'The NATS connection, by which reads of content are recorded. Needed where the policy names a system ledger.',
    ),
  postgres: servicePostgresSettings.describe('The Postgres connection, as role everseal_reader.'),
  operations: operationsSettings.describe('Where /live, /ready and /metrics are served.'),
  log: logSettings.describe('Logging.'),
});

export type ReaderSettings = z.output<typeof readerSettings>;
