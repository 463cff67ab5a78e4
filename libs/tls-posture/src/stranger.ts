/**
 * A client certificate that nobody trusts: what a server has to refuse. Made anew for every scan and signed by a key that is
 * then forgotten. It looks as right as it can: valid now, for clients, with the subject and the SPIFFE name that it is given;
 * the only thing wrong with it is who issued it.
 *
 * Written by hand, in DER: an issuer library would be a dependency of everything that scans, for one certificate.
 * Source: RFC 5280 §4.1 and §4.2; RFC 5758 (ecdsa-with-SHA256).
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { TAG, writeDer, writeOid } from './der.js';
import type { ClientIdentity } from './tls-client.js';

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  subjectAlternativeName: '2.5.29.17',
};
const DIGITAL_SIGNATURE = Buffer.from([7, 0x80]);
const URI_NAME = 0x86;
const HOUR_MS = 3_600_000;

/** @param now milliseconds since the epoch */
export function makeStranger(commonName: string, uri: string, now: number): ClientIdentity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const algorithm = writeDer(TAG.sequence, writeOid(OID.ecdsaWithSha256));
  const toBeSigned = writeDer(
    TAG.sequence,
    writeDer(0xa0, writeDer(TAG.integer, Buffer.from([2]))),
    serialNumber(),
    algorithm,
    name('a root that nobody trusts'),
    writeDer(TAG.sequence, utcTime(now - HOUR_MS), utcTime(now + HOUR_MS)),
    name(commonName),
    spki,
    writeDer(0xa3, writeDer(TAG.sequence, ...extensions(uri))),
  );
  // Signed by a key of nobody, which the certificate's own stands in for: self-signed it would be another case.
  const issuer = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const signature = sign('sha256', toBeSigned, issuer);
  const der = writeDer(TAG.sequence, toBeSigned, algorithm, bits(signature));
  return { cert: pem(der), key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

function extensions(uri: string): Buffer[] {
  const extension = (oid: string, isCritical: boolean, value: Buffer): Buffer =>
    writeDer(
      TAG.sequence,
      writeOid(oid),
      isCritical ? writeDer(TAG.boolean, Buffer.from([0xff])) : Buffer.alloc(0),
      writeDer(TAG.octetString, value),
    );
  return [
    extension(OID.basicConstraints, true, writeDer(TAG.sequence)),
    extension(OID.keyUsage, true, writeDer(TAG.bitString, DIGITAL_SIGNATURE)),
    extension(OID.extendedKeyUsage, false, writeDer(TAG.sequence, writeOid(OID.clientAuth))),
    extension(
      OID.subjectAlternativeName,
      false,
      writeDer(TAG.sequence, writeDer(URI_NAME, Buffer.from(uri, 'latin1'))),
    ),
  ];
}

function name(commonName: string): Buffer {
  const pair = writeDer(TAG.sequence, writeOid(OID.commonName), writeDer(TAG.utf8, Buffer.from(commonName)));
  return writeDer(TAG.sequence, writeDer(TAG.set, pair));
}

function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | (bytes[0]! & 0x3f); // positive, and in its one form
  return writeDer(TAG.integer, bytes);
}

/** YYMMDDhhmmssZ; RFC 5280 wants the other form from 2050 on. */
function utcTime(time: number): Buffer {
  const digits = new Date(time).toISOString().replaceAll(/\D/g, '').slice(0, 14);
  if (digits >= '2050') return writeDer(TAG.generalizedTime, Buffer.from(`${digits}Z`));
  return writeDer(TAG.utcTime, Buffer.from(`${digits.slice(2)}Z`));
}

function bits(bytes: Buffer): Buffer {
  return writeDer(TAG.bitString, Buffer.from([0]), bytes);
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
