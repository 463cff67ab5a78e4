/**
 * The commands about proofs: verify, prove, policy, export.
 * Words only: what a command does stands in the file of its name, loaded when it is run.
 */
import type { Command } from 'commander';
import { entryIndex, JSON_OPTION, LEDGER_OPTION } from './command-option.js';
import type { Run } from './run.js';
import type { PolicyOptions } from './auditor-policy.js';
import type { ExportOptions } from './export.js';
import type { ProveOptions } from './prove.js';
import type { VerifyOptions } from './verify.js';
import type { VerifyFilesOptions } from './verify-files.js';

export function addProofCommands(program: Command, run: Run): void {
  addVerify(program, run);
  addProve(program, run);
  addExport(program, run);
}

function addVerify(program: Command, run: Run): void {
  program
    .command('verify')
    .description(
      'Check proofs, receipts, checkpoints and exports offline; without files, derive a whole ledger again from the database.',
    )
    .argument(
      '[files...]',
      'proofs (.tlog-proof beside .entry and .custody), receipts, checkpoints, folders of everseal export',
    )
    .option('--policy <file>', 'whom to believe: a C2SP tlog-policy file with log key, witnesses and quorum')
    .option(
      '--tsa <file...>',
      'certificates (PEM) of time-stamp authorities to believe, for time stamps beside proofs and checkpoints, and in exports',
    )
    .option('--entry <file>', "the proof's entry, where it is not beside it")
    .option('--extends <file>', 'an older checkpoint that the named one (with its proof, or a folder) has to extend')
    .option('--frames', 'for exports: also list which ingester signed which entries')
    .option('--keys <file>', 'for receipts: the key set that names their ingesters, e.g. the genesis note')
    .option('--events <file...>', 'for receipts: the events that were sent')
    .option('--producer <name>', 'for receipts that do not say it: who sent them')
    .option('--ledger <name>', 'without files: the ledger', 'main')
    .option('--from-database', 'without files: read it from Postgres (the default)')
    .option(...JSON_OPTION)
    .action(async (files: string[], options: VerifyOptions & VerifyFilesOptions) => {
      const { verify } = await import('./verify.js');
      const { verifyFiles } = await import('./verify-files.js');
      const context = await run.context(program);
      run.exitCode = files.length > 0 ? await verifyFiles(context, files, options) : await verify(context, options);
    });
}

function addProve(program: Command, run: Run): void {
  program
    .command('prove')
    .description('Write the proof of an event as files that anybody can check without this installation.')
    .argument('[event]', 'its id')
    .option(...LEDGER_OPTION)
    .option('--source <uri>', 'its source, where the id alone is not enough')
    .option('--producer <name>', 'its producer, likewise')
    .option('--index <n>', 'an entry by its index instead of an event by its id', entryIndex)
    .option('--extends <file>', 'prove instead that the log extends this older checkpoint')
    .option('--timestamped', 'under the first checkpoint over the event that has a time stamp, and with it')
    .option('--newest', 'under the newest cosigned checkpoint; default: the first one over the event')
    .option('--out <folder>', 'where to write the files', '.')
    .option(...JSON_OPTION)
    .action(async (event: string | undefined, options: ProveOptions) => {
      const { prove } = await import('./prove.js');
      run.exitCode = await prove(await run.context(program), event ?? null, options);
    });
  program
    .command('policy')
    .description("Write a ledger's C2SP tlog-policy file, for auditors: its log keys, and one of its verifiers.")
    .option(...LEDGER_OPTION)
    .option('--out <file>', 'default: standard output')
    .action(async (options: PolicyOptions) => {
      const { auditorPolicy } = await import('./auditor-policy.js');
      run.exitCode = await auditorPolicy(await run.context(program), options);
    });
}

function addExport(program: Command, run: Run): void {
  program
    .command('export')
    .description(
      'Write a ledger, a range or the events of a query as a folder that is checked without this installation.',
    )
    .argument('<ledger>', 'its name')
    .requiredOption('--to <folder>', 'where to; a run that was interrupted goes on there')
    .option('--from <index>', 'first entry of a range (whole bundles of 256 are written)', entryIndex)
    .option('--to-index <index>', 'last entry of the range', entryIndex)
    .option('--source <uri>', 'events of this source only')
    .option('--since <time>', 'events accepted since then: 90s, 15m, 2h, 7d, or an RFC 3339 time')
    .option('--until <time>', 'events accepted before then, likewise')
    .option(...JSON_OPTION)
    .action(async (ledger: string, options: ExportOptions) => {
      const { exportLedger } = await import('./export.js');
      run.exitCode = await exportLedger(await run.context(program), ledger, options);
    });
}
