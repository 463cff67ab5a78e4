/** What every command gets from the edge of the process (main.ts): nothing else is read from it. */
import type { CliSettings } from './config.js';
import type { Terminal } from './terminal.js';

export interface Context {
  terminal: Terminal;
  stdin: AsyncIterable<Buffer | string>;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Aborted by the first Ctrl-C. */
  signal: AbortSignal;
  /** The settings; read at the first call. @throws ConfigError, CliFailure */
  settings: () => CliSettings;
}
