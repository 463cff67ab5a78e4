/**
 * Reading for custody from a database that may be hostile: a value of no meaning, or a right that was taken away, must not
 * end this process nor make a finding of its own. The tail and the sweeps meet the same and say what is wrong.
 */

import { isRefusal, saidOfValue } from './stored-value.js';

/** What was read, or `otherwise` where it cannot be. @throws what may pass: the database is away */
export async function unlessSpoiled<T, U>(read: () => Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await read();
  } catch (error) {
    if (!isRefusal(error)) saidOfValue(error);
    return otherwise;
  }
}
