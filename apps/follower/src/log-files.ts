/**
 * The files of one log: the one that is written now and those that it was rotated into, all beside each other.
 *
 * A file is known by its first line, not by its name or number: with time and process in it, no two logs begin alike. So a file that is
 * renamed stays what it is, one that is cut and begun anew (copytruncate, a ring of names) is another, and a copy of a file is the
 * same one, of which the longest counts.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { sha256 } from '@everseal/audit-core';

export interface LogFile {
  readonly path: string;
  /** 32 hex digits. */
  readonly identity: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** A log longer than this in files is somebody else's folder. */
const MOST_FILES = 4_096;
const MOST_HEAD_BYTES = 4_096;
const IDENTITY_BYTES = 16;
const LINE_FEED = 0x0a;

export class LogFiles {
  private readonly folder: string;
  private readonly begins: string;
  private readonly ends: string;
  private readonly isPattern: boolean;
  /** By path: what was read of a file that has not changed since. */
  private seen = new Map<string, { state: string; file: LogFile | null }>();

  /** @param pattern a path; its last part may hold one `*` */
  constructor(private readonly pattern: string) {
    this.folder = path.dirname(pattern);
    const [begins = '', ...rest] = path.basename(pattern).split('*');
    if (rest.length > 1) throw new RangeError(`${pattern} has more than one *`);
    this.begins = begins;
    this.ends = rest[0] ?? '';
    this.isPattern = rest.length === 1;
  }

  /**
   * The oldest first. Files without a whole first line are not among them yet.
   * @throws system errors of the folder; Error when there are too many
   */
  look(): LogFile[] {
    const names = readdirSync(this.folder, { withFileTypes: true }).filter((entry) => entry.isFile());
    const mine = names.map(({ name }) => name).filter((name) => this.isMine(name));
    if (mine.length > MOST_FILES)
      throw new Error(`${this.pattern} names ${mine.length} files, at most ${MOST_FILES} are followed`);
    const seen = new Map(mine.map((name) => [name, this.lookAt(name)]));
    this.seen = new Map([...seen].flatMap(([name, one]) => (one === null ? [] : [[name, one]])));
    const longest = new Map<string, LogFile>();
    for (const { file } of this.seen.values()) {
      if (file !== null && file.bytes > (longest.get(file.identity)?.bytes ?? -1)) longest.set(file.identity, file);
    }
    return [...longest.values()].toSorted((a, b) => a.modified - b.modified || a.path.localeCompare(b.path));
  }

  private isMine(name: string): boolean {
    if (!this.isPattern) return name === this.begins;
    const isLongEnough = name.length >= this.begins.length + this.ends.length;
    return isLongEnough && name.startsWith(this.begins) && name.endsWith(this.ends);
  }

  /** Null for one that was renamed or removed meanwhile. */
  private lookAt(name: string): { state: string; file: LogFile | null } | null {
    const file = path.join(this.folder, name);
    try {
      const { ino, size, mtimeMs, ctimeMs } = statSync(file);
      const state = [ino, size, mtimeMs, ctimeMs].join(' ');
      const known = this.seen.get(name);
      return known?.state === state ? known : { state, file: readHead(file) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }
}

/** Null for a file without a whole first line. */
function readHead(file: string): LogFile | null {
  const fd = openSync(file, 'r');
  try {
    return identify(fd, file);
  } finally {
    closeSync(fd);
  }
}

/** What an open file is now. Null as for `readHead`. */
export function identify(fd: number, file: string): LogFile | null {
  const { size, mtimeMs } = fstatSync(fd);
  const head = Buffer.alloc(Math.min(size, MOST_HEAD_BYTES));
  const length = readSync(fd, head, 0, head.length, 0);
  const feed = head.subarray(0, length).indexOf(LINE_FEED);
  if (feed === -1 && length < MOST_HEAD_BYTES) return null;
  const first = head.subarray(0, feed === -1 ? length : feed);
  const identity = sha256(first).subarray(0, IDENTITY_BYTES).toString('hex');
  return { path: file, identity, bytes: size, modified: mtimeMs };
}
