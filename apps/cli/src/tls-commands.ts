/** The words of `everseal tls`, as commander reads them; what it does is loaded when it is run. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Grade } from '@everseal/tls-posture';
import { JSON_OPTION, whole } from './command-option.js';
import type { Run } from './run.js';
import type { TlsScanOptions } from './tls-scan.js';

/** Grades that somebody can ask for. */
const LETTERS = ['A+', 'A', 'A-', 'B', 'C'] satisfies Grade[];

export function addTlsCommands(program: Command, run: Run): void {
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
    .option('--timeout <ms>', 'for each question, which is put twice', whole(50, 60_000), 1_500)
    .option(...JSON_OPTION)
    .action(async (endpoints: string[], options: TlsScanOptions) => {
      const { scanTls } = await import('./tls-scan.js');
      run.exitCode = await scanTls(await run.context(program), run.place(program), endpoints, options);
    });
}

function pinned(text: string, before: string[]): string[] {
  if (/^[0-9a-f]{64}$/i.test(text)) return [...before, text.toLowerCase()];
  throw new InvalidArgumentError('Give the SHA-256 of a public key, 64 hex digits.');
}
