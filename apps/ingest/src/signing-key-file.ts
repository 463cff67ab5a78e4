/** The private keys of this ingester: key texts (skey) in files that nobody else may read (KeyFile refuses others). */
import { FormatError, NOTE_KEY, type SigningKey } from '@everseal/audit-core';
import { KeyFile } from '@everseal/process';
import { stop } from './stop.js';

/** A file with one key. @param name the key name that it must have @throws StopProcess keys.untrusted */
export function readSigningKey(file: string, name: string): SigningKey {
  return asStop(file, name, () => KeyFile.only(file, name, NOTE_KEY));
}

/** A file with one key, or two while it is rotated. @throws StopProcess keys.untrusted */
export function openSigningKeys(file: string, name: string): KeyFile {
  return asStop(file, name, () => KeyFile.open(file, name, NOTE_KEY));
}

function asStop<T>(file: string, name: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw stop('keys.untrusted', `${file} holds no private key of ${name}: ${cause.message}`, cause);
  }
}
