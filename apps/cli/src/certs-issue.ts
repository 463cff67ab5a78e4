/** `everseal certs init`, `issue` and `renew`: an installation that is its own authority. What each certificate says follows from the policy. */
import { existsSync, readFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { kill } from 'node:process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DevPki, filesIn } from '@everseal/pki';
import { certificateFacts, type CertificateFacts, type Purpose } from '@everseal/tls';
import { chosen, openPki, pkiFolder, plannedCertificates, type CertsOptions, type Planned } from './certs-folder.js';
import { settingsIfAny } from './certs-list.js';
import { untilServed } from './certs-served.js';
import { usage } from './cli-failure.js';
import { explain } from './explain-error.js';
import type { SettingsPlace } from './settings-file.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';

export interface IssueOptions extends CertsOptions {
  kind?: Purpose | undefined;
  /** Further DNS names and IPv4 addresses of a server. */
  host?: string[] | undefined;
  /** Lifetime. */
  hours?: number | undefined;
}

export interface RenewOptions extends Omit<IssueOptions, 'host'> {
  all?: boolean | undefined;
  newKey?: boolean | undefined;
  watch?: boolean | undefined;
  /** Seconds between two looks, with `watch`. */
  every: number;
  /** Files with the process id, first line, of what is told by SIGHUP. */
  hup?: string[] | undefined;
}

const HOUR_MS = 3_600_000;
/** Services look at their files every five seconds; nat-server and Postgres are told. */
const SERVED_WITHIN_MS = 30_000;

/** Makes the two roots. */
export async function initAuthority(context: Context, place: SettingsPlace, options: CertsOptions): Promise<ExitCode> {
  const folder = pkiFolder(place, options);
  if (DevPki.isIn(folder))
    throw usage(`${folder} has an authority already: every certificate of it would be worthless`);
  const pki = await DevPki.open(folder, context.now);
  for (const file of [pki.serversRootFile, pki.clientsRootFile]) context.terminal.line(file);
  context.terminal.note('keep the keys beside them where nobody but you can read them: they can make anybody');
  return EXIT.ok;
}

export async function issueCertificates(
  context: Context,
  place: SettingsPlace,
  names: readonly string[],
  options: IssueOptions,
): Promise<ExitCode> {
  const { terminal, now } = context;
  const folder = pkiFolder(place, options);
  const pki = await openPki(folder, now, { lifetimeMs: lifetimeOf(options) });
  for (const planned of chosen(plannedCertificates(place, options), names, options.kind)) {
    const before = presentIn(folder, planned);
    const facts = await ensure(pki, folder, planned, options.host);
    const what = facts.serial === before?.serial ? 'is good' : 'issued';
    terminal.line(`${planned.kind} ${planned.name}: ${what}, ${facts.serial}, until ${facts.notAfter.toISOString()}`);
  }
  return EXIT.ok;
}

/** Renews once, or with `watch` until Ctrl-C. */
export async function renewCertificates(
  context: Context,
  place: SettingsPlace,
  names: readonly string[],
  options: RenewOptions,
): Promise<ExitCode> {
  if (!options.watch) return renewOnce(context, place, names, options);
  if (names.length > 0 || options.all)
    throw usage('--watch renews what is due, and nothing at once: leave the rest out');
  while (!context.signal.aborted) {
    // What failed now may work at the next look: two thirds of a life leave time for many.
    await renewOnce(context, place, names, options).catch((error: unknown) =>
      context.terminal.note(`not renewed: ${explain(error).message}`),
    );
    await sleep(options.every * 1_000, undefined, { signal: context.signal }).catch(() => undefined);
  }
  return EXIT.ok;
}

async function renewOnce(
  context: Context,
  place: SettingsPlace,
  names: readonly string[],
  options: RenewOptions,
): Promise<ExitCode> {
  const folder = pkiFolder(place, options);
  const isForced = options.all || names.length > 0;
  const pki = await openPki(folder, context.now, {
    ...(isForced ? { leastLeft: 1 } : {}),
    lifetimeMs: lifetimeOf(options),
    newKeys: options.newKey,
  });
  const renewed: [Planned, CertificateFacts][] = [];
  for (const planned of chosen(plannedCertificates(place, options), names, options.kind)) {
    const before = presentIn(folder, planned);
    if (before === null) continue; // never issued here: its key is elsewhere, or nobody needs it
    const facts = await ensure(pki, folder, planned, hostsOf(before));
    if (facts.serial === before.serial) continue;
    renewed.push([planned, facts]);
    context.terminal.line(`${planned.kind} ${planned.name}: ${facts.serial}, until ${facts.notAfter.toISOString()}`);
  }
  if (renewed.length === 0) {
    context.terminal.note('nothing is due');
    return EXIT.ok;
  }
  for (const file of options.hup ?? []) kill(pidIn(file), 'SIGHUP');
  return seeServed(context, renewed);
}

/** @returns unavailable when a server that answers goes on with another certificate */
async function seeServed(context: Context, renewed: readonly [Planned, CertificateFacts][]): Promise<ExitCode> {
  const { terminal } = context;
  const settings = settingsIfAny(context);
  const servers = renewed.filter(([{ kind }]) => kind === 'server');
  const looks = await Promise.all(
    servers.map(async ([{ name }, { serial }]) => ({
      name,
      served: await untilServed(settings, name, serial, SERVED_WITHIN_MS),
    })),
  );
  for (const { name, served } of looks) {
    if (served === 'another') terminal.note(`${name} goes on serving another certificate: SIGHUP, then see its log`);
    if (served === 'unknown') terminal.note(`${name}: not looked at, the settings do not say where it serves`);
    if (served === 'silent') terminal.note(`${name} does not answer; it reads its certificate when it starts`);
  }
  return looks.some(({ served }) => served === 'another') ? EXIT.unavailable : EXIT.ok;
}

async function ensure(
  pki: DevPki,
  folder: string,
  planned: Planned,
  hosts: readonly string[] = [],
): Promise<CertificateFacts> {
  const { identity, name } = planned;
  if (identity === null) await pki.ensureServer(name, hosts);
  else await pki.ensureClient(identity);
  return presentIn(folder, planned)!;
}

/** What its folder holds now; null when it holds none. */
function presentIn(folder: string, { kind, name }: Planned): CertificateFacts | null {
  const { certFile } = filesIn(path.join(folder, kind, name));
  return existsSync(certFile) ? certificateFacts(new X509Certificate(readFileSync(certFile))) : null;
}

/** A renewed certificate is for the hosts that the old one was for. */
function hostsOf({ names }: CertificateFacts): string[] {
  return names.map((name) => name.replace(/^(DNS|IP Address):/, ''));
}

const lifetimeOf = ({ hours }: { hours?: number | undefined }): number | undefined =>
  hours === undefined ? undefined : hours * HOUR_MS;

function pidIn(file: string): number {
  const [line = ''] = readFileSync(file, 'utf8').split('\n');
  if (/^[1-9]\d{0,9}$/.test(line.trim())) return Number(line);
  throw usage(`${file} does not begin with a process id`);
}
