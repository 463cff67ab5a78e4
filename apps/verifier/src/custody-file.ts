/**
 * The heard notes on this verifier's own disk, so that a frame which nobody will ever show again is still missed after a
 * restart. JSON; replaced atomically and fsynced. It proves itself: every note carries its ingester's signature and is
 * opened again when it is read; one that does not open is left out. Whoever writes to this folder can make the verifier
 * forget a note, which a heartbeat brings again, and cannot put one in.
 */

import { readFileSync } from 'node:fs';
import { FormatError, MessageReader, type KeySet } from '@everseal/audit-core';
import { replaceFile } from '@everseal/process';
import { HEARD_WHERE, type CustodyNotes, type HeardWhere } from './custody-notes.js';

/** Some hundred lanes of 64 notes with less than 1 KiB each. */
const MOST_FILE_BYTES = 64 * 1024 * 1024;

interface WrittenNote {
  readonly note: string;
  readonly where: HeardWhere;
  readonly overdue: boolean;
}

export class CustodyFile {
  constructor(private readonly file: string) {}

  /**
   * Puts what was written into `notes`.
   * @param keys those in force now
   * @returns how many notes were left out; null when the file as a whole could not be read
   */
  readInto(notes: CustodyNotes, keys: KeySet, at: number): number | null {
    let leftOut = 0;
    try {
      for (const { note, where, overdue } of this.read()) {
        try {
          notes.hear(note, where, keys, at).overdue = overdue;
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
          leftOut++;
        }
      }
    } catch (error) {
      if (error instanceof FormatError) return null;
      throw error;
    }
    return leftOut;
  }

  write(notes: CustodyNotes): void {
    const frames = notes.all().map(({ note, where, overdue }): WrittenNote => ({ note, where, overdue }));
    replaceFile(this.file, JSON.stringify({ frames }));
    notes.changed = false;
  }

  private read(): WrittenNote[] {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    return MessageReader.parse('custody', bytes, MOST_FILE_BYTES)
      .objects('frames')
      .map((written) => ({
        note: written.text('note'),
        where: readWhere(written),
        overdue: written.flag('overdue'),
      }));
  }
}

function readWhere(written: MessageReader): HeardWhere {
  const text = written.text('where');
  return HEARD_WHERE.find((where) => where === text) ?? written.fail('where', 'is no place where notes are heard');
}
