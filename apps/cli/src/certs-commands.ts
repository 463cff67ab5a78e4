/** The words of `everseal certs`; what each command does stands in the file of its name, loaded when it is run. */
import { Option, type Command } from 'commander';
import type { CertsOptions } from './certs-folder.js';
import type { IssueOptions, RenewOptions } from './certs-issue.js';
import type { ListOptions } from './certs-list.js';
import { JSON_OPTION, whole } from './command-option.js';
import type { Run } from './run.js';

const PKI = ['--pki <folder>', 'folder of the authority (default: pki/ of a one-machine installation)'] as const;
const POLICY = ['--policy <file>', 'the policy (default: that of the settings, or everseal.yaml)'] as const;
const HOURS = ['--hours <n>', 'lifetime; default 168, seven days', whole(1, 168)] as const;
const kind = (): Option =>
  new Option('--kind <kind>', 'only its client or only its server certificate').choices(['client', 'server']);

export function addCertsCommands(program: Command, run: Run): void {
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
    .option(...JSON_OPTION)
    .action(async (folders: string[], options: ListOptions) => {
      const { listCertificates } = await import('./certs-list.js');
      run.exitCode = await listCertificates(await run.context(program), run.place(program), folders, options);
    });
  certs
    .command('init')
    .description('Make an authority: two roots, one for servers and one for clients.')
    .option(...PKI)
    .action(async (options: CertsOptions) => {
      const { initAuthority } = await import('./certs-issue.js');
      run.exitCode = await initAuthority(await run.context(program), run.place(program), options);
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
      const { issueCertificates } = await import('./certs-issue.js');
      run.exitCode = await issueCertificates(await run.context(program), run.place(program), names, options);
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
    .option('--every <seconds>', 'with --watch: between two looks', whole(1, 86_400), 60)
    .option('--hup <pid-file...>', 'send SIGHUP to these processes after a renewal')
    .option(...HOURS)
    .action(async (names: string[], options: RenewOptions) => {
      const { renewCertificates } = await import('./certs-issue.js');
      run.exitCode = await renewCertificates(await run.context(program), run.place(program), names, options);
    });
  certs
    .command('revoke')
    .description('A certificate was stolen: raise the generation of its name in the policy, and issue a new one.')
    .argument('<name>', 'as everseal access show lists it')
    .option(...PKI)
    .option(...POLICY)
    .action(async (name: string, options: CertsOptions) => {
      const { revokeCertificate } = await import('./certs-revoke.js');
      run.exitCode = await revokeCertificate(await run.context(program), run.place(program), name, options);
    });
}
