/** Settings of the anchors: where checkpoints are kept outside of this installation. They are part of the sealer's (config.ts). */
import { filePath } from '@everseal/process';
import { z } from 'zod';

const HOUR_MS = 3_600_000;

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'is made of a-z, 0-9, dots and hyphens')
  .describe('Name of this anchor, for good: what is anchored is stored under it, and verifiers know it by it.');

const ledgers = z
  .array(z.string().min(1))
  .optional()
  .describe('Names of the ledgers that are anchored here. Without it, all of this sealer.');

const everyMs = (fallback: number): z.ZodDefault<z.ZodInt> =>
  z
    .int()
    .min(1_000)
    .max(30 * 24 * HOUR_MS)
    .default(fallback)
    .describe(
      `Length of a period, milliseconds: the last checkpoint of each is anchored. anchor.overdue after two that were missed. Default ${fallback}.`,
    );

const timeoutMs = z
  .int()
  .min(100)
  .max(60_000)
  .default(10_000)
  .describe('Until one attempt is given up, milliseconds. Default 10000.');

const timestamps = z
  .array(
    z.strictObject({
      name,
      url: z
        .string()
        .regex(/^https?:\/\/[^\s@]+$/, 'must look like https://host/path')
        .describe('Where the time-stamp authority (RFC 3161) answers; http will do, its answers are signed.'),
      certificatesFile: filePath(
        'Certificates (PEM) that the authority is known by: its root, or its own. A token counts when its chain leads to one.',
      ),
      caFile: filePath('Roots (PEM) of its https server. Without it, those of Node.').optional(),
      policy: z
        .string()
        .regex(/^[0-2](?:\.(?:0|[1-9]\d*))+$/, 'is an object identifier, e.g. 1.3.6.1.4.1.4146.2.3')
        .optional()
        .describe('Policy of the authority (object identifier) that tokens have to be under. Without it, any.'),
      everyMs: everyMs(HOUR_MS),
      timeoutMs,
      clockSkewMs: z
        .int()
        .min(1_000)
        .default(300_000)
        .describe("How far a token's time may be from this clock, milliseconds. Default 300000 (5 minutes)."),
      ledgers,
    }),
  )
  .default([])
  .describe('Time-stamp authorities. Default none.');

const files = z
  .array(
    z.strictObject({
      name,
      folder: filePath(
        'Folder of the files, one a ledger. On another disk than the database, or on what is carried away.',
      ),
      appendOnlyFlag: z
        .boolean()
        .default(true)
        .describe(
          'Whether to try to set the append-only flag of the file (chattr +a). The log says what came of it. Default true.',
        ),
      everyMs: everyMs(60_000),
      ledgers,
    }),
  )
  .default([])
  .describe('Append-only files. Default none.');

const objectStores = z
  .array(
    z.strictObject({
      name,
      endpoint: z
        .string()
        .regex(
          /^(?:https:\/\/[^\s@/]+|http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?)\/?$/,
          'must look like https://host',
        )
        .optional()
        .describe("Address of an S3-compatible server. Without it, Amazon's of the region."),
      region: z
        .string()
        .min(1)
        .describe('Region, e.g. eu-central-1; servers other than Amazon take any, e.g. us-east-1.'),
      bucket: z.string().min(3).max(63).describe('Bucket, made with Object Lock.'),
      prefix: z
        .string()
        .regex(/^(?:[A-Za-z0-9._-]+\/)*$/, 'is empty or ends in a slash')
        .default('')
        .describe('What the names of the objects begin with, e.g. audit/. Default nothing.'),
      pathStyle: z
        .boolean()
        .default(false)
        .describe(
          'Whether the bucket stands in the path instead of the host name, as most servers other than Amazon want it. Default false.',
        ),
      credentialsFile: filePath(
        'The key pair, JSON with accessKeyId and secretAccessKey, mode 0600. It needs s3:PutObject, s3:PutObjectRetention, s3:GetObject and s3:GetObjectRetention, nothing else.',
      ),
      retainDays: z
        .int()
        .min(1)
        .max(36_500)
        .default(3_650)
        .describe(
          'For how long nobody can change or delete an object (COMPLIANCE mode), days. It cannot be shortened. Default 3650.',
        ),
      everyMs: everyMs(HOUR_MS),
      timeoutMs,
      ledgers,
    }),
  )
  .default([])
  .describe('S3-compatible object storage with Object Lock. Default none.');

export const anchorSettings = z
  .strictObject({ timestamps, files, objectStores })
  .prefault({})
  .describe('Where checkpoints are anchored, outside of this installation.');
