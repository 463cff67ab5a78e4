/**
 * A client certificate that nobody trusts: what a server has to refuse. Made anew for every scan and signed by a key that is
 * then forgotten. It looks as right as it can: valid now, for clients, with the subject and the SPIFFE name that it is given;
 * the only thing wrong with it is who issued it.
 *
 * Written by hand, in DER: an issuer library would be a dependency of everything that scans, for one certificate.
 * Source: RFC 5280 §4.1 and §4.2; RFC 5758 (ecdsa-with-SHA256).
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { DER_TAG, writeDer, writeOid } from '@everseal/audit-core';
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
  const algorithm = writeDer(DER_TAG.sequence, writeOid(OID.ecdsaWithSha256));
  const toBeSigned = writeDer(
    DER_TAG.sequence,
    writeDer(0xa0, writeDer(DER_TAG.integer, Buffer.from([2]))),
    serialNumber(),
    algorithm,
    name('a root that nobody trusts'),
    writeDer(DER_TAG.sequence, utcTime(now - HOUR_MS), utcTime(now + HOUR_MS)),
    name(commonName),
    spki,
    writeDer(0xa3, writeDer(DER_TAG.sequence, ...extensions(uri))),
  );
  // Signed by a key of nobody, which the certificate's own stands in for: self-signed it would be another case.
  const issuer = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const signature = sign('sha256', toBeSigned, issuer);
  const der = writeDer(DER_TAG.sequence, toBeSigned, algorithm, bits(signature));
  return { cert: pem(der), key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

function extensions(uri: string): Buffer[] {
  const extension = (oid: string, isCritical: boolean, value: Buffer): Buffer =>
    writeDer(
      DER_TAG.sequence,
      writeOid(oid),
      isCritical ? writeDer(DER_TAG.boolean, Buffer.from([0xff])) : Buffer.alloc(0),
      writeDer(DER_TAG.octetString, value),
    );
  return [
    extension(OID.basicConstraints, true, writeDer(DER_TAG.sequence)),
    extension(OID.keyUsage, true, writeDer(DER_TAG.bitString, DIGITAL_SIGNATURE)),
    extension(OID.extendedKeyUsage, false, writeDer(DER_TAG.sequence, writeOid(OID.clientAuth))),
    extension(
      OID.subjectAlternativeName,
      false,
      writeDer(DER_TAG.sequence, writeDer(URI_NAME, Buffer.from(uri, 'latin1'))),
    ),
  ];
}

function name(commonName: string): Buffer {
  const pair = writeDer(
    DER_TAG.sequence,
    writeOid(OID.commonName),
    writeDer(DER_TAG.utf8String, Buffer.from(commonName)),
  );
  return writeDer(DER_TAG.sequence, writeDer(DER_TAG.set, pair));
}

function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | (bytes[0]! & 0x3f); // positive, and in its one form
  return writeDer(DER_TAG.integer, bytes);
}

/** YYMMDDhhmmssZ; RFC 5280 wants the other form from 2050 on. */
function utcTime(time: number): Buffer {
  const digits = new Date(time).toISOString().replaceAll(/\D/g, '').slice(0, 14);
  if (digits >= '2050') return writeDer(DER_TAG.generalizedTime, Buffer.from(`${digits}Z`));
  return writeDer(DER_TAG.utcTime, Buffer.from(`${digits.slice(2)}Z`));
}

function bits(bytes: Buffer): Buffer {
  return writeDer(DER_TAG.bitString, Buffer.from([0]), bytes);
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
