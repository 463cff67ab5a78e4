/**
 * Logs: one JSON object a line on standard output, written synchronously, so that the last line before an exit is there.
 * Fields: `time` (RFC 3339), `level` (a word), `service`, `name`, `msg`, and what the call adds; errors under `err`.
 * Private keys are never logged; the redaction is the net below that rule.
 */
import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';

export type { Logger } from 'pino';

const SECRET_FIELDS = ['key', 'skey', 'seed', 'privateKey', 'password', 'authorization'];

/**
 * @param service kind of process, e.g. 'ingest'
 * @param name instance, e.g. 'a'
 * @param level least severe level written
 * @param destination standard output unless a test wants the lines
 */
export function createLogger(service: string, name: string, level = 'info', destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: { service, name },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[redacted]' },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
}
