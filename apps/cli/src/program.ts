/**
 * The command line: every command with its options, as commander reads them. What a command does stands in the file of its
 * name; here are the words only.
 */
import path from 'node:path';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { KEY_ROLES, type KeyHolder, type KeyRole } from '@everseal/audit-core';
import { renderAccess, showAccess, type PolicyOption, type RenderOptions } from './access.js';
import { acknowledge, type AcknowledgeOptions } from './acknowledge.js';
import { alerts, type AlertsOptions } from './alerts.js';
import { addCerts } from './certs.js';
import { claim, type ClaimOptions } from './claim.js';
import { explain, usage } from './cli-failure.js';
import { drill, type DrillOptions } from './drill.js';
import { exportLedger, type ExportOptions } from './export.js';
import { DEFAULT_DIR, readSettings, type SettingsPlace } from './config.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { declareGap, listGaps, type DeclareOptions, type GapOptions } from './gap.js';
import { sendOrder, showKeys, type ShowKeysOptions } from './keys.js';
import type { SealersOptions } from './ledger-keys.js';
import { newKey, rotateKey, type RotateOptions } from './rotate-key.js';
import { INPUT_FORMATS } from './input-format.js';
import { restore, type RestoreOptions } from './restore.js';
import { status, type StatusOptions } from './status.js';
import { submit, type SubmitOptions } from './submit.js';
import { printable, type Terminal } from './terminal.js';
import { auditorPolicy, type PolicyOptions } from './auditor-policy.js';
import { prove, type ProveOptions } from './prove.js';
import { verifyFiles, type VerifyFilesOptions } from './verify-files.js';
import { verify, type VerifyOptions } from './verify.js';
import { watch, type WatchOptions } from './watch.js';

/** What main.ts takes from the process. */
export interface Host {
  terminal: Terminal;
  stdin: AsyncIterable<Buffer | string>;
  now: () => number;
  signal: AbortSignal;
  /** EVERSEAL_DIR. */
  dir: string | undefined;
}

interface GlobalOptions {
  config?: string | undefined;
  dir?: string | undefined;
  debug?: boolean | undefined;
}

const JSON_OPTION = ['--json', 'one JSON object a line instead of tables'] as const;
const LEDGER_OPTION = ['--ledger <name>', 'ledger', 'main'] as const;

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
    const { message, exitCode } = explain(error);
    for (const line of message.split('\n')) host.terminal.note(`everseal: ${printable(line)}`);
    if (program.opts<GlobalOptions>().debug)
      host.terminal.note(error instanceof Error ? (error.stack ?? '') : String(error));
    return exitCode;
  }
}

/** One run of the program: hands each command its context and keeps how it ended. */
class Run {
  exitCode: ExitCode = EXIT.ok;

  constructor(readonly host: Host) {}

  place(program: Command): SettingsPlace {
    const { config, dir } = program.opts<GlobalOptions>();
    return { config, dir: dir ?? this.host.dir };
  }

  context(program: Command): Context {
    const { terminal, stdin, now, signal } = this.host;
    let settings: ReturnType<typeof readSettings> | undefined;
    return { terminal, stdin, now, signal, settings: () => (settings ??= readSettings(this.place(program))) };
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
  addSubmit(program, run);
  addClaim(program, run);
  addStatus(program, run);
  addAlerts(program, run);
  addVerify(program, run);
  addProve(program, run);
  addExport(program, run);
  addWatch(program, run);
  addGap(program, run);
  addKeys(program, run);
  addRestore(program, run);
  addDrill(program, run);
  addAccess(program, run);
  addCerts(program, {
    context: () => run.context(program),
    place: () => run.place(program),
    end: (code) => void (run.exitCode = code),
  });
  return program;
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
      run.exitCode = await submit(run.context(program), files, options);
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
      run.exitCode = await claim(run.context(program), files, options);
    });
}

function addStatus(program: Command, run: Run): void {
  program
    .command('status')
    .description('Health of every part, how far each ledger has come, open alerts.')
    .option(...JSON_OPTION)
    .action(async (options: StatusOptions) => {
      run.exitCode = await status(run.context(program), options);
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
      run.exitCode = await alerts(run.context(program), options);
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
      const options = ack.optsWithGlobals<AcknowledgeOptions>();
      const dir = run.place(program).dir ?? DEFAULT_DIR;
      run.exitCode = await acknowledge(run.context(program), dir, source, number, options);
    });
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
    .option('--entry <file>', "the proof's entry, where it is not beside it")
    .option('--extends <file>', 'an older checkpoint that the named one (with its proof, or a folder) has to extend')
    .option('--keys <file>', 'for receipts: the key set that names their ingesters, e.g. the genesis note')
    .option('--events <file...>', 'for receipts: the events that were sent')
    .option('--producer <name>', 'for receipts that do not say it: who sent them')
    .option('--ledger <name>', 'without files: the ledger', 'main')
    .option('--from-database', 'without files: read it from Postgres (the default)')
    .option(...JSON_OPTION)
    .action(async (files: string[], options: VerifyOptions & VerifyFilesOptions) => {
      const context = run.context(program);
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
    .option('--newest', 'under the newest cosigned checkpoint; default: the first one over the event')
    .option('--out <folder>', 'where to write the files', '.')
    .option(...JSON_OPTION)
    .action(async (event: string | undefined, options: ProveOptions) => {
      run.exitCode = await prove(run.context(program), event ?? null, options);
    });
  program
    .command('policy')
    .description("Write a ledger's C2SP tlog-policy file, for auditors: its log keys, and one of its verifiers.")
    .option(...LEDGER_OPTION)
    .option('--out <file>', 'default: standard output')
    .action(async (options: PolicyOptions) => {
      run.exitCode = await auditorPolicy(run.context(program), options);
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
      run.exitCode = await watch(run.context(program), options);
    });
}

function addGap(program: Command, run: Run): void {
  const gap = program.command('gap').description('Lanes that wait for missing frames, and what was declared missing.');
  const timeout = ['--timeout <seconds>', 'to wait for an answer of a sealer', whole(1, 3_600), 10] as const;
  gap
    .command('list')
    .description('What waits, since when, asked for how often; gap records with what is still owed.')
    .option(...LEDGER_OPTION)
    .option(...timeout)
    .option(...JSON_OPTION)
    .action(async (options: GapOptions) => {
      run.exitCode = await listGaps(run.context(program), options);
    });
  gap
    .command('declare')
    .description('Order a gap record at once, with an operator key. A frame that comes later is sealed all the same.')
    .argument('[ingester]', 'whose frames')
    .argument('[first]', 'the first missing frame', frameNumber)
    .argument('[last]', 'the last one', frameNumber)
    .option(...LEDGER_OPTION)
    .option('--key <file>', 'operator key (skey) that signs the order')
    .option('--out <file>', 'write the signed order there, send nothing')
    .option('--order <file>', 'send an order that was signed before')
    .option(...timeout)
    .option(...JSON_OPTION)
    .action(async (ingester: string | undefined, first: number, last: number | undefined, options: DeclareOptions) => {
      const frames = ingester === undefined || last === undefined ? null : { ingester, first, last };
      run.exitCode = await declareGap(run.context(program), frames, options);
    });
}

function addKeys(program: Command, run: Run): void {
  const keys = program.command('keys').description('Keys of a ledger: which are in force, and how they are rotated.');
  const timeout = ['--timeout <seconds>', 'to wait for each answer and step', whole(1, 3_600), 60] as const;
  const role = new Argument('<role>', 'whose key').choices(KEY_ROLES);
  keys
    .command('show')
    .description('The keys in force, since which entry, and which of them are used.')
    .option(...LEDGER_OPTION)
    .option('--out <file>', 'write the key set in force there, e.g. for producers')
    .option(...timeout)
    .option(...JSON_OPTION)
    .action(async (options: ShowKeysOptions) => {
      run.exitCode = await showKeys(run.context(program), options);
    });
  keys
    .command('new')
    .description('Make a new key in the key file of a service, in front of the one in force; prints its public half.')
    .addArgument(role)
    .argument('[name]', 'of the ingester, verifier or operator')
    .requiredOption('--key-file <file>', 'the key file; made if it is not there')
    .option(...LEDGER_OPTION)
    .action((of: KeyRole, name: string | undefined, options: { ledger: string; keyFile: string }) => {
      run.exitCode = newKey(run.context(program), holderOf(of, name), options);
    });
  keys
    .command('rotate')
    .description('Rotate a key of a ledger: new key, key set, and the old key out of force. Run again, it goes on.')
    .addArgument(role)
    .argument('[name]', 'of the ingester, verifier or operator')
    .requiredOption('--operator-key <file>', 'operator key (skey) that signs the orders')
    .option('--key-file <file>', 'key file of the service')
    .option('--new-key <vkey>', 'public key that keys new printed, where the key file is elsewhere')
    .option('--key-sets <folder...>', 'where verifiers are told of key sets (default: keySetsDir of the settings)')
    .option('--out <file>', 'write the next order there, send nothing')
    .option(
      '--revoke',
      'the old keys are stolen or lost: out of force at once, what they signed and is not sealed is a gap',
    )
    .option(...LEDGER_OPTION)
    .option(...timeout)
    .action(async (of: KeyRole, name: string | undefined, options: RotateOptions) => {
      run.exitCode = await rotateKey(run.context(program), holderOf(of, name), options);
    });
  keys
    .command('send')
    .description('Send an order that keys rotate --out wrote, and wait until its key set is in force.')
    .argument('<order>', 'file')
    .option(...LEDGER_OPTION)
    .option(...timeout)
    .action(async (order: string, options: SealersOptions) => {
      run.exitCode = await sendOrder(run.context(program), order, options);
    });
}

/** @throws CliFailure when the name is missing, or there where there is none */
function holderOf(role: KeyRole, name = ''): KeyHolder {
  if ((role === 'log') === (name === '')) return { role, name };
  throw usage(role === 'log' ? 'a log key has no name of its own: say --ledger' : `say whose ${role} key it is`);
}

function addRestore(program: Command, run: Run): void {
  program
    .command('restore')
    .description(
      'Put lost blocks of a ledger back byte for byte, from archives, after checking all of it. Stop its sealers first.',
    )
    .argument('<ledger>', 'name of the ledger')
    .option(
      '--from <folder...>',
      "a verifier's folder, or a copy of the log (checkpoint, tile/entries); several are tried in order",
      [],
    )
    .option('--checkpoint <file...>', 'checkpoints that somebody kept: the log must pass them')
    .option('--only-checkpointed', 'leave out what an archive holds beyond the newest known checkpoint')
    .option(
      '--close',
      'nobody has the lost blocks: close the ledger for good and make the note that begins its successor',
    )
    .option('--log-key <file>', "with --close: the successor's log key (skey)")
    .option('--operator-key <file>', 'with --close: an operator key (skey) of both ledgers')
    .option('--log-key-lost', 'with --close: the log key is lost and has no copy, nothing else has to be')
    .option('--reason <text>', 'with --close: why; stands in the note')
    .option('--out <file>', 'with --close: where the note goes')
    .option('--yes', 'with --close: do it')
    .option(...JSON_OPTION)
    .action(async (ledger: string, options: RestoreOptions) => {
      run.exitCode = await restore(run.context(program), ledger, options);
    });
}

function addDrill(program: Command, run: Run): void {
  program
    .command('drill')
    .description(
      'Tamper with the drill ledger as a superuser could, see that every verifier says so, put it back, report.',
    )
    .option('--acts <list>', 'which, e.g. T1,T7; all; default: those on the drill ledger', (text) => text.split(','))
    .option('--list', 'show the acts and end')
    .option('--canary', 'one quick act (T1) without asking, for a timer')
    .option('--restore <file>', 'put back what an interrupted drill had changed, and end')
    .option('--ledger <name>', "must be the policy's drillLedger; no other is tampered with")
    .option(
      '--out <folder>',
      'where each drill gets a folder (default: drills/ of a one-machine installation, or here)',
    )
    .option('--within <seconds>', 'for the alert to be raised, and again to be cleared', whole(1, 86_400), 120)
    .option('--yes', 'do not ask')
    .option(...JSON_OPTION)
    .action(async (options: Omit<DrillOptions, 'out'> & { out?: string }) => {
      const { config, dir } = run.place(program);
      const out = options.out ?? path.join(config === undefined ? (dir ?? DEFAULT_DIR) : '.', 'drills');
      run.exitCode = await drill(run.context(program), { ...options, out });
    });
}

function addAccess(program: Command, run: Run): void {
  const access = program
    .command('access')
    .description('What follows from the policy: who may do what, and the configs that enforce it.');
  const policy = ['--policy <file>', 'the policy (default: that of the settings, or everseal.yaml)'] as const;
  access
    .command('render')
    .description(
      'Write nats.conf, roles.sql, pg_hba.conf, pg_ident.conf and everseal.conf. Paths are those of the servers.',
    )
    .requiredOption('--out <folder>', 'where to write them')
    .option(...policy)
    .option('--nats-name <name>', 'name of the NATS server, unique in a cluster', 'nats')
    .option('--nats-host <address>', 'address it listens on', '127.0.0.1')
    .option('--nats-port <port>', 'port it listens on', whole(1, 65_535), 4222)
    .option('--nats-store <folder>', 'folder of its streams', '/var/lib/everseal/nats')
    .option('--nats-certificates <folder>', 'folder of its cert.pem, key.pem and ca.pem', '/etc/everseal/nats')
    .option('--cluster-name <name>', 'name of the cluster it belongs to')
    .option('--cluster-host <address>', 'address for the other servers', '0.0.0.0')
    .option('--cluster-port <port>', 'port for the other servers', whole(1, 65_535), 6222)
    .option('--cluster-route <host:port...>', 'every server of the cluster')
    .option('--cluster-certificates <folder>', 'as above, for both ends (default: cluster/ below --nats-certificates)')
    .option('--database <name>', 'name of the database', 'everseal')
    .option('--postgres-certificates <folder>', 'as above, of Postgres', '/etc/everseal/postgres')
    .option('--postgres-address <cidr...>', 'networks the services connect from', ['127.0.0.1/32'])
    .action((options: RenderOptions) => {
      run.exitCode = renderAccess(run.host.terminal, run.place(program), options);
    });
  access
    .command('show')
    .description('Who there is; with an identity, each of its rights.')
    .argument('[identity]', 'as in the first column, e.g. producer-billing')
    .option(...policy)
    .option(...JSON_OPTION)
    .action((identity: string | undefined, options: PolicyOption & { json?: boolean | undefined }) => {
      run.exitCode = showAccess(run.host.terminal, run.place(program), identity, options);
    });
}

/** A frame number, for commander. */
function frameNumber(text: string): number {
  const number = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new InvalidArgumentError('Give the number of a frame, 1 or more.');
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
      run.exitCode = await exportLedger(run.context(program), ledger, options);
    });
}

/** The index of an entry, for commander. */
function entryIndex(text: string): number {
  const index = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(index)) return index;
  throw new InvalidArgumentError('Give the index of an entry, 0 or more.');
}

/** A whole number in a range, for commander. */
function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
  };
}
