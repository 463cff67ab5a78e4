/** The words of `everseal certs`; what each command does stands in the file of its name. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { CertsOptions } from './certs-folder.js';
import {
  initAuthority,
  issueCertificates,
  renewCertificates,
  type IssueOptions,
  type RenewOptions,
} from './certs-issue.js';
import { listCertificates, type ListOptions } from './certs-list.js';
import { revokeCertificate } from './certs-revoke.js';
import type { SettingsPlace } from './config.js';
import type { Context } from './context.js';
import type { ExitCode } from './exit-code.js';

/** What a command is run in. */
export interface CertsRun {
  context: () => Context;
  place: () => SettingsPlace;
  end: (code: ExitCode) => void;
}

const PKI = ['--pki <folder>', 'folder of the authority (default: pki/ of a one-machine installation)'] as const;
const POLICY = ['--policy <file>', 'the policy (default: that of the settings, or everseal.yaml)'] as const;
const HOURS = ['--hours <n>', 'lifetime; default 168, seven days', hours] as const;
const kind = (): Option =>
  new Option('--kind <kind>', 'only its client or only its server certificate').choices(['client', 'server']);

export function addCerts(program: Command, { context, place, end }: CertsRun): void {
  const certs = program
    .command('certs')
    .description(
      'Certificates: what there is and how long it lives; issue, renew and revoke where the authority is here.',
    );
  certs
    .command('list')
    .description('Every certificate: life left, whether it can be used, whether its server serves it.')
    .argument('[folders...]', 'folders of any tool: step, Kubernetes, SPIRE; default: the authority')
    .option(...PKI)
    .option('--json', 'one JSON object a line instead of a table')
    .action(async (folders: string[], options: ListOptions) => {
      end(await listCertificates(context(), place(), folders, options));
    });
  certs
    .command('init')
    .description('Make an authority: two roots, one for servers and one for clients.')
    .option(...PKI)
    .action(async (options: CertsOptions) => {
      end(await initAuthority(context(), place(), options));
    });
  certs
    .command('issue')
    .description('Issue certificates to names of the policy; one that is good stays.')
    .argument('<names...>', 'as everseal access show lists them, and nats, postgres')
    .option(...PKI)
    .option(...POLICY)
    .addOption(kind())
    .option('--host <name...>', 'further DNS names and IPv4 addresses of a server')
    .option(...HOURS)
    .action(async (names: string[], options: IssueOptions) => {
      end(await issueCertificates(context(), place(), names, options));
    });
  certs
    .command('renew')
    .description('Renew what has less than a third of its life left, and see that servers serve it.')
    .argument('[names...]', 'these, now')
    .option(...PKI)
    .option(...POLICY)
    .addOption(kind())
    .option('--all', 'everything, now')
    .option('--new-key', 'with new keys; certificate and key are exchanged in one step')
    .option('--watch', 'go on looking, until Ctrl-C')
    .option('--every <seconds>', 'with --watch: between two looks', seconds, 60)
    .option('--hup <pid-file...>', 'send SIGHUP to these processes after a renewal')
    .option(...HOURS)
    .action(async (names: string[], options: RenewOptions) => {
      end(await renewCertificates(context(), place(), names, options));
    });
  certs
    .command('revoke')
    .description('A certificate was stolen: raise the generation of its name in the policy, and issue a new one.')
    .argument('<name>', 'as everseal access show lists it')
    .option(...PKI)
    .option(...POLICY)
    .action(async (name: string, options: CertsOptions) => {
      end(await revokeCertificate(context(), place(), name, options));
    });
}

function hours(text: string): number {
  return between(text, 1, 168);
}

function seconds(text: string): number {
  return between(text, 1, 86_400);
}

function between(text: string, least: number, most: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
}
