/**
 * A certificate authority for one machine: a self-signed P-256 root in two files, and the leaves it issues. For development, drills and
 * tests; a real deployment takes its certificates from its own CA (docs/operations), in the same layout.
 *
 * Leaves: one purpose each (clientAuth or serverAuth, never both), names only as subject alternative names plus a common name, valid
 * from five minutes ago (clocks) for LEAF_DAYS.
 */
import 'reflect-metadata'; // @peculiar/x509 needs it loaded first
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  webcrypto,
} from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as x509 from '@peculiar/x509';
import { LocalError } from './local-error.js';
import { replaceFile } from './replace-file.js';

const LEAF_DAYS = 7;
const ROOT_DAYS = 3650;
const CLOCK_SLACK_MS = 5 * 60_000;
const DAY_MS = 86_400_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export type Purpose = 'client' | 'server';

/** What stands in a leaf. */
export interface LeafPlan {
  commonName: string;
  purpose: Purpose;
  names: readonly { type: 'dns' | 'ip' | 'url'; value: string }[];
  /** Milliseconds since the epoch; seven days from about now unless given. */
  notBefore?: number;
  notAfter?: number;
}

/** A root and its key. `file` is what others are told to trust. */
export class Authority {
  private constructor(
    readonly file: string,
    readonly pem: string,
    private readonly certificate: x509.X509Certificate,
    private readonly key: webcrypto.CryptoKey,
  ) {}

  /** Reads `<dir>/{cert,key}.pem`, or makes a new root there. */
  static async open(dir: string, name: string, now: number): Promise<Authority> {
    const certFile = path.join(dir, 'cert.pem');
    const keyFile = path.join(dir, 'key.pem');
    if (!existsSync(certFile)) {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const key = newKey();
      replaceFile(keyFile, pemOfKey(key), 0o600);
      replaceFile(certFile, await selfSigned(name, key, now), 0o644); // last: its presence says that the pair is complete
    }
    const pem = readFileSync(certFile, 'utf8');
    const key = createPrivateKey(readFileSync(keyFile));
    const certificate = new x509.X509Certificate(pem);
    if (!spkiOf(key).equals(Buffer.from(certificate.publicKey.rawData))) {
      throw new LocalError(
        'key-mismatch',
        `${keyFile} is not the key of ${certFile}: put the right one back or remove both`,
      );
    }
    return new Authority(certFile, pem, certificate, await importPrivate(key));
  }

  /** A certificate for `key`, PEM. */
  async issue(plan: LeafPlan, key: KeyObject, now: number): Promise<string> {
    const publicKey = await importPublic(key);
    const usage = plan.purpose === 'client' ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth;
    const leaf = await x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: [{ CN: [plan.commonName] }],
      issuer: this.certificate.subjectName,
      notBefore: new Date(plan.notBefore ?? now - CLOCK_SLACK_MS),
      notAfter: new Date(plan.notAfter ?? now + LEAF_DAYS * DAY_MS),
      signingKey: this.key,
      publicKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage], true),
        new x509.SubjectAlternativeNameExtension([...plan.names]),
        await x509.SubjectKeyIdentifierExtension.create(publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(this.certificate.publicKey),
      ],
    });
    return `${leaf.toString('pem')}\n`;
  }
}

/** A new P-256 key. */
export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** PKCS #8, PEM. */
export function pemOfKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

async function selfSigned(name: string, key: KeyObject, now: number): Promise<string> {
  const keys = { privateKey: await importPrivate(key), publicKey: await importPublic(key) };
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [name] }],
    notBefore: new Date(now - CLOCK_SLACK_MS),
    notAfter: new Date(now + ROOT_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return `${root.toString('pem')}\n`;
}

function spkiOf(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
}

function importPublic(privateKey: KeyObject): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('spki', spkiOf(privateKey), ALGORITHM, true, ['verify']);
}

function importPrivate(key: KeyObject): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), ALGORITHM, false, ['sign']);
}

/** 16 random bytes as hex; a serial number is positive and has one encoding, so the first byte is 0x40..0x7f. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | (bytes[0]! & 0x3f);
  return bytes.toString('hex');
}
