/**
 * The commands of whoever sends events: submit, claim.
 * Words only: what a command does stands in the file of its name, loaded when it is run.
 */
import { Option, type Command } from 'commander';
import { JSON_OPTION, LEDGER_OPTION, whole } from './command-option.js';
import { INPUT_FORMATS } from './input-format.js';
import type { Run } from './run.js';
import type { ClaimOptions } from './claim.js';
import type { SubmitOptions } from './submit.js';

export function addEventCommands(program: Command, run: Run): void {
  addSubmit(program, run);
  addClaim(program, run);
}

function addSubmit(program: Command, run: Run): void {
  program
    .command('submit')
    .description('Send events and keep the receipts: one event by its options, or files (- is standard input).')
    .argument('[files...]', 'CloudEvents as JSON, an array of them or one a line, or CloudTrail log files; gzip too')
    .option(...LEDGER_OPTION)
    .option('--producer <name>', 'who sends (default: the only producer of the settings)')
    .option('--file <file...>', 'the same as naming files as arguments')
    .addOption(
      new Option('--format <format>', 'form of the files (default: by their first bytes)').choices([...INPUT_FORMATS]),
    )
    .option('--source <uri>', 'CloudEvents source of the one event')
    .option('--type <type>', 'its type')
    .option('--id <id>', 'its id (default: a random one)')
    .option('--subject <subject>', 'its subject')
    .option('--time <time>', 'its time, RFC 3339 (default: now)')
    .option('--data <json>', 'its data, JSON')
    .option('--receipts <path>', 'keep receipts: a file to append to, or a folder (ends with /) for one file each')
    .option('--batch <n>', 'events a request', whole(1, 512), 512)
    .option('--in-flight <n>', 'requests at a time; 1 keeps the order of the input', whole(1, 64), 8)
    .option('--timeout <seconds>', 'until the outcome of a request is given up as unknown', whole(1, 86_400), 60)
    .option('--no-check', 'send without checking first: ingest then refuses request by request')
    .option(...JSON_OPTION)
    .action(async (files: string[], options: SubmitOptions) => {
      const { submit } = await import('./submit.js');
      run.exitCode = await submit(await run.context(program), files, options);
    });
}

function addClaim(program: Command, run: Run): void {
  program
    .command('claim')
    .description('Hand in receipts and learn whether their events are sealed; the proof is checked here.')
    .argument('<files...>', 'receipts, as submit --receipts keeps them')
    .option('--producer <name>', 'whose they are (default: as the files say)')
    .option('--timeout <seconds>', 'to wait for an answer', whole(1, 3_600), 10)
    .option(...JSON_OPTION)
    .action(async (files: string[], options: ClaimOptions) => {
      const { claim } = await import('./claim.js');
      run.exitCode = await claim(await run.context(program), files, options);
    });
}
