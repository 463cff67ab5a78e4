/**
 * Settings of an ingest process: every field with its unit, default and consequence. Who may send what, which ingester serves
 * which ledger, and the bounds of spool and stream stand in the policy file, which all services share.
 */
import { logSettings, natsSettings, operationsSettings, filePath, systemGenesisFile } from '@everseal/process';
import { z } from 'zod';

const MIB = 1024 * 1024;

const limits = z
  .strictObject({
    waitMs: z
      .int()
      .min(100)
      .max(60_000)
      .default(5_000)
      .describe(
        'How long a request may wait for its receipt, milliseconds; then it is told "unavailable", which does not say that it is not in the log. Default 5000. Below what producers wait.',
      ),
    ackTimeoutMs: z
      .int()
      .min(100)
      .max(60_000)
      .default(5_000)
      .describe('How long to wait for a PubAck before the lane is looked at, milliseconds. Default 5000.'),
    queueBytes: z
      .int()
      .min(MIB)
      .default(16 * MIB)
      .describe(
        'Bytes of requests that may wait for a frame, per ledger; more are told "unavailable". Default 16 MiB. The process holds them in memory.',
      ),
    windowEvents: z
      .int()
      .min(1_024)
      .max(16_777_216)
      .refine((n) => (n & (n - 1)) === 0, 'must be a power of two')
      .default(1_048_576)
      .describe(
        'Newest events, per ledger, whose repetition is answered with the earlier receipt; a power of two. Default 1048576, which takes 20 MiB of memory.',
      ),
    windowBytes: z
      .int()
      .min(0)
      .default(256 * MIB)
      .describe(
        'Bytes of sealed frames to keep in the spool, per ledger, so that a repeated request finds its receipt. Default 256 MiB. Without them it is sealed once more and marked as a duplicate.',
      ),
    segmentBytes: z
      .int()
      .min(MIB)
      .max(1024 * MIB)
      .default(16 * MIB)
      .describe('Size of a spool file, bytes. Default 16 MiB. Two of them are on the disk per ledger even when idle.'),
    clockSkewMs: z
      .int()
      .min(1_000)
      .default(900_000)
      .describe(
        'How far the clock may be behind what it signed or what a verifier signed, or jump, milliseconds, before nothing is accepted. Default 900000 (15 minutes).',
      ),
  })
  .prefault({});

const continues = z
  .strictObject({
    ledger: z
      .string()
      .min(1)
      .describe(
        'Only for a ledger that continues a closed one: name of that one, which then is not among the ledgers here. What this ingester accepted for it and what does not survive is accepted anew, before anything else.',
      ),
    successorNoteFile: filePath(
      'With continues: the note that is entry 1 of the ledger, made by everseal restore --close.',
    ),
    headsFile: filePath('With continues: which frames of the closed ledger survive, made beside that note.'),
  })
  .describe('The closed ledger that this one continues.');

export const ingestSettings = z.strictObject({
  name: z
    .string()
    .min(1)
    .describe('Name of this ingester in the policy. One process a name, for ever: its frames are numbered under it.'),
  policyFile: filePath('The policy, everseal.yaml.'),
  keyFile: filePath(
    'Signing key of this ingester (skey text), mode 0600; while it is rotated two, the newer in the first line.',
  ),
  alertKeyFile: filePath('Key that signs its alerts (skey text), mode 0600.'),
  spoolDir: filePath(
    'Folder of the spools, one folder a ledger below it. On a disk of its own if you can. Never copy it back from an older backup.',
  ),
  ledgers: z
    .array(
      z.strictObject({
        name: z.string().min(1).describe('Name of the ledger in the policy.'),
        genesisFile: filePath("The ledger's genesis note: its entry 0, the first key set."),
        continues: continues.optional(),
      }),
    )
    .min(1),
  systemGenesisFile: systemGenesisFile.optional(),
  limits,
  nats: natsSettings,
  operations: operationsSettings,
  log: logSettings,
});

export type IngestSettings = z.output<typeof ingestSettings>;
export type IngestLimits = IngestSettings['limits'];
