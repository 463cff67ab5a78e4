/**
 * The commands of whoever looks after an installation: status, alerts, watch.
 * Words only: what a command does stands in the file of its name, loaded when it is run.
 */
import type { Command } from 'commander';
import { JSON_OPTION, whole } from './command-option.js';
import { DEFAULT_DIR } from './settings-file.js';
import type { Run } from './run.js';
import type { AcknowledgeOptions } from './acknowledge.js';
import type { AlertsOptions } from './alerts.js';
import type { StatusOptions } from './status.js';
import type { WatchOptions } from './watch.js';

export function addWatchingCommands(program: Command, run: Run): void {
  addStatus(program, run);
  addAlerts(program, run);
  addWatch(program, run);
}

function addStatus(program: Command, run: Run): void {
  program
    .command('status')
    .description('Health of every part, how far each ledger has come, open alerts.')
    .option(...JSON_OPTION)
    .action(async (options: StatusOptions) => {
      const { status } = await import('./status.js');
      run.exitCode = await status(await run.context(program), options);
    });
}

function addAlerts(program: Command, run: Run): void {
  const command = program
    .command('alerts')
    .description('What was raised and cleared, every signature checked.')
    .option('--open', 'only alerts that are open')
    .option('--since <time>', 'only alerts since then: 90s, 15m, 2h, 7d, or an RFC 3339 time')
    .option('--follow', 'go on with alerts as they come, until Ctrl-C')
    .option(...JSON_OPTION)
    .action(async (options: AlertsOptions) => {
      const { alerts } = await import('./alerts.js');
      run.exitCode = await alerts(await run.context(program), options);
    });
  command
    .command('ack')
    .description("Clear an alert that nothing else clears, once it was looked into. On its service's host.")
    .argument('<source>', 'who raised it, as alerts shows it: <domain>/<service>/<name>')
    .argument('<number>', 'its number', whole(1, 999_999_999))
    .requiredOption('--by <name>', 'who says so; stands in the clearing alert')
    .requiredOption('--reason <text>', 'what was found and done; stands in the clearing alert')
    .option('--state <folder>', 'where the service keeps alerts.json (default: that of a one-machine installation)')
    .option('--timeout <seconds>', 'to wait for the service to take it', whole(0, 3_600), 30)
    .action(async (source: string, number: number, _: unknown, ack: Command) => {
      const { acknowledge } = await import('./acknowledge.js');
      const options = ack.optsWithGlobals<AcknowledgeOptions>();
      const dir = run.place(program).dir ?? DEFAULT_DIR;
      run.exitCode = await acknowledge(await run.context(program), dir, source, number, options);
    });
}

function addWatch(program: Command, run: Run): void {
  program
    .command('watch')
    .description('Watch from outside: who is silent, does the log grow, is an alert missing or raised. Until Ctrl-C.')
    .option('--once', 'end when everybody was heard once, at the latest after three periods')
    .option('--for <seconds>', 'end after so long', whole(1, 31_536_000))
    .option('--state <file>', 'what is kept from run to run: raised once, cleared once')
    .option('--webhook <file>', 'file (mode 0600) with the URL that everything raised or cleared is posted to')
    .option(
      '--period <seconds>',
      'between two heartbeats of a service; three missed ones are too many',
      whole(1, 3_600),
      10,
    )
    .option('--frozen <seconds>', 'how long a log may stand still', whole(1, 604_800), 900)
    .option('--skew <seconds>', "how far a heartbeat's time may be from this machine's clock", whole(1, 86_400), 60)
    .option(...JSON_OPTION)
    .action(async (options: WatchOptions) => {
      const { watch } = await import('./watch.js');
      run.exitCode = await watch(await run.context(program), options);
    });
}
