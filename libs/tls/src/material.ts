/**
 * One certificate, its private key and the authority it trusts: read from files, checked as a whole, never half used.
 *
 * Rules:
 * - the key file is nobody else's to read or write (private-file.ts); else it is refused, not warned about;
 * - key and certificate belong together, the certificate is valid now and made for this end of a connection; one of a server for no
 *   other end. A client's may be for both, as those of SPIRE always are: its one name is no host's, so it cannot stand as a server;
 * - a client certificate carries exactly one subject alternative name, a `spiffe://` URI. NATS maps a DNS name before a
 *   URI, so a certificate with both would be somebody else (tested);
 * - a server certificate carries at least one DNS name or IP address.
 *
 * `certFile` may hold intermediates after the leaf. `caFile` may hold several roots: that is how a root is replaced. Any of them
 * may be a link, or stand below one that is exchanged (Kubernetes' `..data`): a certificate that was replaced while the key was
 * being read is read again with it.
 */
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { types } from 'node:util';
import { certificateFacts } from './certificate-facts.js';
import type { CertificateFacts, Purpose } from './certificate-facts.js';
import { isExposed, shownMode } from './private-file.js';
import { TlsError } from './tls-error.js';
import type { TlsErrorCode } from './tls-error.js';

/** Paths of PEM files. */
export interface MaterialFiles {
  /** Leaf first, then any intermediates. */
  certFile: string;
  /** Unencrypted PEM private key, nobody else's to read. */
  keyFile: string;
  /** Roots the other end is checked against. A server that asks no client for a certificate has none. */
  caFile?: string | undefined;
}

export interface Material {
  files: MaterialFiles;
  /** PEM bytes as read. */
  cert: Buffer;
  key: Buffer;
  ca: Buffer | undefined;
  facts: CertificateFacts;
  /** SHA-256 over the three files' bytes, lower-case hex: equal means nothing changed. */
  digest: string;
}

const MAX_FILE_BYTES = 256 * 1024;
/** Files that are replaced all the time are somebody's mistake; what was read last is checked like anything else. */
const MOST_READS = 3;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The bytes of one set of files, unchecked but for readability, size and the key's mode. */
export interface MaterialBytes {
  cert: Buffer;
  key: Buffer;
  ca: Buffer | undefined;
  digest: string;
}

/**
 * Reads and checks one set of files.
 * @param purpose the end of a connection this process stands at with it
 * @param now milliseconds since the epoch
 * @throws TlsError; the message names the file and what to do
 */
export async function loadMaterial(files: MaterialFiles, purpose: Purpose, now: number): Promise<Material> {
  return checkMaterial(files, await readMaterial(files), purpose, now);
}

/** Reads the files without looking inside. @throws TlsError tls.unreadable, tls.too-large, tls.key-exposed */
export async function readMaterial(files: MaterialFiles): Promise<MaterialBytes> {
  for (let tries = 1; ; tries++) {
    const { bytes, isStable } = await readOnce(files);
    if (isStable || tries === MOST_READS) return bytes;
  }
}

/** `isStable`: the certificate's file was the same one before and after the others were read. */
async function readOnce(files: MaterialFiles): Promise<{ bytes: MaterialBytes; isStable: boolean }> {
  let before: Stats | undefined;
  const cert = await readBounded(files.certFile, 'certificate', (_, stats) => void (before = stats));
  const key = await readBounded(files.keyFile, 'private key', refuseExposedKey);
  const ca = files.caFile === undefined ? undefined : await readBounded(files.caFile, 'authority');
  const after = await stat(files.certFile).catch(() => undefined);
  return { bytes: hashed(cert, key, ca), isStable: after?.ino === before?.ino && after?.dev === before?.dev };
}

function hashed(cert: Buffer, key: Buffer, ca: Buffer | undefined): MaterialBytes {
  const hash = createHash('sha256');
  for (const bytes of [cert, key, ca ?? Buffer.alloc(0)]) {
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return { cert, key, ca, digest: hash.digest('hex') };
}

/** The checks that need no file. @throws TlsError */
export function checkMaterial(files: MaterialFiles, bytes: MaterialBytes, purpose: Purpose, now: number): Material {
  const [leaf] = parseCertificates(bytes.cert, files.certFile, 'tls.certificate-malformed');
  if (bytes.ca !== undefined && files.caFile !== undefined) {
    checkAuthorities(parseCertificates(bytes.ca, files.caFile, 'tls.authority-malformed'), files.caFile);
  }
  if (!leaf.checkPrivateKey(parseKey(bytes.key, files.keyFile))) {
    throw new TlsError(
      'tls.key-mismatch',
      `${files.keyFile} is not the key of ${files.certFile}: put the pair from one issuance in place together`,
    );
  }
  const facts = certificateFacts(leaf);
  checkValidity(facts, files.certFile, now);
  checkPurpose(facts, files.certFile, purpose);
  checkNames(facts, files.certFile, purpose);
  return { files, ...bytes, facts };
}

async function readBounded(path: string, what: string, check?: (path: string, stats: Stats) => void): Promise<Buffer> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new TlsError('tls.unreadable', `${what} ${path} cannot be read (${reasonOf(cause)}): check path and owner`, {
      cause,
    });
  });
  try {
    // Looked at through the open file, so that what is checked is what is read.
    const stats = await file.stat();
    if (!stats.isFile()) throw new TlsError('tls.unreadable', `${what} ${path} is not a file: name a PEM file`);
    if (stats.size > MAX_FILE_BYTES) {
      throw new TlsError('tls.too-large', `${what} ${path} has ${stats.size} bytes, more than ${MAX_FILE_BYTES}`);
    }
    check?.(path, stats);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function refuseExposedKey(path: string, stats: Stats): void {
  if (!isExposed(stats)) return;
  const mode = shownMode(stats);
  throw new TlsError('tls.key-exposed', `private key ${path} has mode ${mode}: run chmod 600 on it, and renew it`);
}

function parseCertificates(pem: Buffer, path: string, code: TlsErrorCode): [X509Certificate, ...X509Certificate[]] {
  const blocks = pem.toString('latin1').match(PEM_CERTIFICATE) ?? [];
  try {
    const [first, ...rest] = blocks.map((block) => new X509Certificate(block));
    if (first !== undefined) return [first, ...rest];
  } catch (cause) {
    throw new TlsError(code, `${path} holds a PEM block that is no certificate: issue it again`, { cause });
  }
  throw new TlsError(code, `${path} holds no PEM certificate: it needs at least one`);
}

function parseKey(pem: Buffer, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new TlsError('tls.key-malformed', `${path} holds no unencrypted PEM private key`, { cause });
  }
}

function checkAuthorities(authorities: X509Certificate[], path: string): void {
  const leaf = authorities.find((authority) => !authority.ca);
  if (leaf !== undefined) {
    const name = leaf.subject.replaceAll('\n', ', ');
    throw new TlsError(
      'tls.authority-malformed',
      `${path} holds "${name}", which is no authority: name the root's file`,
    );
  }
}

function checkValidity(facts: CertificateFacts, path: string, now: number): void {
  if (now < facts.notBefore.getTime()) {
    throw new TlsError(
      'tls.not-yet-valid',
      `${path} is valid from ${facts.notBefore.toISOString()} on, and it is ${new Date(now).toISOString()}: check the clock`,
    );
  }
  if (now >= facts.notAfter.getTime()) {
    throw new TlsError('tls.expired', `${path} expired at ${facts.notAfter.toISOString()}: renew it`);
  }
}

function checkPurpose(facts: CertificateFacts, path: string, purpose: Purpose): void {
  const others = facts.purposes.filter((one) => one !== purpose);
  // A server's that is good for both ends lets whoever steals it log in somewhere.
  if (!facts.purposes.includes(purpose) || (purpose === 'server' && others.length > 0)) {
    const said = facts.purposes.length === 0 ? 'names none' : `says ${facts.purposes.join(' and ')}`;
    throw new TlsError(
      'tls.purpose',
      `${path}: its extended key usage ${said}, it must be ${purpose}Auth${purpose === 'server' ? ' alone' : ''}: issue one for this place`,
    );
  }
}

function checkNames(facts: CertificateFacts, path: string, purpose: Purpose): void {
  const shown = facts.names.join(', ') || 'none';
  if (purpose === 'client') {
    if (facts.names.length !== 1 || !facts.uris[0]?.startsWith('spiffe://')) {
      throw new TlsError(
        'tls.names',
        `${path}: a client certificate carries exactly one alternative name, a spiffe:// URI; this one has ${shown}`,
      );
    }
  } else if (!facts.names.some((name) => name.startsWith('DNS:') || name.startsWith('IP Address:'))) {
    throw new TlsError(
      'tls.names',
      `${path}: a server certificate needs a DNS name or IP address; this one has ${shown}`,
    );
  }
}

function reasonOf(cause: unknown): string {
  return types.isNativeError(cause) && 'code' in cause ? String(cause.code) : String(cause);
}
