/**
 * A certificate authority in two files: a self-signed P-256 root, and the leaves it issues. For one machine, drills and tests, and for a
 * small installation that has no other; a larger one takes its certificates from its own CA (docs/operations/certificates.md).
 *
 * Leaves: one purpose each (clientAuth or serverAuth, never both), names only as subject alternative names plus a common name, valid
 * from five minutes ago (clocks) for LEAF_DAYS. Certificates are written here (RFC 5280, ECDSA P-256 with SHA-256): Node signs and reads
 * them and cannot make them, and what can is a tree of packages that no running service should bring along.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { writeOid } from '@everseal/audit-core';
import { readPrivateText, replaceFile, TlsError, type Purpose } from '@everseal/tls';
import { bitString, elements, integer, octetString, sequence, set, tagged, time, TRUE, utf8String } from './der.js';

export const LEAF_DAYS = 7;
const ROOT_DAYS = 3650;
const CLOCK_SLACK_MS = 5 * 60_000;
const DAY_MS = 86_400_000;

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;
export const EXTENDED_KEY_USAGE: Record<Purpose, string> = {
  client: '1.3.6.1.5.5.7.3.2',
  server: '1.3.6.1.5.5.7.3.1',
};
const VERSION_3 = tagged(0, integer(Buffer.from([2])), 'constructed');
const SIGNATURE = sequence(writeOid(OID.ecdsaWithSha256));
/** Bits of keyUsage, first bit first: digitalSignature is bit 0; keyCertSign and cRLSign are 5 and 6. */
const USAGE = { leaf: bitString(Buffer.from([0x80]), 7), root: bitString(Buffer.from([0x06]), 1) };
const NAME_TAG = { dns: 2, url: 6, ip: 7 } as const;

/** A subject alternative name. An `ip` is IPv4. */
export interface LeafName {
  type: keyof typeof NAME_TAG;
  value: string;
}

/** What stands in a leaf. */
export interface LeafPlan {
  commonName: string;
  purpose: Purpose;
  names: readonly LeafName[];
  /** Milliseconds since the epoch; seven days from about now unless given. */
  notBefore?: number;
  notAfter?: number;
}

/** A root and its key. `file` is what others are told to trust. */
export class Authority {
  /** The root's subject and key identifier, exactly as they stand in it: chains are found by these bytes. */
  private readonly subject: Buffer;
  private readonly keyIdentifier: Buffer;

  private constructor(
    readonly file: string,
    readonly pem: string,
    private readonly key: KeyObject,
  ) {
    const [body] = elements(elements(new X509Certificate(pem).raw)[0]!.contents);
    const fields = elements(body!.contents);
    this.subject = fields[5]!.whole;
    this.keyIdentifier = keyIdentifierIn(fields.at(-1)!.contents);
  }

  /** Reads `<dir>/{cert,key}.pem`, or makes a new root there. @throws TlsError tls.key-mismatch; ExposedFileError */
  static open(dir: string, name: string, now: number): Authority {
    const certFile = path.join(dir, 'cert.pem');
    const keyFile = path.join(dir, 'key.pem');
    if (!existsSync(certFile)) {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const key = newKey();
      replaceFile(keyFile, pemOfKey(key), 0o600);
      replaceFile(certFile, selfSigned(name, key, now), 0o644); // last: its presence says that the pair is complete
    }
    const pem = readFileSync(certFile, 'utf8');
    const key = createPrivateKey(readPrivateText(keyFile));
    if (!new X509Certificate(pem).checkPrivateKey(key)) {
      throw new TlsError(
        'tls.key-mismatch',
        `${keyFile} is not the key of ${certFile}: put the right one back or remove both`,
      );
    }
    return new Authority(certFile, pem, key);
  }

  /** A certificate for `key`, PEM. */
  issue(plan: LeafPlan, key: KeyObject, now: number): string {
    const extensions = [
      extension(OID.basicConstraints, sequence(), 'critical'),
      extension(OID.keyUsage, USAGE.leaf, 'critical'),
      extension(OID.extendedKeyUsage, sequence(writeOid(EXTENDED_KEY_USAGE[plan.purpose])), 'critical'),
      extension(OID.subjectAltName, sequence(...plan.names.map(generalName))),
      extension(OID.subjectKeyIdentifier, octetString(identifierOf(key))),
      extension(OID.authorityKeyIdentifier, sequence(tagged(0, this.keyIdentifier, 'primitive'))),
    ];
    const from = plan.notBefore ?? now - CLOCK_SLACK_MS;
    const to = plan.notAfter ?? now + LEAF_DAYS * DAY_MS;
    return signed({ issuer: this.subject, subject: nameOf(plan.commonName), from, to, key, extensions }, this.key);
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

function selfSigned(name: string, key: KeyObject, now: number): string {
  const extensions = [
    extension(OID.basicConstraints, sequence(TRUE, integer(Buffer.from([0]))), 'critical'),
    extension(OID.keyUsage, USAGE.root, 'critical'),
    extension(OID.subjectKeyIdentifier, octetString(identifierOf(key))),
  ];
  const [from, to] = [now - CLOCK_SLACK_MS, now + ROOT_DAYS * DAY_MS];
  return signed({ issuer: nameOf(name), subject: nameOf(name), from, to, key, extensions }, key);
}

interface Body {
  issuer: Buffer;
  subject: Buffer;
  from: number;
  to: number;
  /** Whose public half the certificate is about. */
  key: KeyObject;
  extensions: Buffer[];
}

function signed({ issuer, subject, from, to, key, extensions }: Body, signer: KeyObject): string {
  const validity = sequence(time(from), time(to));
  const listed = tagged(3, sequence(...extensions), 'constructed');
  const body = sequence(
    VERSION_3,
    integer(serialNumber()),
    SIGNATURE,
    issuer,
    validity,
    subject,
    publicKeyOf(key),
    listed,
  );
  const signature = sign('sha256', body, { key: signer, dsaEncoding: 'der' });
  const lines = sequence(body, SIGNATURE, bitString(signature))
    .toString('base64')
    .match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function extension(oid: string, value: Buffer, weight?: 'critical'): Buffer {
  const flag = weight === 'critical' ? [TRUE] : [];
  return sequence(writeOid(oid), ...flag, octetString(value));
}

/** A distinguished name of one common name. */
function nameOf(commonName: string): Buffer {
  return sequence(set(sequence(writeOid(OID.commonName), utf8String(commonName))));
}

function generalName({ type, value }: LeafName): Buffer {
  const bytes = type === 'ip' ? Buffer.from(value.split('.').map(Number)) : Buffer.from(value, 'latin1');
  return tagged(NAME_TAG[type], bytes, 'primitive');
}

function publicKeyOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

/** SHA-1 of the public key's bits (RFC 5280 §4.2.1.2, method 1): a name to find it by, nothing is protected by it. */
function identifierOf(key: KeyObject): Buffer {
  const [info] = elements(publicKeyOf(key));
  const [, bits] = elements(info!.contents);
  return createHash('sha1').update(bits!.contents.subarray(1)).digest();
}

/** The subject key identifier in a certificate's extensions, `[3]` without its tag. */
function keyIdentifierIn(extensions: Buffer): Buffer {
  const wanted = writeOid(OID.subjectKeyIdentifier);
  const [list] = elements(extensions);
  const parts = elements(list!.contents).map(({ contents }) => elements(contents));
  const found = parts.find(([oid]) => oid?.whole.equals(wanted));
  if (found === undefined) throw new TlsError('tls.authority-malformed', 'the root names no key identifier');
  const [value] = elements(found.at(-1)!.contents);
  return value!.contents;
}

/** 16 random bytes; a serial number is positive and has one encoding, so the first byte is 0x40..0x7f. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | (bytes[0]! & 0x3f);
  return bytes;
}
