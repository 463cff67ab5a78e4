/**
 * Certificates of every kind that a scanner has to tell apart, made in milliseconds: other keys, hashes, dates, names,
 * purposes and issuers than they should have. For specs alone.
 */
import 'reflect-metadata'; // @peculiar/x509 needs it loaded first
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const DAY = 86_400_000;

export type KeyKind = 'P-256' | 'P-384' | 'rsa-1024' | 'rsa-2048';

export interface LeafPlan {
  key?: KeyKind;
  hash?: 'SHA-1' | 'SHA-256' | 'SHA-384';
  commonName?: string;
  dns?: string[];
  uri?: string;
  /** Days from now. */
  from?: number;
  to?: number;
  purposes?: ('client' | 'server')[];
}

export interface Identity {
  /** PEM, of the one certificate. */
  cert: string;
  key: string;
  /** SHA-256 of the DER, lower-case hex. */
  fingerprint: string;
}

export class WrongAuthority {
  private constructor(
    private readonly certificate: x509.X509Certificate,
    private readonly keys: webcrypto.CryptoKeyPair,
    private readonly kind: KeyKind,
  ) {}

  static async root(commonName: string, kind: KeyKind = 'P-256'): Promise<WrongAuthority> {
    const keys = await newKeys(kind);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serial(),
      name: `CN=${commonName}`,
      notBefore: new Date(Date.now() - 40 * DAY),
      notAfter: new Date(Date.now() + 3_650 * DAY),
      signingAlgorithm: algorithm(kind, 'SHA-256'),
      keys,
      extensions: authorityExtensions(),
    });
    return new WrongAuthority(certificate, keys, kind);
  }

  get pem(): string {
    return `${this.certificate.toString('pem')}\n`;
  }

  get trusted(): X509Certificate {
    return new X509Certificate(this.pem);
  }

  /** An authority below this one. @param to days from now */
  async intermediate(commonName: string, to = 300): Promise<WrongAuthority> {
    const keys = await newKeys('P-256');
    const certificate = await this.sign(keys.publicKey, commonName, { from: -30, to }, authorityExtensions());
    return new WrongAuthority(certificate, keys, 'P-256');
  }

  async issue(plan: LeafPlan = {}): Promise<Identity> {
    const { key = 'P-256', commonName = 'localhost', dns = ['localhost'], purposes = ['server'], uri } = plan;
    const keys = await newKeys(key);
    const names: x509.JsonGeneralNames = [
      ...dns.map((value) => ({ type: 'dns' as const, value })),
      ...(uri === undefined ? [] : [{ type: 'url' as const, value: uri }]),
    ];
    const certificate = await this.sign(keys.publicKey, commonName, plan, [
      new x509.BasicConstraintsExtension(false, undefined, true),
      ...(purposes.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension(purposes.map(usage))]),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
      await x509.AuthorityKeyIdentifierExtension.create(this.keys.publicKey),
    ]);
    return identity(certificate, keys.privateKey);
  }

  private sign(
    publicKey: webcrypto.CryptoKey,
    commonName: string,
    { from = -1, to = 7, hash = 'SHA-256' }: LeafPlan,
    extensions: x509.Extension[],
  ): Promise<x509.X509Certificate> {
    return x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: `CN=${commonName}`,
      issuer: this.certificate.subject,
      notBefore: new Date(Date.now() + from * DAY),
      notAfter: new Date(Date.now() + to * DAY),
      signingKey: this.keys.privateKey,
      publicKey,
      signingAlgorithm: algorithm(this.kind, hash),
      extensions,
    });
  }
}

/** A certificate that nobody issued but its own key. */
export async function selfSigned(): Promise<Identity> {
  const keys = await newKeys('P-256');
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=localhost',
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(Date.now() + 7 * DAY),
    signingAlgorithm: algorithm('P-256', 'SHA-256'),
    keys,
    extensions: [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }]),
    ],
  });
  return identity(certificate, keys.privateKey);
}

const usage = (purpose: 'client' | 'server'): string =>
  purpose === 'client' ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth;

function authorityExtensions(): x509.Extension[] {
  return [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  ];
}

async function identity(certificate: x509.X509Certificate, key: webcrypto.CryptoKey): Promise<Identity> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key);
  const cert = `${certificate.toString('pem')}\n`;
  const fingerprint = new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();
  return { cert, key: `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`, fingerprint };
}

function algorithm(kind: KeyKind, hash: string): EcdsaParams & { name: string } {
  return { name: kind.startsWith('P-') ? 'ECDSA' : 'RSASSA-PKCS1-v1_5', hash };
}

interface EcdsaParams {
  hash: string;
}

function newKeys(kind: KeyKind): Promise<webcrypto.CryptoKeyPair> {
  const parameters = kind.startsWith('P-')
    ? { name: 'ECDSA', namedCurve: kind, hash: 'SHA-256' }
    : {
        name: 'RSASSA-PKCS1-v1_5',
        modulusLength: Number(kind.slice('rsa-'.length)),
        publicExponent: new Uint8Array([1, 0, 1]),
        hash: 'SHA-256',
      };
  return webcrypto.subtle.generateKey(parameters, true, ['sign', 'verify']);
}

/** 16 bytes, positive and in one encoding. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | (bytes[0]! & 0x3f);
  return bytes.toString('hex');
}
