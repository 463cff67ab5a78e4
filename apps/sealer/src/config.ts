/** Settings of one sealer process. Every field says its unit, its default and what it is for. */

import {
  filePath,
  logSettings,
  natsSettings,
  operationsSettings,
  servicePostgresSettings,
  systemGenesisFile,
} from '@everseal/process';
import { z } from 'zod';
import { anchorSettings } from './anchor-settings.js';

export const sealerSettings = z.strictObject({
  name: z.string().min(1).describe('Name of this sealer in the policy file, e.g. s1.'),
  policyFile: filePath('The policy, everseal.yaml: ledgers, verifiers.'),
  alertKeyFile: filePath('Key that signs the alerts of this sealer (skey), mode 0600.'),
  stateDir: filePath("Folder of the signer's memory and of the alert book. Never restore it from a backup."),
  ledgers: z
    .array(
      z.strictObject({
        name: z.string().min(1).describe('Name of the ledger in the policy file, e.g. main.'),
        logKeyFile: filePath(
          'Log key of the ledger (skey), mode 0600; while it is rotated two, the newer in the first line.',
        ),
        genesisFile: filePath("The ledger's first key set, the note that is its entry 0."),
        successorNoteFile: filePath(
          'For a ledger that continues a closed one: the note that is its entry 1, made by everseal restore --close.',
        ).optional(),
        witnessesFile: filePath(
          'Witnesses of others that are asked to cosign its checkpoints (docs/operations/witnesses.md). Without it none are.',
        ).optional(),
      }),
    )
    .min(1)
    .describe('Ledgers that this process seals, or stands by for.'),
  systemGenesisFile: systemGenesisFile.optional(),
  witnesses: z
    .strictObject({
      everyMs: z
        .int()
        .min(500)
        .max(3_600_000)
        .default(10_000)
        .describe(
          'Least time between two checkpoints that witnesses of others are asked about, milliseconds. Default 10000.',
        ),
      timeoutMs: z
        .int()
        .min(100)
        .max(60_000)
        .default(5_000)
        .describe('How long a witness may take to answer a request, milliseconds. Default 5000.'),
      overdueMs: z
        .int()
        .min(1_000)
        .default(600_000)
        .describe(
          'How long a checkpoint may wait for a witness before witness.overdue is raised, milliseconds. Default 600000 (10 minutes).',
        ),
      caFile: filePath(
        "Roots of the witnesses' server certificates, instead of the public authorities that Node comes with.",
      ).optional(),
      certificate: z
        .strictObject({
          certFile: filePath('Client certificate (PEM, leaf first), for clientAuth, with one spiffe:// URI.'),
          keyFile: filePath('Its private key (PEM), mode 0600.'),
        })
        .optional()
        .describe('The certificate to show to witnesses that ask for one. Without it none is shown.'),
      tls12: z
        .boolean()
        .default(false)
        .describe('Whether a witness may speak TLS 1.2, with ECDHE and AEAD only. Default false: TLS 1.3.'),
    })
    .prefault({})
    .describe('How witnesses of others are asked.'),
  gapAfterMs: z
    .int()
    .min(1_000)
    .max(30 * 86_400_000)
    .default(900_000)
    .describe(
      'Age of a frame, milliseconds since it was accepted, at which the frames that it waits for are declared lost and ' +
        'sealed as a gap record, if their ingester was asked for them. Default 900000 (15 minutes). Longer than an ' +
        'ingester may be away.',
    ),
  anchors: anchorSettings,
  nats: natsSettings.describe('The NATS connection.'),
  postgres: servicePostgresSettings.describe('The Postgres connection, as role everseal_sealer.'),
  operations: operationsSettings.describe('Where /live, /ready and /metrics are served.'),
  log: logSettings.describe('Logging.'),
});

export type SealerSettings = z.output<typeof sealerSettings>;
