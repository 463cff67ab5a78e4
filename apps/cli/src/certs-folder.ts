/**
 * Where certificates are: the folder of an installation's own authority (libs/pki) with the names that the policy has, and folders
 * of any other tool, known by the names of their files.
 *
 * | files | of |
 * | --- | --- |
 * | `cert.pem` `key.pem` `ca.pem` | everseal, and whatever is told to write them |
 * | `tls.crt` `tls.key` `ca.crt` | Kubernetes: cert-manager, its CSI driver, any TLS secret |
 * | `svid.pem` `svid_key.pem` `bundle.pem` | SPIRE, by spiffe-helper |
 * | `<name>.crt` `<name>.key` | step, and most others |
 *
 * Folders whose names begin with two dots are the inside of a link that is exchanged as a whole; what the link shows is looked at.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { DevPki, type DevPkiOptions } from '@everseal/pki';
import { identitiesOf, readPolicy, type Identity } from '@everseal/policy';
import type { Purpose } from '@everseal/tls';
import { policyPath } from './access.js';
import { usage } from './cli-failure.js';
import { DEFAULT_DIR, type SettingsPlace } from './settings-file.js';

export interface CertsOptions {
  /** Folder of the authority. */
  pki?: string | undefined;
  policy?: string | undefined;
}

/** A certificate that the policy has somebody hold. */
export interface Planned {
  kind: Purpose;
  /** Its folder below `<kind>/`. */
  name: string;
  /** Null for a server: nothing but its host names stands in it. */
  identity: Identity | null;
}

/** A pair of files. */
export interface FoundFiles {
  certFile: string;
  keyFile: string;
  caFile: string | undefined;
}

const LAYOUTS = [
  ['cert.pem', 'key.pem', 'ca.pem'],
  ['tls.crt', 'tls.key', 'ca.crt'],
  ['svid.pem', 'svid_key.pem', 'bundle.pem'],
] as const;
const MOST_DEPTH = 6;

/** The folder of the authority: the one that is named, or that of a one-machine installation. */
export function pkiFolder({ dir, config }: SettingsPlace, { pki }: CertsOptions): string {
  if (pki !== undefined) return pki;
  if (config !== undefined && dir === undefined) throw usage('say where the certificates are, with --pki');
  return path.join(dir ?? DEFAULT_DIR, 'pki');
}

/** @throws CliFailure without an authority there; TlsError, ExposedFileError */
export async function openPki(folder: string, now: () => number, options: DevPkiOptions): Promise<DevPki> {
  if (DevPki.isIn(folder)) return DevPki.open(folder, now, options);
  throw usage(`there is no authority in ${folder}: name its folder with --pki, or make one with everseal certs init`);
}

/** Everybody's: clients as the policy names them, and a server certificate for each engine and service. @throws PolicyError */
export function plannedCertificates(place: SettingsPlace, options: CertsOptions): Planned[] {
  const policy = readPolicy(policyPath(place, options));
  const identities = identitiesOf(policy);
  const serving = identities.filter(({ service }) =>
    ['ingest', 'sealer', 'verifier', 'reader', 'follower'].includes(service),
  );
  return [
    ...['nats', 'postgres', ...serving.map(({ folder }) => folder)].map((name): Planned => ({
      kind: 'server',
      name,
      identity: null,
    })),
    ...identities.map((identity): Planned => ({ kind: 'client', name: identity.folder, identity })),
  ];
}

/** Those of these names. @throws CliFailure for a name that the policy does not have */
export function chosen(all: readonly Planned[], names: readonly string[], kind?: Purpose): Planned[] {
  const ofKind = all.filter((one) => kind === undefined || one.kind === kind);
  for (const name of names) {
    if (!ofKind.some((one) => one.name === name)) {
      const known = [...new Set(ofKind.map((one) => one.name))].join(', ');
      throw usage(
        `the policy has no "${name}"${kind === undefined ? '' : ` with a ${kind} certificate`}: there is ${known}`,
      );
    }
  }
  return names.length === 0 ? ofKind : ofKind.filter(({ name }) => names.includes(name));
}

/** Every pair below `folder`, in the order of the names. @throws system errors */
export function pairsBelow(folder: string, depth = 0): FoundFiles[] {
  const names = readdirSync(folder).sort();
  const here = pairsAmong(folder, names);
  if (depth === MOST_DEPTH) return here;
  const folders = names.filter((name) => !name.startsWith('..') && statSync(path.join(folder, name)).isDirectory());
  return [...here, ...folders.flatMap((name) => pairsBelow(path.join(folder, name), depth + 1))];
}

function pairsAmong(folder: string, names: readonly string[]): FoundFiles[] {
  const known = LAYOUTS.find(([cert, key]) => names.includes(cert) && names.includes(key));
  const file = (name: string): string => path.join(folder, name);
  if (known !== undefined) {
    const [cert, key, ca] = known;
    return [{ certFile: file(cert), keyFile: file(key), caFile: existsSync(file(ca)) ? file(ca) : undefined }];
  }
  return names
    .filter((name) => name.endsWith('.crt') && names.includes(name.replace(/crt$/, 'key')))
    .map((name) => ({ certFile: file(name), keyFile: file(name.replace(/crt$/, 'key')), caFile: undefined }));
}
