/**
 * The one rule about files that hold a secret: nobody but the user of the process may read or write them. Private keys of
 * certificates, signing keys, tokens: all are read through here, and what is open to others is refused, not warned about.
 *
 * One exception, the same as Postgres makes: a file of root may be readable (not writable) by its group. That is how
 * Kubernetes hands a secret to a process that is not root: owner root, mode 0440, group of the pod (`fsGroup`). Root could
 * read it in any case, so only who is in that group is trusted beside ourselves.
 */
import { fstatSync, openSync, closeSync, readFileSync } from 'node:fs';

/** What of a file's state the rule looks at. */
export interface Ownership {
  mode: number;
  uid: number;
}

const OTHERS = 0o077;
const READABLE_BY_GROUP = 0o040;

/**
 * Whether somebody else may read or write a file.
 * @param self user id of the process; undefined where there is none (Windows), then nothing is known
 */
export function isExposed({ mode, uid }: Ownership, self = process.getuid?.()): boolean {
  if (self === undefined) return false;
  const allowed = uid === 0 && self !== 0 ? READABLE_BY_GROUP : 0;
  return (mode & OTHERS & ~allowed) !== 0;
}

/** The permission bits as `ls` and `chmod` have them, e.g. `0640`. */
export function shownMode({ mode }: Pick<Ownership, 'mode'>): string {
  return (mode & 0o777).toString(8).padStart(4, '0');
}

/** A secret that somebody else may read or write. */
export class ExposedFileError extends Error {
  readonly code = 'file.exposed';
  readonly fate = 'stop';
  constructor(file: string, state: Ownership) {
    super(
      `${file} can be read or written by others (mode ${shownMode(state)}): chmod 600 it, and replace what is in it if somebody else may have it`,
    );
    this.name = 'ExposedFileError';
  }
}

/** The text of a file that holds a secret. @throws ExposedFileError; system errors */
export function readPrivateText(file: string): string {
  const fd = openSync(file, 'r');
  try {
    // Looked at through the open file, so that what is checked is what is read.
    const state = fstatSync(fd);
    if (isExposed(state)) throw new ExposedFileError(file, state);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
