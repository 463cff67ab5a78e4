/** Reads a private key of this ingester: one skey line, in a file that nobody else may read. */
import { readFileSync, statSync } from 'node:fs';
import { FormatError, NOTE_KEY, SigningKey } from '@everseal/audit-core';
import { stop } from './stop.js';

/** @param name the key name that it must have @throws StopProcess keys.untrusted */
export function readSigningKey(file: string, name: string): SigningKey {
  if ((statSync(file).mode & 0o077) !== 0) {
    throw stop(
      'keys.untrusted',
      `${file} can be read or written by others: chmod 600 it, and replace the key if somebody else may have it`,
    );
  }
  try {
    const key = SigningKey.fromSkey(readFileSync(file, 'utf8').trimEnd(), NOTE_KEY);
    if (key.name === name) return key;
    throw stop('keys.untrusted', `${file} holds the key ${key.name}, needed is ${name}`);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw stop('keys.untrusted', `${file} holds no private key: ${cause.message}`, cause);
  }
}
