/** The words of `everseal tls`, as commander reads them. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Grade } from '@everseal/tls-posture';
import type { SettingsPlace } from './config.js';
import type { Context } from './context.js';
import type { ExitCode } from './exit-code.js';
import { scanTls, type TlsScanOptions } from './tls-scan.js';

/** What a run of the program gives its commands. */
export interface TlsRun {
  exitCode: ExitCode;
  context(program: Command): Context;
  place(program: Command): SettingsPlace;
}

/** Grades that somebody can ask for. */
const LETTERS = ['A+', 'A', 'A-', 'B', 'C'] satisfies Grade[];

export function addTls(program: Command, run: TlsRun): void {
  const tls = program.command('tls').description('TLS of the endpoints: what they offer, and what it is worth.');
  tls
    .command('scan')
    .description('Ask each endpoint everything that a client could, and grade it. Changes nothing.')
    .argument(
      '[endpoints...]',
      'https://host:port, https+mtls://, nats://, nats+tlsfirst://, postgres://role@host:port/database, postgres+direct:// (default: every one in the settings)',
    )
    .addOption(new Option('--minimum <grade>', 'what each must have at least').choices(LETTERS).default('A'))
    .option('--ca <file>', "roots of the servers' certificates (default: those of the settings, or the system's)")
    .option('--cert <file>', 'client certificate that they let in; with one, more can be seen')
    .option('--key <file>', 'its private key')
    .option('--pin <sha256>', 'public key (SPKI, hex) that must stand in the chain; several: one of them', pinned, [])
    .option('--timeout <ms>', 'for each question, which is put twice', timeout, 1_500)
    .option('--json', 'one JSON object a line instead of tables')
    .action(async (endpoints: string[], options: TlsScanOptions) => {
      run.exitCode = await scanTls(run.context(program), run.place(program), endpoints, options);
    });
}

function pinned(text: string, before: string[]): string[] {
  if (/^[0-9a-f]{64}$/i.test(text)) return [...before, text.toLowerCase()];
  throw new InvalidArgumentError('Give the SHA-256 of a public key, 64 hex digits.');
}

function timeout(text: string): number {
  const ms = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (ms >= 50 && ms <= 60_000) return ms;
  throw new InvalidArgumentError('Give milliseconds from 50 to 60000.');
}
