/**
 * What can go wrong with an installation on one machine, as a closed set of codes. The message is one line for a person: what happened,
 * where, and what to do. Callers decide by `code`, never by the text.
 */
export type LocalErrorCode =
  | 'already-running' // another live process owns this folder
  | 'binary-missing' // nats-server or the Postgres binaries are not there
  | 'config-invalid' // the process refused its configuration
  | 'disk-full'
  | 'not-ready' // the process lives but did not become ready in time
  | 'port-in-use'
  | 'process-exited' // the process ended before it was ready
  | 'unprivileged-user' // Postgres refuses to run as root and no other way exists here
  | 'not-renewed' // an engine goes on serving its old certificate
  | 'not-built' // dist/ lacks the program to start
  | 'catalog-differs' // the database has another schema than this release makes
  | 'key-mismatch'; // files under the installation's folder contradict each other

export class LocalError extends Error {
  constructor(
    readonly code: LocalErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'LocalError';
  }
}

/** One line about any failure; file-system errors that an operator can act on are put into words. */
export function describeFailure(error: unknown): string {
  if (error instanceof LocalError) return error.message;
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC') return `the disk is full${path ? ` (writing ${path})` : ''}: free some space and start again`;
  if (code === 'EACCES' || code === 'EPERM') return `no permission for ${path ?? 'a file'}: check its owner and mode`;
  return error instanceof Error ? error.message : String(error);
}
