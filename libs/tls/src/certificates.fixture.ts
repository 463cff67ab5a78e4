/**
 * Certificates for specs: two roots (servers, clients) and leaves of every kind, bad ones included. P-256, seconds to
 * issue hundreds. Real deployments get theirs from a CA; libs/local has the one for a single machine.
 */
import { webcrypto } from 'node:crypto';
import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY = 86_400_000;

export interface LeafOptions {
  commonName?: string;
  names?: x509.JsonGeneralNames;
  purposes?: ('client' | 'server')[];
  notBefore?: Date;
  notAfter?: Date;
}

export interface Leaf {
  cert: string;
  key: string;
  serial: string;
}

export class Authority {
  private constructor(
    readonly pem: string,
    private readonly certificate: x509.X509Certificate,
    private readonly keys: webcrypto.CryptoKeyPair,
  ) {}

  static async create(name: string): Promise<Authority> {
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: randomSerial(),
      name: `CN=${name}`,
      notBefore: new Date(Date.now() - DAY),
      notAfter: new Date(Date.now() + 30 * DAY),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new Authority(`${certificate.toString('pem')}\n`, certificate, keys);
  }

  async issue(options: LeafOptions = {}): Promise<Leaf> {
    const purposes = options.purposes ?? ['client'];
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: randomSerial(),
      subject: `CN=${options.commonName ?? 'ingest-a'}`,
      issuer: this.certificate.subject,
      notBefore: options.notBefore ?? new Date(Date.now() - 3_600_000),
      notAfter: options.notAfter ?? new Date(Date.now() + 7 * DAY),
      signingKey: this.keys.privateKey,
      publicKey: keys.publicKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        ...(purposes.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension(purposes.map(usage))]),
        new x509.SubjectAlternativeNameExtension(
          options.names ?? [{ type: 'url', value: 'spiffe://audit.example.com/svc/ingest/a' }],
        ),
        await x509.AuthorityKeyIdentifierExtension.create(this.keys.publicKey),
      ],
    });
    const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
    return {
      cert: `${certificate.toString('pem')}\n`,
      key: `${key}\n`,
      serial: certificate.serialNumber.toUpperCase(),
    };
  }

  /** A server certificate for loopback. */
  issueServer(options: LeafOptions = {}): Promise<Leaf> {
    const names: x509.JsonGeneralNames = [
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
    ];
    return this.issue({ commonName: 'localhost', purposes: ['server'], names, ...options });
  }
}

/** A folder of PEM files, removed by `remove()`. */
export class CertificateFolder {
  private constructor(readonly path: string) {}

  static async create(): Promise<CertificateFolder> {
    return new CertificateFolder(await mkdtemp(join(tmpdir(), 'everseal-tls-')));
  }

  /** Writes `<name>.crt` and `<name>.key` (0600) and gives their paths, with the authority's when given. */
  async write(name: string, leaf: Leaf, authority?: Authority) {
    const certFile = await this.put(`${name}.crt`, leaf.cert);
    const keyFile = await this.put(`${name}.key`, leaf.key);
    const caFile = await this.put(`${name}-ca.crt`, authority?.pem ?? '');
    return { certFile, keyFile, ...(authority === undefined ? {} : { caFile }) };
  }

  /** Writes one file the way a renewal tool does: beside, then renamed over. */
  async put(name: string, text: string, mode = 0o600): Promise<string> {
    const path = join(this.path, name);
    await writeFile(`${path}.new`, text, { mode });
    await chmod(`${path}.new`, mode);
    await rename(`${path}.new`, path);
    return path;
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true });
  }
}

function usage(purpose: 'client' | 'server'): x509.ExtendedKeyUsage {
  return purpose === 'client' ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth;
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

function randomSerial(): string {
  // Top bit clear: a serial number is a positive integer; first byte not zero: one way to print it.
  const bytes = webcrypto.getRandomValues(new Uint8Array(8));
  bytes[0] = 0x40 | (bytes[0]! & 0x3f);
  return Buffer.from(bytes).toString('hex');
}
