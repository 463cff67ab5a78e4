/** The private keys of this ingester: key texts (skey) in files that nobody else may read. */
import { statSync } from 'node:fs';
import { FormatError, NOTE_KEY, type SigningKey } from '@everseal/audit-core';
import { KeyFile } from '@everseal/process';
import { stop } from './stop.js';

/** A file with one key. @param name the key name that it must have @throws StopProcess keys.untrusted */
export function readSigningKey(file: string, name: string): SigningKey {
  const { keys } = openSigningKeys(file, name);
  if (keys.length === 1) return keys[0]!;
  throw stop('keys.untrusted', `${file} holds ${keys.length} keys, needed is one`);
}

/** A file with one key, or two while it is rotated. @throws StopProcess keys.untrusted */
export function openSigningKeys(file: string, name: string): KeyFile {
  if ((statSync(file).mode & 0o077) !== 0) {
    throw stop(
      'keys.untrusted',
      `${file} can be read or written by others: chmod 600 it, and replace the key if somebody else may have it`,
    );
  }
  try {
    return KeyFile.open(file, name, NOTE_KEY);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw stop('keys.untrusted', `${file} holds no private key of ${name}: ${cause.message}`, cause);
  }
}
