/**
 * The commands of operators: gap, keys, restore, reindex, drill, access.
 * Words only: what a command does stands in the file of its name, loaded when it is run.
 */
import path from 'node:path';
import { Argument, type Command } from 'commander';
import { KEY_ROLES, type KeyHolder, type KeyRole } from '@everseal/audit-core';
import { usage } from './cli-failure.js';
import { frameNumber, JSON_OPTION, LEDGER_OPTION, whole } from './command-option.js';
import { DEFAULT_DIR } from './settings-file.js';
import type { Run } from './run.js';
import type { PolicyOption, RenderOptions } from './access.js';
import type { DrillOptions } from './drill.js';
import type { DeclareOptions, GapOptions } from './gap.js';
import type { ShowKeysOptions } from './keys.js';
import type { SealersOptions } from './ledger-keys.js';
import type { ReindexOptions } from './reindex.js';
import type { RestoreOptions } from './restore.js';
import type { RotateOptions } from './rotate-key.js';

export function addOperatorCommands(program: Command, run: Run): void {
  addGap(program, run);
  addKeys(program, run);
  addRestore(program, run);
  addReindex(program, run);
  addDrill(program, run);
  addAccess(program, run);
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
      const { listGaps } = await import('./gap.js');
      run.exitCode = await listGaps(await run.context(program), options);
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
      const { declareGap } = await import('./gap.js');
      const frames = ingester === undefined || last === undefined ? null : { ingester, first, last };
      run.exitCode = await declareGap(await run.context(program), frames, options);
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
      const { showKeys } = await import('./keys.js');
      run.exitCode = await showKeys(await run.context(program), options);
    });
  keys
    .command('new')
    .description('Make a new key in the key file of a service, in front of the one in force; prints its public half.')
    .addArgument(role)
    .argument('[name]', 'of the ingester, verifier or operator')
    .requiredOption('--key-file <file>', 'the key file; made if it is not there')
    .option(...LEDGER_OPTION)
    .action(async (of: KeyRole, name: string | undefined, options: { ledger: string; keyFile: string }) => {
      const { newKey } = await import('./rotate-key.js');
      run.exitCode = newKey(await run.context(program), holderOf(of, name), options);
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
      const { rotateKey } = await import('./rotate-key.js');
      run.exitCode = await rotateKey(await run.context(program), holderOf(of, name), options);
    });
  keys
    .command('send')
    .description('Send an order that keys rotate --out wrote, and wait until its key set is in force.')
    .argument('<order>', 'file')
    .option(...LEDGER_OPTION)
    .option(...timeout)
    .action(async (order: string, options: SealersOptions) => {
      const { sendOrder } = await import('./keys.js');
      run.exitCode = await sendOrder(await run.context(program), order, options);
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
      const { restore } = await import('./restore.js');
      run.exitCode = await restore(await run.context(program), ledger, options);
    });
}

function addReindex(program: Command, run: Run): void {
  program
    .command('reindex')
    .description(
      'Make the event index again what the log says, after checking all of the log. Sealers may run meanwhile.',
    )
    .argument('<ledger>', 'name of the ledger')
    .option('--checkpoint <file...>', 'checkpoints that somebody kept: the log must pass them')
    .option(
      '--replace <file>',
      'also take out rows that stand and should not, or not so, and keep them in this file; without it they are left',
    )
    .option('--dry-run', 'say what is not as it should be, write nothing')
    .option(...JSON_OPTION)
    .action(async (ledger: string, options: ReindexOptions) => {
      const { reindex } = await import('./reindex.js');
      run.exitCode = await reindex(await run.context(program), ledger, options);
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
      const { drill } = await import('./drill.js');
      const { config, dir } = run.place(program);
      const out = options.out ?? path.join(config === undefined ? (dir ?? DEFAULT_DIR) : '.', 'drills');
      run.exitCode = await drill(await run.context(program), { ...options, out });
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
    .option('--nats-log <file>', 'file of its log, where the policy has a follower', '/var/log/everseal/nats.log')
    .option('--nats-certificates <folder>', 'folder of its cert.pem, key.pem and ca.pem', '/etc/everseal/nats')
    .option('--cluster-name <name>', 'name of the cluster it belongs to')
    .option('--cluster-host <address>', 'address for the other servers', '0.0.0.0')
    .option('--cluster-port <port>', 'port for the other servers', whole(1, 65_535), 6222)
    .option('--cluster-route <host:port...>', 'every server of the cluster')
    .option('--cluster-certificates <folder>', 'as above, for both ends (default: cluster/ below --nats-certificates)')
    .option('--database <name>', 'name of the database', 'everseal')
    .option('--postgres-certificates <folder>', 'as above, of Postgres', '/etc/everseal/postgres')
    .option('--postgres-log <folder>', 'folder of its log, where the policy has a follower', '/var/log/postgresql')
    .option('--postgres-address <cidr...>', 'networks the services connect from', ['127.0.0.1/32'])
    .action(async (options: RenderOptions) => {
      const { renderAccess } = await import('./access.js');
      run.exitCode = renderAccess(run.host.terminal, run.place(program), options);
    });
  access
    .command('show')
    .description('Who there is; with an identity, each of its rights.')
    .argument('[identity]', 'as in the first column, e.g. producer-billing')
    .option(...policy)
    .option(...JSON_OPTION)
    .action(async (identity: string | undefined, options: PolicyOption & { json?: boolean | undefined }) => {
      const { showAccess } = await import('./access.js');
      run.exitCode = showAccess(run.host.terminal, run.place(program), identity, options);
    });
}
