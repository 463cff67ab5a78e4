/** Settings of one follower process. Every field says its unit, its default and what it is for. */

import path from 'node:path';
import { filePath, logSettings, natsSettings, operationsSettings, systemGenesisFile } from '@everseal/process';
import { z } from 'zod';

export const followerSettings = z.strictObject({
  name: z.string().min(1).describe('Name of this follower in the policy file, e.g. f1.'),
  policyFile: filePath('The policy, everseal.yaml: the system ledger.'),
  stateDir: filePath('Folder of how far each log was read, and of events that have no receipt yet.'),
  logs: z
    .array(
      z.strictObject({
        name: z
          .string()
          .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be lower-case letters, digits and hyphens')
          .describe('Name of this log in its events, for good: another name is another log, read from its beginning.'),
        engine: z.enum(['nats', 'postgres']).describe('Whose log it is; of Postgres the JSON log.'),
        files: filePath(
          'Files of the log; the last part may hold one *, and has to hold it where the log is rotated, e.g. /var/log/nats/nats.log*.',
        ).refine((file) => path.basename(file).split('*').length <= 2, 'may hold one * in its last part, not more'),
      }),
    )
    .min(1)
    .max(16)
    .refine((logs) => new Set(logs.map(({ name }) => name)).size === logs.length, 'two logs have the same name')
    .describe('Logs to follow.'),
  everyMs: z
    .int()
    .min(50)
    .max(60_000)
    .default(1_000)
    .describe('How often the logs are looked at, milliseconds. Default 1000.'),
  systemGenesisFile,
  nats: natsSettings.describe('The NATS connection, by which events are submitted.'),
  operations: operationsSettings.describe('Where /live, /ready and /metrics are served.'),
  log: logSettings.describe('Logging.'),
});

export type FollowerSettings = z.output<typeof followerSettings>;
