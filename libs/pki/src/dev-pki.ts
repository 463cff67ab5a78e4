/**
 * The certificates of an installation that is its own authority, as files:
 *
 *   <dir>/servers-root/{cert,key}.pem       signs server certificates; clients trust it
 *   <dir>/clients-root/{cert,key}.pem       signs client certificates; servers trust it
 *   <dir>/<kind>/<name>/{cert,key,ca}.pem   one folder an identity; ca.pem is the root that the *other* end's certificate must come from
 *
 * Two roots, so that a server certificate can never be used to log in somewhere. A client carries its identity twice: Postgres reads the
 * common name, NATS the one URI name. `ensure…` is idempotent: it issues what is missing, what does not say what it should, and
 * what has less than a third of its lifetime left.
 *
 * Renewal keeps the key (as `step ca renew` does), so that a reader can never pair an old certificate with a new key. Where the key is to
 * change as well (`newKeys`), certificate and key are exchanged in one step (pair-folder.ts).
 */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { readPrivateText, replaceFile } from '@everseal/tls';
import { Authority, EXTENDED_KEY_USAGE, LEAF_DAYS, type LeafPlan, newKey, pemOfKey } from './authority.js';
import { exchangeFiles } from './pair-folder.js';

/** Paths of one identity. */
export interface CertificateFiles {
  certFile: string;
  keyFile: string;
  /** The root to check the other end against. */
  caFile: string;
}

/** A client: `uri` is its only subject alternative name. */
export interface ClientPlan {
  commonName: string;
  uri: string;
  /** Its folder below client/; the common name unless given. */
  folder?: string;
}

export interface DevPkiOptions {
  /** Share of its lifetime that a certificate must have left to stay; a third unless given, 1 renews all. */
  leastLeft?: number | undefined;
  /** Lifetime of what is issued, milliseconds; seven days unless given. */
  lifetimeMs?: number | undefined;
  /** What is renewed gets a new key as well. */
  newKeys?: boolean | undefined;
}

const A_THIRD = 1 / 3;
const LEAF_MS = LEAF_DAYS * 86_400_000;
const [CERT, KEY, CA] = ['cert.pem', 'key.pem', 'ca.pem'] as const;

export class DevPki {
  private constructor(
    readonly dir: string,
    private readonly servers: Authority,
    private readonly clients: Authority,
    private readonly now: () => number,
    private readonly options: DevPkiOptions,
  ) {}

  /**
   * Opens the PKI in `dir`, with new roots if it has none.
   * @param now milliseconds since the epoch
   * @throws TlsError tls.key-mismatch; ExposedFileError
   */
  static async open(dir: string, now: () => number = Date.now, options: DevPkiOptions = {}): Promise<DevPki> {
    const root = (name: string) =>
      Authority.open(path.join(dir, `${name}-root`), `Everseal development root for ${name}`, now());
    return new DevPki(path.resolve(dir), root('servers'), root('clients'), now, options);
  }

  /** Whether `dir` has roots already. */
  static isIn(dir: string): boolean {
    return ['servers', 'clients'].every((name) => existsSync(path.join(dir, `${name}-root`, CERT)));
  }

  /** Root that servers check clients against. */
  get clientsRootFile(): string {
    return this.clients.file;
  }

  /** Root that clients check servers against. */
  get serversRootFile(): string {
    return this.servers.file;
  }

  /** A client certificate in `<dir>/client/<folder>`. */
  ensureClient({ commonName, uri, folder = commonName }: ClientPlan): Promise<CertificateFiles> {
    const plan: LeafPlan = { commonName, purpose: 'client', names: [{ type: 'url', value: uri }] };
    return this.ensure(path.join(this.dir, 'client', folder), plan);
  }

  /**
   * A server certificate in `<dir>/server/<name>` for localhost, 127.0.0.1 and `name` itself (its host name in a container network).
   * @param hosts further DNS names and IPv4 addresses
   */
  ensureServer(name: string, hosts: readonly string[] = []): Promise<CertificateFiles> {
    const own = ['localhost', name, ...hosts].filter((host) => !isAddress(host));
    const addresses = ['127.0.0.1', ...hosts.filter(isAddress)];
    const names = [
      ...[...new Set(own)].map((value) => ({ type: 'dns' as const, value })),
      ...[...new Set(addresses)].map((value) => ({ type: 'ip' as const, value })),
    ];
    return this.ensure(path.join(this.dir, 'server', name), { commonName: name, purpose: 'server', names });
  }

  /** Issues whatever certificate `plan` asks for into `folder`, wrong ones included: for tests of what others must refuse. */
  async ensure(folder: string, plan: LeafPlan): Promise<CertificateFiles> {
    const [issuer, trusted] = plan.purpose === 'client' ? [this.clients, this.servers] : [this.servers, this.clients];
    const files = filesIn(folder);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!existsSync(files.keyFile)) replaceFile(files.keyFile, pemOfKey(newKey()), 0o600);
    const key = createPrivateKey(readPrivateText(files.keyFile));
    if (!this.isGood(files.certFile, plan, key, issuer)) this.issue(folder, plan, key, issuer, trusted);
    if (!existsSync(files.caFile) || readFileSync(files.caFile, 'utf8') !== trusted.pem) {
      replaceFile(inForce(files.caFile), trusted.pem, 0o644);
    }
    return files;
  }

  private issue(folder: string, plan: LeafPlan, present: KeyObject, issuer: Authority, trusted: Authority): void {
    const { certFile } = filesIn(folder);
    const notAfter = this.now() + (this.options.lifetimeMs ?? LEAF_MS);
    const issued = (key: KeyObject): string => issuer.issue({ notAfter, ...plan }, key, this.now());
    if (!this.options.newKeys || !existsSync(certFile)) {
      replaceFile(inForce(certFile), issued(present), 0o644);
      return;
    }
    const key = newKey();
    exchangeFiles(folder, [
      [CERT, issued(key), 0o644],
      [KEY, pemOfKey(key), 0o600],
      [CA, trusted.pem, 0o644],
    ]);
  }

  /** Whether the certificate says exactly what `plan` says, belongs to `key` and has enough of its lifetime left. */
  private isGood(certFile: string, plan: LeafPlan, key: KeyObject, issuer: Authority): boolean {
    if (!existsSync(certFile)) return false;
    const certificate = new X509Certificate(readFileSync(certFile));
    const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
    const names = { dns: 'DNS', ip: 'IP Address', url: 'URI' };
    return (
      certificate.verify(createPublicKey(issuer.pem)) &&
      certificate.checkPrivateKey(key) &&
      certificate.subject === `CN=${plan.commonName}` &&
      certificate.subjectAltName === plan.names.map(({ type, value }) => `${names[type]}:${value}`).join(', ') &&
      certificate.keyUsage?.join() === EXTENDED_KEY_USAGE[plan.purpose] &&
      to - this.now() > (to - from) * (this.options.leastLeft ?? A_THIRD)
    );
  }
}

/** The three files of an identity's folder. */
export function filesIn(folder: string): CertificateFiles {
  return { certFile: path.join(folder, CERT), keyFile: path.join(folder, KEY), caFile: path.join(folder, CA) };
}

/** Through a link, so that the link stays. */
function inForce(file: string): string {
  return existsSync(file) ? realpathSync(file) : file;
}

function isAddress(host: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(host);
}
