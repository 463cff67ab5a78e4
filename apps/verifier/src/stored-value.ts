/**
 * Which failures are the stored values' own. Whoever may write to the database may store a null, a number, a time that
 * nobody sealed: a look that trips over one has found something, and goes on behind it. A database that is away, a
 * disk of this machine, and an order to stop are no findings.
 */

import { isUnreadable, StoreError } from '@everseal/ledger-store';

/** SQLSTATE classes of a server that cannot make sense of what it holds: data exceptions, damaged pages. */
const VALUE_STATES = /^(22|XX)/;

/**
 * What a stored value did to a look, for people.
 *
 * @throws the error itself when it is not a stored value's: to be tried again, or to end the process
 */
export function saidOfValue(error: unknown): string {
  if (!(error instanceof Error) || !isOfValue(error)) throw error;
  return error instanceof StoreError ? error.message : `a stored value cannot be what was sealed: ${error.message}`;
}

/** Whether the database would not give what was asked for: a right was taken away, or what stands there has no meaning. */
export function isRefusal(error: unknown): boolean {
  return isUnreadable(error) || (error instanceof StoreError && error.code === 'store.refused');
}

/** Whether a stored value made this fail. */
export function isOfValue(error: Error): boolean {
  if (isUnreadable(error)) return true;
  if (error instanceof StoreError) {
    const { code, cause } = error;
    const state = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    return code === 'store.refused' && VALUE_STATES.test(state);
  }
  return !('fate' in error) && !('syscall' in error);
}
