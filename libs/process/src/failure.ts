/**
 * The three fates of a failure, decided by type, never by message text:
 *
 *   refuse  this input is bad; the next one may be good
 *   retry   the world is not ready (a broker restarts, a disk is full); the same work may succeed later
 *   stop    going on could do harm or makes no sense; the process ends and whoever supervises it decides
 *
 * Libraries that know nothing of this file put a `fate` property on their errors; it is read the same way. The store has a
 * fourth word, re-read, for a COMMIT whose answer was lost: to a loop that is a retry, because every round of a loop that
 * writes begins with reading what is there. What carries no fate is taken for a bug, and a bug stops the process: state
 * that nobody foresaw is not state to go on from.
 */
import { types } from 'node:util';
import { FormatError } from '@everseal/audit-core';

export type Fate = 'refuse' | 'retry' | 'stop';

/** The same work may succeed later; nothing is known to be wrong with it. */
export class RetryLater extends Error {
  readonly fate = 'retry';
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'RetryLater';
  }
}

/** The process must end: somebody else holds the lease, the head moved under us, a key is not the one we were told. */
export class StopProcess extends Error {
  readonly fate = 'stop';
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'StopProcess';
  }
}

/** System errors that pass by themselves, or once an operator has made room. EIO is not among them: after a failed fsync
 * nothing is known about what the disk holds. */
const PASSING = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOSPC',
  'EDQUOT',
  'EMFILE',
  'ENFILE',
]);

export function fateOf(error: unknown): Fate {
  if (error instanceof FormatError) return 'refuse';
  if (!types.isNativeError(error)) return 'stop';
  if ('fate' in error && (error.fate === 'refuse' || error.fate === 'retry' || error.fate === 'stop'))
    return error.fate;
  return PASSING.has(codeOf(error) ?? '') ? 'retry' : 'stop';
}

/** The `code` of a system, library or Everseal error; undefined when there is none. */
export function codeOf(error: unknown): string | undefined {
  return types.isNativeError(error) && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
