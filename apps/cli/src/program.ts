/** The command line: its commands by who uses them, and what becomes of an error. */
import { Command, CommanderError } from 'commander';
import { addCertsCommands } from './certs-commands.js';
import { addEventCommands } from './event-commands.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { addOperatorCommands } from './operator-commands.js';
import { addProofCommands } from './proof-commands.js';
import { Run, type GlobalOptions, type Host } from './run.js';
import { printable } from './terminal.js';
import { addTlsCommands } from './tls-commands.js';
import { addWatchingCommands } from './watching-commands.js';

/**
 * Runs one command line, errors included.
 * @param args without the program's own name
 */
export async function runProgram(args: string[], host: Host): Promise<ExitCode> {
  const run = new Run(host);
  const program = buildProgram(run);
  try {
    await program.parseAsync(args, { from: 'user' });
    return run.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const { explain } = await import('./explain-error.js');
    const { message, exitCode } = explain(error);
    for (const line of message.split('\n')) host.terminal.note(`everseal: ${printable(line)}`);
    if (program.opts<GlobalOptions>().debug)
      host.terminal.note(error instanceof Error ? (error.stack ?? '') : String(error));
    return exitCode;
  }
}

function buildProgram(run: Run): Command {
  const { terminal } = run.host;
  const program = new Command('everseal')
    .description('Tamper-evident audit log: submit events, see alerts, verify a ledger.')
    .option('--config <file>', 'settings of this tool (default: <dir>/config/cli.yaml)')
    .option('--dir <folder>', 'folder of a one-machine installation (default: EVERSEAL_DIR, or .everseal)')
    .option('--debug', 'show where an error came from')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.line(text.trimEnd()),
      writeErr: (text) => terminal.note(text.trimEnd()),
    })
    .showHelpAfterError('(everseal <command> --help)')
    .addHelpText('after', '\nExit codes, settings and formats: docs/operations/command-line.md');
  addEventCommands(program, run);
  addWatchingCommands(program, run);
  addProofCommands(program, run);
  addOperatorCommands(program, run);
  addCertsCommands(program, run);
  addTlsCommands(program, run);
  return program;
}
