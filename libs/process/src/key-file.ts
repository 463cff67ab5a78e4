/**
 * The private key of a service, in a file that may hold two while the key is rotated (audit-core, key-file.ts). Which of them
 * is signed with is not for the file to say but for the key set in force. It is read again whenever that names a key which
 * is not in memory: a new key may be put there while the service runs.
 */
import { readFileSync } from 'node:fs';
import { FormatError, parseKeyFile, type KeyType, type SigningKey, type VerifierKey } from '@everseal/audit-core';

export class KeyFile {
  private constructor(
    readonly file: string,
    /** Key name that all of them have. */
    readonly name: string,
    private readonly type: KeyType,
    private newest: readonly SigningKey[],
  ) {}

  /** @throws FormatError `key.*`, `key-file.*`; system errors */
  static open(file: string, name: string, type: KeyType): KeyFile {
    return new KeyFile(file, name, type, parseKeyFile(readFileSync(file, 'utf8'), name, type));
  }

  /** The keys that were read last, the newer first. */
  get keys(): readonly SigningKey[] {
    return this.newest;
  }

  /** The newest key of the file that is among these, all of them in force; null when there is none. */
  among(named: readonly VerifierKey[]): SigningKey | null {
    const isRead = ({ vkey }: VerifierKey): boolean => this.newest.some(({ verifier }) => verifier.vkey === vkey);
    if (!named.every(isRead)) this.readAgain();
    return this.find(named);
  }

  private find(named: readonly VerifierKey[]): SigningKey | null {
    return this.newest.find(({ verifier }) => named.some(({ vkey }) => vkey === verifier.vkey)) ?? null;
  }

  /** A file that is gone, half written or spoiled changes nothing. */
  private readAgain(): void {
    try {
      this.newest = parseKeyFile(readFileSync(this.file, 'utf8'), this.name, this.type);
    } catch (error) {
      if (!(error instanceof FormatError) && (error as NodeJS.ErrnoException).code === undefined) throw error;
    }
  }
}
