/** `everseal certs list`: every certificate, how much of its life is left, whether it can be used, and whether its server serves it. */
import { existsSync, readFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import path from 'node:path';
import { certificateFacts, loadMaterial, renewalState, TlsError, type CertificateFacts } from '@everseal/tls';
import { pairsBelow, pkiFolder, type CertsOptions, type FoundFiles } from './certs-folder.js';
import { isServed, type Served } from './certs-served.js';
import { CliFailure, usage } from './cli-failure.js';
import type { CliSettings } from './config.js';
import type { SettingsPlace } from './settings-file.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { printable } from './terminal.js';

export interface ListOptions extends CertsOptions {
  json?: boolean | undefined;
}

interface Row {
  /** Its folder, or its file where a folder has several. */
  name: string;
  kind: 'client' | 'server' | 'authority' | 'other';
  facts: CertificateFacts | null;
  /** Of its life, 0 to 1. */
  left: number;
  /** `fresh`, `due`, `late`, `expired`, or the code of what is wrong. */
  state: string;
  /** What is wrong in words; '' when nothing is. */
  problem: string;
  served: Served | null;
}

/** @param folders of any tool; none: the authority's */
export async function listCertificates(
  context: Context,
  place: SettingsPlace,
  folders: readonly string[],
  options: ListOptions,
): Promise<ExitCode> {
  const roots = folders.length > 0 ? folders : [pkiFolder(place, options)];
  const settings = settingsIfAny(context);
  const rows: Row[] = [];
  for (const root of roots) {
    if (!existsSync(root)) throw usage(`${root} does not exist: name the folder of the certificates`);
    for (const files of pairsBelow(root)) rows.push(await rowOf(root, files, settings, context.now()));
  }
  if (rows.length === 0) throw usage(`there is no certificate with its key below ${roots.join(', ')}`);
  show(context, rows, options);
  return rows.some((row) => !isUsable(row)) ? EXIT.unhealthy : EXIT.ok;
}

/** Null where there are none: then nobody can be asked what is served. */
export function settingsIfAny(context: Context): CliSettings | null {
  try {
    return context.settings();
  } catch (error) {
    if (error instanceof CliFailure) return null;
    throw error;
  }
}

async function rowOf(root: string, files: FoundFiles, settings: CliSettings | null, now: number): Promise<Row> {
  const name = nameOf(root, files.certFile);
  const none = { name, kind: 'other' as const, facts: null, left: 0, served: null };
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(readFileSync(files.certFile));
  } catch {
    return { ...none, state: 'tls.certificate-malformed', problem: `${files.certFile} holds no certificate` };
  }
  const facts = certificateFacts(certificate);
  const [from, to] = [facts.notBefore.getTime(), facts.notAfter.getTime()];
  const left = Math.max(0, Math.min(1, (to - now) / (to - from)));
  const kind: Row['kind'] = certificate.ca ? 'authority' : (facts.purposes[0] ?? 'other');
  const common = { name, kind, facts, left, state: renewalState(facts, now), problem: '', served: null };
  if (kind === 'authority') return common;
  try {
    await loadMaterial(files, kind === 'server' ? 'server' : 'client', now);
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    return { ...common, state: error.code, problem: error.message };
  }
  if (kind !== 'server') return common;
  return { ...common, served: await isServed(settings, path.basename(path.dirname(files.certFile)), facts.serial) };
}

function nameOf(root: string, certFile: string): string {
  const folder = path.relative(root, path.dirname(certFile));
  const file = path.basename(certFile);
  const isNamed = ['cert.pem', 'tls.crt', 'svid.pem'].includes(file);
  return isNamed ? folder || path.basename(path.resolve(root)) : path.join(folder, file);
}

const isUsable = ({ problem, state, served }: Row): boolean =>
  problem === '' && state !== 'expired' && served !== 'another';

function show({ terminal }: Context, rows: readonly Row[], { json }: ListOptions): void {
  if (json) {
    for (const { facts, ...row } of rows) {
      terminal.json({ ...row, serial: facts?.serial ?? null, notAfter: facts?.notAfter ?? null, names: facts?.names });
    }
    return;
  }
  const { colors } = terminal;
  terminal.table(
    ['name', 'kind', 'serial', 'not after', 'left', 'state', 'served'],
    rows.map((row) => {
      const { name, kind, facts, left, state, served } = row;
      const color = !isUsable(row) ? colors.red : state === 'fresh' ? colors.green : colors.yellow;
      const until = facts === null ? '-' : facts.notAfter.toISOString().replace('.000', '');
      const share = `${Math.floor(left * 100)} %`;
      return [printable(name), kind, facts?.serial ?? '-', until, share, color(state), servedText(served)];
    }),
  );
  for (const { name, problem } of rows) if (problem !== '') terminal.note(`${printable(name)}: ${printable(problem)}`);
  if (rows.some(({ served }) => served === 'another')) {
    terminal.note('a server that serves another certificate than its file has not read it again: SIGHUP, then its log');
  }
}

function servedText(served: Served | null): string {
  if (served === null || served === 'unknown') return '-';
  return { yes: 'yes', another: 'ANOTHER', silent: 'no answer' }[served];
}
