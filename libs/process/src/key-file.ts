/**
 * The private key of a service, in a file that may hold two while the key is rotated (audit-core, key-file.ts). Which of them
 * is signed with is not for the file to say but for the key set in force. It is read again whenever that names a key which
 * is not in memory: a new key may be put there while the service runs. A file that others may read or write is refused (libs/tls,
 * private-file.ts).
 */
import { FormatError, parseKeyFile, type KeyType, type SigningKey, type VerifierKey } from '@everseal/audit-core';
import { ExposedFileError, readPrivateText } from '@everseal/tls';

export class KeyFile {
  private constructor(
    readonly file: string,
    /** Key name that all of them have. */
    readonly name: string,
    private readonly type: KeyType,
    private newest: readonly SigningKey[],
  ) {}

  /** @throws FormatError `key.*`, `key-file.*`; ExposedFileError; system errors */
  static open(file: string, name: string, type: KeyType): KeyFile {
    return new KeyFile(file, name, type, parseKeyFile(readPrivateText(file), name, type));
  }

  /** The key of a file that holds one, for a key that is not rotated. @throws as `open`; FormatError `key-file.count` */
  static only(file: string, name: string, type: KeyType): SigningKey {
    const [key, ...others] = KeyFile.open(file, name, type).keys;
    if (key !== undefined && others.length === 0) return key;
    throw new FormatError('key-file.count', `it holds ${others.length + 1} keys, needed is one`);
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

  /** A file that is gone, half written, spoiled or open to others changes nothing. */
  private readAgain(): void {
    try {
      this.newest = parseKeyFile(readPrivateText(this.file), this.name, this.type);
    } catch (error) {
      if (error instanceof FormatError || error instanceof ExposedFileError) return;
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    }
  }
}
