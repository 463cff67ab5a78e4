/**
 * Anchors checkpoints and key sets as copies in a file that is only ever appended to (formats.md "Anchor file"): on another disk, a
 * mounted medium, a place from where something else carries it away. Each line is written, synced, and read back before it counts.
 *
 * State: `book` is what the file says, null until it was read and after any failure; then the file is read again from its beginning,
 * which is also how a write whose end is not known is looked up.
 */
import { mkdirSync } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import {
  FormatError,
  formatAnchorLine,
  MOST_ANCHOR_LINE_BYTES,
  parseAnchorLine,
  parseCheckpointText,
  parseNote,
  type AnchorLine,
} from '@everseal/audit-core';
import { syncFolder, type Logger } from '@everseal/process';
import { AnchorContradiction, type AnchorTarget, type ToAnchor } from './anchor-target.js';
import { setAppendOnly } from './append-only-flag.js';

const CHUNK = 65_536;
const LINE_FEED = 0x0a;

export interface FileTargetOptions {
  readonly name: string;
  /** Folder of the file; the file is called after the ledger. */
  readonly folder: string;
  readonly ledger: string;
  readonly origin: string;
  /** Whether to try to set the file's append-only flag. */
  readonly appendOnlyFlag: boolean;
  readonly log: Logger;
}

interface Book {
  readonly handle: FileHandle;
  /** Bytes of the file. */
  length: number;
  newest: { size: number; note: string } | null;
  readonly keySets: Set<string>;
}

export class FileTarget implements AnchorTarget {
  readonly kind = 'file';
  readonly file: string;
  private book: Book | null = null;
  private flagged = false;

  constructor(private readonly options: FileTargetOptions) {
    this.file = path.join(options.folder, `${options.ledger}.anchors`);
  }

  get name(): string {
    return this.options.name;
  }

  async anchor({ size, note, keySets }: ToAnchor): Promise<Buffer> {
    const book = await this.open();
    try {
      for (const keys of keySets) {
        if (book.keySets.has(keys.toString())) continue;
        await this.append(book, { kind: 'keys', note: keys.toString() });
        book.keySets.add(keys.toString());
      }
      const held = book.newest;
      if (held === null || held.size < size) {
        await this.append(book, { kind: 'checkpoint', note: note.toString() });
        book.newest = { size, note: note.toString() };
      } else if (held.size !== size || held.note !== note.toString()) {
        await this.requireHeld(size, note.toString(), held);
      }
      return note;
    } catch (error) {
      // Crash here, or any failure: what the file holds is read from the file.
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const { book } = this;
    this.book = null;
    await book?.handle.close();
  }

  /** The book, unless somebody else has written to the file or put another one in its place. */
  private async open(): Promise<Book> {
    if (this.book !== null && !(await this.isOurs(this.book))) await this.close();
    return (this.book ??= await this.read());
  }

  private async isOurs({ handle, length }: Book): Promise<boolean> {
    const [held, there] = await Promise.all([handle.stat(), stat(this.file).catch(() => null)]);
    return there !== null && there.ino === held.ino && there.dev === held.dev && there.size === length;
  }

  /** Reads the whole file. What a crash left of a line is ended, so that the next line is one of its own. */
  private async read(): Promise<Book> {
    mkdirSync(this.options.folder, { recursive: true });
    const handle = await open(this.file, 'a+', 0o644);
    try {
      syncFolder(this.options.folder);
      const book: Book = { handle, length: (await handle.stat()).size, newest: null, keySets: new Set() };
      let torn = 0;
      for await (const { line, isEnded } of linesOf(handle)) {
        if (!isEnded) await this.write(book, Buffer.from('\n'));
        const read = wholeLine(line);
        if (read) this.take(book, read);
        else torn += 1;
      }
      if (torn > 0) this.options.log.warn({ file: this.file, torn }, 'lines of the anchor file are not whole: skipped');
      await this.flag();
      return book;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  private take(book: Book, { ledger, kind, note }: AnchorLine): void {
    if (ledger !== this.options.origin) {
      throw new Error(`${this.file} belongs to ledger ${ledger}: name another folder`);
    }
    if (kind === 'keys') {
      book.keySets.add(note);
      return;
    }
    const { size } = parseCheckpointText(parseNote(note).text);
    if (book.newest !== null && size <= book.newest.size && note !== book.newest.note) {
      throw new AnchorContradiction(
        `${this.file} holds a checkpoint of size ${size} behind one of ${book.newest.size}`,
        note,
      );
    }
    book.newest = { size, note };
  }

  /** A size that is not the newest: it stands further up, word for word, or the file holds another history. */
  private async requireHeld(size: number, note: string, newest: { size: number; note: string }): Promise<void> {
    for await (const { line } of linesOf(this.book!.handle)) {
      const read = wholeLine(line);
      if (read?.kind === 'checkpoint' && read.note === note) return;
    }
    const detail = `${this.file} holds a checkpoint of size ${newest.size} and not this one of size ${size}`;
    throw new AnchorContradiction(`${detail}: another history, or a database that was set back`, newest.note);
  }

  private async append(book: Book, { kind, note }: Omit<AnchorLine, 'ledger'>): Promise<void> {
    await this.write(book, formatAnchorLine({ ledger: this.options.origin, kind, note }));
  }

  /** Appends, syncs, reads back. */
  private async write(book: Book, bytes: Buffer): Promise<void> {
    const { handle } = book;
    for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten;
    await handle.datasync();
    const back = Buffer.alloc(bytes.length);
    await handle.read(back, 0, back.length, book.length);
    if (!back.equals(bytes))
      throw new Error(`${this.file} does not hold what was appended: somebody else writes to it`);
    book.length += bytes.length;
  }

  private async flag(): Promise<void> {
    const { log, appendOnlyFlag } = this.options;
    if (this.flagged || !appendOnlyFlag) return;
    this.flagged = true;
    const { inForce, reason } = await setAppendOnly(this.file);
    if (inForce) log.info({ file: this.file }, 'the anchor file has the append-only flag');
    else
      log.warn(
        { file: this.file, reason },
        'the anchor file has no append-only flag: who may write to it may change it',
      );
  }
}

function wholeLine(line: Buffer): AnchorLine | null {
  try {
    return parseAnchorLine(line);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

/** Lines of a file, the last one perhaps without its end; of one that is too long only the beginning. */
async function* linesOf(handle: FileHandle): AsyncGenerator<{ line: Buffer; isEnded: boolean }> {
  let rest = Buffer.alloc(0);
  const chunk = Buffer.alloc(CHUNK);
  for (let at = 0; ;) {
    const { bytesRead } = await handle.read(chunk, 0, CHUNK, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    for (let end = rest.indexOf(LINE_FEED); end >= 0; end = rest.indexOf(LINE_FEED)) {
      yield { line: Buffer.from(rest.subarray(0, end)), isEnded: true };
      rest = rest.subarray(end + 1);
    }
    if (rest.length > MOST_ANCHOR_LINE_BYTES) rest = rest.subarray(0, MOST_ANCHOR_LINE_BYTES + 1);
  }
  if (rest.length > 0) yield { line: rest, isEnded: false };
}
