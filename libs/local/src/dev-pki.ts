/**
 * The certificates of an installation on one machine, as files:
 *
 *   <dir>/servers-root/{cert,key}.pem       signs server certificates; clients trust it
 *   <dir>/clients-root/{cert,key}.pem       signs client certificates; servers trust it
 *   <dir>/<kind>/<name>/{cert,key,ca}.pem   one folder an identity; ca.pem is the root that the *other* end's certificate must come from
 *
 * Two roots, so that a server certificate can never be used to log in somewhere. A client carries its identity twice: Postgres reads the
 * common name, NATS the one URI name. `ensure…` is idempotent: it issues what is missing, what does not say what it should, and
 * what has less than a third of its lifetime left. Renewal keeps the key (as `step ca renew` does), so that a reader can never pair an
 * old certificate with a new key; removing the folder gives a new key.
 */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Authority, type LeafPlan, newKey, pemOfKey, type Purpose } from './authority.js';
import { replaceFile } from './replace-file.js';

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
}

const A_THIRD = 1 / 3;
const EXTENDED_KEY_USAGE: Record<Purpose, string> = { client: '1.3.6.1.5.5.7.3.2', server: '1.3.6.1.5.5.7.3.1' };

export class DevPki {
  private constructor(
    readonly dir: string,
    private readonly servers: Authority,
    private readonly clients: Authority,
    private readonly now: () => number,
    private readonly leastLeft: number,
  ) {}

  /**
   * Opens the PKI in `dir`, with new roots if it has none.
   * @param now milliseconds since the epoch
   * @param leastLeft share of its lifetime that a certificate must have left to stay; 1 renews all
   */
  static async open(dir: string, now: () => number = Date.now, leastLeft = A_THIRD): Promise<DevPki> {
    const root = (name: string) =>
      Authority.open(path.join(dir, `${name}-root`), `Everseal development root for ${name}`, now());
    return new DevPki(path.resolve(dir), await root('servers'), await root('clients'), now, leastLeft);
  }

  /** Root that servers check clients against. */
  get clientsRootFile(): string {
    return this.clients.file;
  }

  /** Root that clients check servers against. */
  get serversRootFile(): string {
    return this.servers.file;
  }

  /** A client certificate in `<dir>/client/<common name>`. */
  ensureClient({ commonName, uri }: ClientPlan): Promise<CertificateFiles> {
    const plan: LeafPlan = { commonName, purpose: 'client', names: [{ type: 'url', value: uri }] };
    return this.ensure(path.join(this.dir, 'client', commonName), plan);
  }

  /** A server certificate in `<dir>/server/<name>` for localhost, 127.0.0.1 and `name` itself (its host name in a container network). */
  ensureServer(name: string): Promise<CertificateFiles> {
    const names = [
      { type: 'dns', value: 'localhost' },
      { type: 'dns', value: name },
      { type: 'ip', value: '127.0.0.1' },
    ] as const;
    return this.ensure(path.join(this.dir, 'server', name), { commonName: name, purpose: 'server', names });
  }

  /** Issues whatever certificate `plan` asks for into `folder`, wrong ones included: for tests of what others must refuse. */
  async ensure(folder: string, plan: LeafPlan): Promise<CertificateFiles> {
    const [issuer, trusted] = plan.purpose === 'client' ? [this.clients, this.servers] : [this.servers, this.clients];
    const files = filesIn(folder);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!existsSync(files.keyFile)) replaceFile(files.keyFile, pemOfKey(newKey()), 0o600);
    const key = createPrivateKey(readFileSync(files.keyFile));
    if (!this.isGood(files.certFile, plan, key, issuer)) {
      replaceFile(files.certFile, await issuer.issue(plan, key, this.now()), 0o644);
    }
    if (!existsSync(files.caFile) || readFileSync(files.caFile, 'utf8') !== trusted.pem) {
      replaceFile(files.caFile, trusted.pem, 0o644);
    }
    return files;
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
      to - this.now() > (to - from) * this.leastLeft
    );
  }
}

/** The three files of an identity's folder. */
export function filesIn(folder: string): CertificateFiles {
  const file = (name: string) => path.join(folder, `${name}.pem`);
  return { certFile: file('cert'), keyFile: file('key'), caFile: file('ca') };
}
