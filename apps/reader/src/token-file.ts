/**
 * The file of tokens, looked at every few seconds, so that a token is withdrawn without a restart. A file that is open to
 * others is refused at the start; one that became bad later is said to be so, and what was read before it goes on to count.
 */
import { RetryLater, StopProcess } from '@everseal/process';
import { ExposedFileError, readPrivateText } from '@everseal/tls';
import { TokenList } from './token-list.js';

export class TokenFile {
  private list: TokenList;

  /** @throws StopProcess tokens.file; ExposedFileError */
  constructor(private readonly file: string) {
    try {
      this.list = read(file);
    } catch (cause) {
      if (cause instanceof ExposedFileError) throw cause;
      throw new StopProcess('tokens.file', messageOf(file, cause), { cause });
    }
  }

  get current(): TokenList {
    return this.list;
  }

  /** Reads it again. @throws RetryLater tokens.file: what was read before stays in force */
  look(): void {
    try {
      this.list = read(this.file);
    } catch (cause) {
      throw new RetryLater('tokens.file', `${messageOf(this.file, cause)}; the tokens read before are still in force`, {
        cause,
      });
    }
  }
}

const read = (file: string): TokenList => TokenList.parse(readPrivateText(file));

const messageOf = (file: string, cause: unknown): string =>
  `the tokens of ${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
