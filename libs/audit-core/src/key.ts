/**
 * Ed25519 keys of signed notes and their text forms (C2SP signed-note; the private form is Go's convention).
 *
 *   vkey   NAME "+" ID "+" base64(type || 32-byte public key)
 *   skey   "PRIVATE+KEY+" NAME "+" ID "+" base64(type || 32-byte seed)      ID is that of the public key
 *   ID     first 4 bytes of SHA-256(NAME || 0x0A || type || public key), as 8 lower-case hex digits
 *   type   0x01 signs note text, 0x04 signs timestamped cosignatures (C2SP tlog-cosignature)
 *
 * Names are not empty and hold no Unicode white space and no plus. Base64 may hold a plus, so only the first two plus
 * signs separate. A key is identified by name and ID together; the same bytes under the other type have another ID, so
 * a signature of one type is never taken for one of the other.
 *
 * Signatures verify by the rule of node:crypto, which is Go's: RFC 8032 without cofactor, S below the group order.
 * Libraries that multiply by the cofactor accept more, and two verifiers would give two verdicts.
 */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { decodeBase64, encodeBase64 } from './base64.js';
import { FormatError } from './format-error.js';
import { sha256 } from './hash.js';
import { quote } from './quote.js';

/** 0x01: signatures of note text; 0x04: timestamped cosignatures. */
export type KeyType = 0x01 | 0x04;

export const NOTE_KEY = 0x01;
export const COSIGNATURE_KEY = 0x04;
export const SIGNATURE_BYTES = 64;

const KEY_BYTES = 32;
const KEY_ID_BYTES = 4;
const MOST_KEY_TEXT = 4_096;
const SKEY_PREFIX = 'PRIVATE+KEY+';
const NOT_IN_NAMES = /[\p{White_Space}+\p{Cs}]/u;
// The DER of RFC 8410 in front of the 32 key bytes: the only algorithm, so the only prefix.
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** True for a key name as C2SP signed-note has it; characters below U+0020 no note can hold, so no name either. */
export function isKeyName(name: string): boolean {
  if (name === '' || NOT_IN_NAMES.test(name)) return false;
  for (let i = 0; i < name.length; i += 1) if (name.charCodeAt(i) < 0x20) return false;
  return true;
}

/** The ID of a key: 4 bytes, first of SHA-256(name || 0x0A || type || public key). */
export function keyIdOf(name: string, type: KeyType, publicKey: Uint8Array): Buffer {
  const digest = sha256(Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), publicKey]));
  return Buffer.from(digest.subarray(0, KEY_ID_BYTES));
}

/** A public key that verifies. Made by `parseVkey` or by `SigningKey`. */
export class VerifierKey {
  /** 4 bytes, as they stand in signature lines. */
  readonly id: Buffer;
  /** 8 lower-case hex digits. */
  readonly idHex: string;
  /** The text form; two keys are the same key when their vkeys are equal. */
  readonly vkey: string;
  #object: KeyObject | undefined;

  constructor(
    readonly name: string,
    readonly type: KeyType,
    /** 32 bytes */
    readonly publicKey: Buffer,
  ) {
    if (!isKeyName(name)) throw new RangeError(`${quote(name)} is not a key name`);
    if (publicKey.length !== KEY_BYTES) throw new RangeError('an Ed25519 public key has 32 bytes');
    this.id = keyIdOf(name, type, publicKey);
    this.idHex = this.id.toString('hex');
    this.vkey = `${name}+${this.idHex}+${encodeBase64(Buffer.concat([Buffer.of(type), publicKey]))}`;
  }

  /** Plain Ed25519: true when `signature` (64 bytes) is one of `message` by this key. Never throws for bad bytes. */
  verify(message: Uint8Array, signature: Uint8Array): boolean {
    if (signature.length !== SIGNATURE_BYTES) return false;
    this.#object ??= createPublicKey({
      key: Buffer.concat([SPKI_PREFIX, this.publicKey]),
      format: 'der',
      type: 'spki',
    });
    return verify(null, message, this.#object, signature);
  }

  /** True when a signature line with this name and these 4 bytes claims to be by this key. */
  matches(name: string, keyId: Uint8Array): boolean {
    return this.name === name && Buffer.compare(this.id, keyId) === 0;
  }
}

/** A private key that signs. The seed shows in no own property, so it does not get into logs or JSON by accident. */
export class SigningKey {
  readonly verifier: VerifierKey;
  readonly #seed: Buffer;
  readonly #object: KeyObject;

  private constructor(name: string, type: KeyType, seed: Uint8Array) {
    this.#seed = Buffer.from(seed);
    this.#object = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(this.#object).export({ format: 'der', type: 'spki' });
    this.verifier = new VerifierKey(name, type, spki.subarray(SPKI_PREFIX.length));
  }

  /** `seed`: 32 random bytes (the private key of RFC 8032). Throws RangeError for a bad name or length. */
  static fromSeed(name: string, seed: Uint8Array, type: KeyType): SigningKey {
    if (seed.length !== KEY_BYTES) throw new RangeError('an Ed25519 seed has 32 bytes');
    return new SigningKey(name, type, seed);
  }

  /**
   * Reads a private key text, without its line end. With `type` given, a key of the other type is refused.
   * Throws FormatError `key.*`; no message shows any part of the text.
   */
  static fromSkey(skey: string, type?: KeyType): SigningKey {
    if (!skey.startsWith(SKEY_PREFIX)) {
      throw new FormatError('key.syntax', `a private key text starts with ${SKEY_PREFIX}; this one does not`);
    }
    const parts = splitKeyText(skey.slice(SKEY_PREFIX.length), 'the private key text');
    if (type !== undefined && parts.type !== type) {
      throw new FormatError('key.type', `the private key is of type ${parts.type}, needed is type ${type}`);
    }
    const key = new SigningKey(parts.name, parts.type, parts.key);
    if (key.verifier.idHex !== parts.idHex) {
      throw new FormatError('key.id', `the ID in the private key text of ${quote(parts.name)} is not that of its key`);
    }
    return key;
  }

  get name(): string {
    return this.verifier.name;
  }

  /** Plain Ed25519 signature of `message`, 64 bytes. */
  sign(message: Uint8Array): Buffer {
    return sign(null, message, this.#object);
  }

  /** The private key text, to be kept in a file only the service can read. */
  get skey(): string {
    const { name, idHex, type } = this.verifier;
    return `${SKEY_PREFIX}${name}+${idHex}+${encodeBase64(Buffer.concat([Buffer.of(type), this.#seed]))}`;
  }
}

/**
 * Reads a public key text. Throws FormatError `key.private` (a private key in its place, of which nothing is shown),
 * `key.syntax`, `key.name`, `key.base64`, `key.type`, `key.length` or `key.id`.
 */
export function parseVkey(text: string): VerifierKey {
  if (text.startsWith(SKEY_PREFIX)) {
    throw new FormatError(
      'key.private',
      'a private key stands where a public one belongs; whoever could read it, replace it',
    );
  }
  const parts = splitKeyText(text, `the key ${quote(text)}`);
  const key = new VerifierKey(parts.name, parts.type, parts.key);
  if (key.idHex !== parts.idHex) {
    throw new FormatError('key.id', `the ID in ${quote(text)} is not the one of this name and key, ${key.idHex}`);
  }
  return key;
}

/** The public key text of 32 key bytes. */
export function formatVkey(name: string, type: KeyType, publicKey: Uint8Array): string {
  return new VerifierKey(name, type, Buffer.from(publicKey)).vkey;
}

/** What both texts share: NAME+ID+BASE64. `what` names the text in errors, without a secret. */
function splitKeyText(text: string, what: string): { name: string; idHex: string; type: KeyType; key: Buffer } {
  const first = text.indexOf('+');
  const second = text.indexOf('+', first + 1);
  if (text.length > MOST_KEY_TEXT || first < 0 || second < 0) {
    throw new FormatError('key.syntax', `${what} is not NAME+ID+BASE64`);
  }
  const name = text.slice(0, first);
  const idHex = text.slice(first + 1, second);
  if (!isKeyName(name)) throw new FormatError('key.name', `${what} has no valid name`);
  if (!/^[0-9a-f]{8}$/.test(idHex)) throw new FormatError('key.syntax', `${what} has no ID of 8 lower-case hex digits`);
  const payload = decodeKeyPayload(text.slice(second + 1), what);
  const type = payload[0];
  if (type !== NOTE_KEY && type !== COSIGNATURE_KEY) {
    throw new FormatError('key.type', `${what} is of type ${type}; known are 1 (Ed25519) and 4 (cosignature)`);
  }
  if (payload.length !== 1 + KEY_BYTES) {
    throw new FormatError('key.length', `${what} holds ${payload.length - 1} key bytes instead of 32`);
  }
  return { name, idHex, type, key: payload.subarray(1) };
}

function decodeKeyPayload(base64: string, what: string): Buffer {
  try {
    return decodeBase64(base64);
  } catch {
    // The cause would quote the text, and of a private key that is the secret.
    throw new FormatError('key.base64', `${what} does not end in canonical base64`);
  }
}
