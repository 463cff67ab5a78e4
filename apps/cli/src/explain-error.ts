/**
 * Why a command could not do its work, as one line for a person (what happened, where, what to do) and an exit code.
 * Decided by type and code of the error, never by its text; what is not known here is a bug of this tool.
 */
import { types } from 'node:util';
import { FormatError } from '@everseal/audit-core';
import { StoreError } from '@everseal/ledger-store';
import { MessagingError } from '@everseal/messaging';
import { PolicyError } from '@everseal/policy';
import { codeOf, ConfigError, explainFailure } from '@everseal/process';
import { ExposedFileError, TlsError } from '@everseal/tls';
import { CliFailure } from './cli-failure.js';
import { EXIT, type ExitCode } from './exit-code.js';

export interface Explained {
  message: string;
  exitCode: ExitCode;
}

export function explain(error: unknown): Explained {
  const message = types.isNativeError(error) ? error.message : String(error);
  if (error instanceof CliFailure) return { message, exitCode: error.exitCode };
  if (
    error instanceof ConfigError ||
    error instanceof PolicyError ||
    error instanceof TlsError ||
    error instanceof ExposedFileError
  ) {
    return { message, exitCode: EXIT.usage };
  }
  if (error instanceof MessagingError) return { message, exitCode: EXIT.unavailable };
  if (error instanceof StoreError) {
    return { message, exitCode: error.fate === 'stop' ? EXIT.usage : EXIT.unavailable };
  }
  if (error instanceof FormatError) return { message, exitCode: EXIT.usage };
  return explainSystemError(error, message);
}

/** Files that cannot be read or written; the words are those that the services use. */
function explainSystemError(error: unknown, message: string): Explained {
  if (codeOf(error) === 'ENOENT') {
    const { path = 'a file' } = error as NodeJS.ErrnoException;
    return { message: `${path} does not exist: check its name`, exitCode: EXIT.usage };
  }
  const { what, help } = explainFailure(error);
  if (help !== '' && codeOf(error) !== undefined) return { message: `${what}: ${help}`, exitCode: EXIT.usage };
  const told = `${message || 'failed without a reason'} (a bug of this tool: run it again with --debug and report what it prints)`;
  return { message: told, exitCode: EXIT.bug };
}
