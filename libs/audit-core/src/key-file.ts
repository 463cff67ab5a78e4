/**
 * The text of a private key file: one key text (skey) a line, the newest first. One line, or two while the key is rotated:
 * the first is signed with once a key set names it, the second until then. So that a service finds the key that is in force
 * whatever happened in between, both stand in one file.
 */
import { FormatError } from './format-error.js';
import { SigningKey, type KeyType } from './key.js';

const MOST_KEYS = 2;

/**
 * @param name the key name that all of them must have
 * @throws FormatError `key.*`; `key-file.count`: none, or more than two; `key-file.name`: another name; `key-file.twice`
 */
export function parseKeyFile(text: string, name: string, type: KeyType): SigningKey[] {
  const lines = text.trimEnd().split('\n');
  if (lines.length > MOST_KEYS) {
    throw new FormatError('key-file.count', `the file holds ${lines.length} keys, not one, or two while it is rotated`);
  }
  const keys = lines.map((line) => SigningKey.fromSkey(line, type));
  for (const key of keys) {
    if (key.name !== name)
      throw new FormatError('key-file.name', `the file holds a key of ${key.name}, not of ${name}`);
  }
  if (new Set(keys.map(({ verifier }) => verifier.vkey)).size < keys.length) {
    throw new FormatError('key-file.twice', 'the file holds one key twice');
  }
  return keys;
}

/** @param keys the newest first */
export function formatKeyFile(keys: readonly SigningKey[]): string {
  return keys.map(({ skey }) => `${skey}\n`).join('');
}
