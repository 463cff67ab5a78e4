/** Settings of one verifier process. Every field says its unit, its default and what it is for. */

import {
  filePath,
  logSettings,
  natsSettings,
  operationsSettings,
  servicePostgresSettings,
  systemGenesisFile,
} from '@everseal/process';
import { parseEndpoint } from '@everseal/tls-posture';
import { z } from 'zod';

const entriesPerSecond = (fallback: number, what: string): z.ZodDefault<z.ZodInt> =>
  z
    .int()
    .min(0)
    .default(fallback)
    .describe(
      `Rate of the sweep over ${what}, entries a second, a tenth of it while more than 500 new entries a second arrive; ` +
        `0 for as fast as it goes. Default ${fallback}.`,
    );

function isEndpoint(text: string): boolean {
  try {
    return parseEndpoint(text).url !== '';
  } catch {
    return false;
  }
}

const anchorName = z.string().min(1).describe("Name of the anchor, as the sealer's settings have it.");
const anchorLedgers = z
  .array(z.string().min(1))
  .optional()
  .describe('Names of the ledgers that are anchored there. Without it, all of this verifier.');
const anchorPeriod = (fallback: number): z.ZodDefault<z.ZodInt> =>
  z
    .int()
    .min(1_000)
    .default(fallback)
    .describe(
      `Length of its periods, milliseconds, as the sealer's settings have it: anchor.overdue after two that were missed. Default ${fallback}.`,
    );

const anchorsToExpect = z
  .strictObject({
    timestamps: z
      .array(
        z.strictObject({
          name: anchorName,
          certificatesFile: filePath(
            'Certificates (PEM) that the time-stamp authority is known by. Never take one out that stored time stamps lead to.',
          ),
          policy: z
            .string()
            .min(1)
            .optional()
            .describe(
              'Policy of the authority (object identifier) that its time stamps have to be under. Without it, any.',
            ),
          everyMs: anchorPeriod(3_600_000),
          ledgers: anchorLedgers,
        }),
      )
      .default([])
      .describe('Time-stamp authorities. Default none.'),
    copies: z
      .array(
        z.strictObject({
          name: anchorName,
          kind: z.enum(['file', 's3']).describe('What keeps the copies.'),
          everyMs: anchorPeriod(60_000),
          ledgers: anchorLedgers,
        }),
      )
      .default([])
      .describe('Files and object stores. Default none.'),
  })
  .prefault({})
  .describe('Anchors that there have to be. What is not named here is not missed.');

export const verifierSettings = z.strictObject({
  name: z.string().min(1).describe('Name of this verifier in the policy file, e.g. v1.'),
  policyFile: filePath('The policy, everseal.yaml.'),
  keyFile: filePath(
    'Cosigning key of this verifier (skey), mode 0600; while it is rotated two, the newer in the first line.',
  ),
  alertKeyFile: filePath('Key that signs the alerts of this verifier (skey), mode 0600.'),
  stateDir: filePath(
    "Folder of this verifier's memory. Never restore it from a backup: a verifier without memory takes a new key.",
  ),
  ledgers: z
    .array(
      z.strictObject({
        name: z.string().min(1).describe('Name of the ledger in the policy file, e.g. main.'),
        genesisFile: filePath("The ledger's first key set, the note that is its entry 0: what this verifier trusts."),
        keySetsDir: filePath(
          'Folder of the later key sets of the ledger that operators told this verifier of, one note a file (*.note). Without it, a log that goes by another set than its first raises key.unknown.',
        ).optional(),
      }),
    )
    .min(1)
    .describe('Ledgers to verify.'),
  systemGenesisFile: systemGenesisFile.optional(),
  bodyBytes: z
    .int()
    .min(64 * 1024 * 1024)
    .default(1024 * 1024 * 1024)
    .describe('How much of the newest block bodies is kept for each ledger, bytes. Default 1073741824 (1 GiB).'),
  sweep: z
    .strictObject({
      bodies: entriesPerSecond(25_000, 'the bodies'),
      index: entriesPerSecond(2_500, 'the event index'),
      stored: entriesPerSecond(25_000, 'tiles and checkpoints'),
      stream: z
        .int()
        .min(0)
        .default(2_048)
        .describe(
          'Rate of the sweep over the stream, KiB a second, a tenth of it while more than 500 new entries a second arrive; ' +
            '0 for as fast as it goes. Default 2048.',
        ),
      pauseMs: z
        .int()
        .min(0)
        .default(1_000)
        .describe('Least pause between the passes of a sweep, milliseconds. Default 1000.'),
      busyPercent: z
        .int()
        .min(1)
        .max(100)
        .default(25)
        .describe(
          'Share of the time that a sweep is at work, percent: after a pass it rests as much longer. Waiting for the rate is no work. Default 25.',
        ),
      longestPauseMs: z
        .int()
        .min(0)
        .default(60_000)
        .describe(
          'Longest pause that busyPercent makes, milliseconds: what is old is found within two passes and this. Default 60000.',
        ),
      staleMs: z
        .int()
        .min(1_000)
        .default(86_400_000)
        .describe(
          'Age of the last full pass of a sweep at which verifier.stale is raised, milliseconds. Default 86400000 (a day).',
        ),
    })
    .prefault({})
    .describe('How fast everything old is read again.'),
  guards: z
    .strictObject({
      agreementFile: filePath(
        'What was agreed on for the database, as the deploy step signed it. Without it the catalog is not guarded.',
      ).optional(),
      deployKeyFile: filePath('Public key (vkey) of the deploy step that signs it.').optional(),
      everyMs: z
        .int()
        .min(100)
        .max(3_600_000)
        .default(10_000)
        .describe('Pause between two looks of a guard, milliseconds. Default 10000.'),
      clockSkewMs: z
        .int()
        .min(1_000)
        .default(300_000)
        .describe(
          'How far the clocks of services, Postgres and broker may be from this one, milliseconds. Default 300000 (5 minutes), below what stops a sealer (10) or an ingester (15).',
        ),
    })
    .prefault({})
    .describe('What surrounds the log: catalog and durability of the database, clocks, keys.'),
  anchors: anchorsToExpect,
  custody: z
    .strictObject({
      overdueMs: z
        .int()
        .min(1_000)
        .default(120_000)
        .describe(
          'How long a frame that is known to be signed may stay unsealed before custody.overdue, milliseconds. ' +
            'Longer than a restart of Postgres or a change of sealers takes. Default 120000 (2 minutes).',
        ),
      headroomMs: z
        .int()
        .min(1_000)
        .default(600_000)
        .describe(
          'stream.headroom when the oldest unsealed frame leaves the stream within this time, and what waits takes more ' +
            'than half of it, milliseconds. Default 600000 (10 minutes).',
        ),
    })
    .prefault({})
    .describe('What ingesters have signed must come to be sealed.'),
  behind: z
    .strictObject({
      entries: z
        .int()
        .min(1)
        .default(500_000)
        .describe('Entries that it may be behind the head before verifier.behind is raised. Default 500000.'),
      ms: z
        .int()
        .min(1_000)
        .default(120_000)
        .describe(
          'How long a head may be ahead, or none be readable, before verifier.behind is raised, milliseconds. Default 120000.',
        ),
    })
    .prefault({})
    .describe('How far the newest blocks may be behind.'),
  witness: z
    .strictObject({
      host: z
        .string()
        .min(1)
        .default('127.0.0.1')
        .describe('Address to listen on for other logs. Default 127.0.0.1: this machine only.'),
      port: z.int().min(0).max(65_535).describe('TCP port to listen on for other logs; 0 takes any free one.'),
      certFile: filePath('Server certificate (PEM, leaf first), for serverAuth, with the DNS names that logs use.'),
      keyFile: filePath('Its private key (PEM), mode 0600.'),
      caFile: filePath(
        'Roots of client certificates. When set, a log must show one; without, anybody may ask: what counts is its signature.',
      ).optional(),
      tls12: z
        .boolean()
        .default(false)
        .describe('Whether TLS 1.2 is spoken besides 1.3, with ECDHE and AEAD only. Default false.'),
      logs: z
        .array(
          z.strictObject({
            origin: z.string().min(1).max(255).describe('Origin of the log, the first line of its checkpoints.'),
            keys: z
              .array(z.string().min(1))
              .min(1)
              .max(8)
              .describe('Public keys (vkey) that it signs with; two while it rotates its key.'),
          }),
        )
        .min(1)
        .max(1_000)
        .describe('Logs of others whose checkpoints this verifier cosigns.'),
      requestsPerSecond: z
        .number()
        .positive()
        .max(10_000)
        .default(10)
        .describe('Requests that one client address may make, a second. Default 10.'),
      requestsBurst: z
        .int()
        .min(1)
        .max(10_000)
        .default(100)
        .describe('How many of them may come at once, after a pause. Default 100.'),
      connections: z
        .int()
        .min(1)
        .max(65_536)
        .default(256)
        .describe('Connections that are held at once; more are closed. Default 256.'),
    })
    .optional()
    .describe(
      'This verifier as a witness of other logs, over HTTPS (docs/operations/witnesses.md). Without it, it is none.',
    ),
  posture: z
    .strictObject({
      everyMs: z
        .int()
        .min(1_000)
        .max(86_400_000)
        .default(900_000)
        .describe(
          'Between two scans of all endpoints, milliseconds, give or take a fifth; the first comes after about a fifteenth of it. They are scanned as well when a file named here changes, and at SIGHUP. Default 900000 (15 minutes).',
        ),
      minimum: z
        .enum(['A+', 'A', 'A-', 'B', 'C'])
        .default('A')
        .describe('What each endpoint must have at least; below it is tls.posture. Default A.'),
      graceMs: z
        .int()
        .min(0)
        .default(600_000)
        .describe(
          'How long an endpoint may be unreachable, or serve another certificate than the one in its files, before that is tls.posture, milliseconds. ' +
            'Longer than a restart, a failover and the reload after a renewal take; who is silent is found out sooner elsewhere. Default 600000 (10 minutes).',
        ),
      patienceMs: z
        .int()
        .min(50)
        .max(60_000)
        .default(5_000)
        .describe('For the answer to one question, which is put twice, milliseconds. Default 5000.'),
      endpoints: z
        .array(
          z.strictObject({
            url: z
              .string()
              .refine(isEndpoint, 'must look like https://host:port or nats+tlsfirst://host:port')
              .describe('The endpoint, as tls scan writes it.'),
            service: z
              .string()
              .min(1)
              .optional()
              .describe('Whose it is. Two services with the same key are tls.posture. Default nobody.'),
            certFile: filePath(
              'The certificate that it ought to serve, where this machine has it: another one is tls.posture.',
            ).optional(),
            caFile: filePath('Roots that it has to come from. Default those of the NATS connection.').optional(),
            pins: z
              .array(z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits'))
              .default([])
              .describe('SHA-256 of public keys (SPKI, hex), one of which must stand in the chain. Default none.'),
          }),
        )
        .default([])
        .describe(
          'Endpoints beside the NATS servers and Postgres of the connections below, which are always watched; name these as well to say more of them.',
        ),
      revocationLists: z
        .array(
          z.strictObject({
            file: filePath(
              'Revocation lists (CRL; PEM, any number, or DER): near its next update, by the rule of certificates, one is tls.expiry.',
            ),
          }),
        )
        .default([])
        .describe('Revocation lists whose end is watched. Default none.'),
    })
    .prefault({})
    .describe('TLS of the endpoints, and certificates.'),
  nats: natsSettings.describe('The NATS connection.'),
  postgres: servicePostgresSettings.describe('The Postgres connection, as role everseal_verifier.'),
  operations: operationsSettings.describe('Where /live, /ready and /metrics are served.'),
  log: logSettings.describe('Logging.'),
});

export type VerifierSettings = z.output<typeof verifierSettings>;
