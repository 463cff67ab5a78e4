/**
 * Turns the failure that ends a process into what a person needs: one sentence that says what happened, one that says
 * what helps, and the exit code. By error code and type; what is not known here keeps its own message.
 *
 * Exit codes: 0 stopped on request; 1 stopped by a failure, starting again may help; 78 (EX_CONFIG of sysexits.h) starting
 * again cannot help before somebody changes settings, certificates or files.
 */
import { types } from 'node:util';
import { ExposedFileError, TlsError } from '@everseal/tls';
import { codeOf } from './failure.js';
import { ConfigError } from './read-config.js';

export const EXIT_FAILURE = 1;
const EXIT_CONFIGURATION = 78;

export interface Explanation {
  what: string;
  /** What to do; '' when the message says it already. */
  help: string;
  exitCode: number;
}

/** A Node system error has these beside its code. */
interface SystemError extends Error {
  path?: string;
  address?: string;
  port?: number;
  syscall?: string;
}

export function explainFailure(error: unknown): Explanation {
  if (error instanceof ConfigError || error instanceof TlsError || error instanceof ExposedFileError) {
    return { what: error.message, help: '', exitCode: EXIT_CONFIGURATION };
  }
  const known = explainSystemError(error);
  if (known !== undefined) return known;
  const what = types.isNativeError(error) ? error.message || error.name : String(error);
  return { what, help: '', exitCode: EXIT_FAILURE };
}

function explainSystemError(error: unknown): Explanation | undefined {
  const system = (types.isNativeError(error) ? error : {}) as SystemError;
  const place = system.path ?? (system.port === undefined ? '' : `${system.address ?? ''}:${system.port}`);
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return configuration(`${place} is in use`, 'stop what listens there, or set another operations.port');
    case 'EADDRNOTAVAIL':
      return configuration(`${system.address ?? 'the address'} is not one of this machine`, 'set operations.host');
    case 'EACCES':
    case 'EPERM':
      return system.port === undefined
        ? configuration(`no permission for ${place}`, 'give it to the user this service runs as')
        : configuration(`no permission to listen on ${place}`, 'choose a port above 1023');
    case 'ENOENT':
      return configuration(`${place} does not exist`, 'create it, or correct the settings');
    case 'EROFS':
      return configuration(`${place} is on a read-only file system`, 'name a folder that can be written');
    case 'ENOSPC':
    case 'EDQUOT':
      return { what: `no space left for ${place || 'a write'}`, help: 'make room; nothing was lost', exitCode: 1 };
    case 'EMFILE':
    case 'ENFILE':
      return { what: 'too many open files', help: 'raise the limit (ulimit -n)', exitCode: EXIT_FAILURE };
    default:
      return undefined;
  }
}

function configuration(what: string, help: string): Explanation {
  return { what, help, exitCode: EXIT_CONFIGURATION };
}
