/** Certificates of a time-stamp authority for specs: a root, an intermediate if wanted, and a signer that may be wrong in one way. */
import 'reflect-metadata'; // @peculiar/x509 needs it loaded first
import { generateKeyPairSync, randomBytes, webcrypto, type KeyObject } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const DAY_MS = 86_400_000;

export interface TsaPlan {
  /** Key of signer and authorities. */
  readonly algorithm?: 'ec' | 'rsa';
  readonly withIntermediate?: boolean;
  /** Of the signer. */
  readonly usage?: 'critical' | 'not-critical' | 'missing' | 'other';
  readonly notAfter?: number;
}

export interface TsaIdentity {
  /** PEM of the root. */
  readonly root: string;
  /** PEM of the intermediate; '' without. */
  readonly intermediate: string;
  readonly certificate: string;
  readonly key: string;
}

const ALGORITHMS = {
  ec: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} as const;

interface Pair {
  readonly pem: string;
  readonly private: webcrypto.CryptoKey;
  readonly public: webcrypto.CryptoKey;
}

export async function makeTsaIdentity(plan: TsaPlan = {}): Promise<TsaIdentity> {
  const algorithm = plan.algorithm ?? 'ec';
  const notBefore = new Date(Date.now() - 2 * DAY_MS);
  const notAfter = new Date(Date.now() + 30 * DAY_MS);
  const issue = async (
    subject: { name: string; keys: Pair },
    issuer: { name: string; keys: Pair },
    extensions: x509.Extension[],
    until = notAfter,
  ): Promise<string> => {
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: `40${randomBytes(15).toString('hex')}`,
      subject: [{ CN: [subject.name] }],
      issuer: [{ CN: [issuer.name] }],
      notBefore,
      notAfter: until,
      signingKey: issuer.keys.private,
      publicKey: subject.keys.public,
      signingAlgorithm: ALGORITHMS[algorithm],
      extensions: [...extensions, await x509.SubjectKeyIdentifierExtension.create(subject.keys.public)],
    });
    return `${certificate.toString('pem')}\n`;
  };
  const authority = [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
  ];
  const root = { name: 'Spec root', keys: await newPair(algorithm) };
  const middle = { name: 'Spec intermediate', keys: await newPair(algorithm) };
  const signer = { name: 'Spec TSA', keys: await newPair(algorithm) };
  const until = plan.notAfter === undefined ? notAfter : new Date(plan.notAfter);
  return {
    root: await issue(root, root, authority),
    intermediate: plan.withIntermediate ? await issue(middle, root, authority) : '',
    certificate: await issue(signer, plan.withIntermediate ? middle : root, usageOf(plan), until),
    key: signer.keys.pem,
  };
}

function usageOf({ usage = 'critical' }: TsaPlan): x509.Extension[] {
  const common = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
  ];
  if (usage === 'missing') return common;
  const purpose = usage === 'other' ? x509.ExtendedKeyUsage.codeSigning : x509.ExtendedKeyUsage.timeStamping;
  return [...common, new x509.ExtendedKeyUsageExtension([purpose], usage !== 'not-critical')];
}

async function newPair(algorithm: 'ec' | 'rsa'): Promise<Pair> {
  const { privateKey, publicKey } = newKeys(algorithm);
  const of = ALGORITHMS[algorithm];
  const der = (key: KeyObject, type: 'pkcs8' | 'spki'): Buffer =>
    type === 'pkcs8' ? key.export({ type, format: 'der' }) : key.export({ type, format: 'der' });
  return {
    pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    private: await webcrypto.subtle.importKey('pkcs8', der(privateKey, 'pkcs8'), of, false, ['sign']),
    public: await webcrypto.subtle.importKey('spki', der(publicKey, 'spki'), of, true, ['verify']),
  };
}

function newKeys(algorithm: 'ec' | 'rsa'): { privateKey: KeyObject; publicKey: KeyObject } {
  if (algorithm === 'ec') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
}
