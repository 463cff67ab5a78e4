/**
 * The shape of everseal.yaml: fields, units, ranges and defaults (policy.ts says what each means). Unknown fields are
 * refused, because a misspelt right would otherwise be a right that silently is not there.
 */
import { z } from 'zod';

const KIB = 1024;
const MIB = 1024 * KIB;
const TIB = 1024 * 1024 * MIB;
const DAY_MS = 86_400_000;

const count = (least: number, most: number): z.ZodInt => z.int().min(least).max(most);
const list = <T extends z.ZodType>(item: T, least: number, most: number): z.ZodArray<T> =>
  z.array(item).min(least).max(most);

const name = z.string().min(1);
const generation = count(1, 9_999).optional();
const services = list(z.strictObject({ name, generation }), 1, 32);

const ledgerSchema = z.strictObject({
  name,
  ingesters: list(name, 1, 32),
  frames: z
    .strictObject({
      maxBytes: count(2 * MIB, 64 * TIB).optional(),
      maxAgeMs: count(10_000, 365 * DAY_MS).default(14 * DAY_MS),
    })
    .prefault({}),
  spoolBytes: count(MIB, TIB).default(256 * MIB),
});

const brokerSchema = z.strictObject({
  maxConnections: count(8, 65_536).default(256),
  maxConnectionsPerProducer: count(1, 4_096).default(16),
  writeDeadlineMs: count(1_000, 60_000).default(10_000),
  pingIntervalMs: count(1_000, 120_000).default(20_000),
  tlsTimeoutMs: count(500, 30_000).default(3_000),
  alertBytes: count(4 * MIB, TIB).default(256 * MIB),
});

/** The file as written; `frames.maxBytes` may be absent, every other default is filled in. */
export const policySchema = z.strictObject({
  domain: z.string(),
  ledgers: list(ledgerSchema, 1, 64),
  systemLedger: name.optional(),
  drillLedger: name.optional(),
  producers: list(
    z.strictObject({ name, generation, ledgers: list(name, 1, 64), sources: list(z.string(), 1, 64) }),
    0,
    1_000,
  ),
  ingest: services,
  sealers: services,
  verifiers: services,
  ops: services,
  readers: list(z.strictObject({ name, generation }), 0, 32).default([]),
  followers: list(z.strictObject({ name, generation }), 0, 32).default([]),
  auditors: list(z.strictObject({ name, generation, ledgers: list(name, 1, 64) }), 0, 1_000).default([]),
  deploy: z.strictObject({ generation }).optional(),
  replicas: z.literal([1, 3, 5]).default(1),
  broker: brokerSchema.prefault({}),
});

export type WrittenPolicy = z.output<typeof policySchema>;
