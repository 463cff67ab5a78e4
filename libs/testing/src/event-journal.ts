/**
 * What producers meant to send and what they got a receipt for, in a file that is synced before either counts: a producer that is killed,
 * or a machine that loses power, has written down at least what it was promised. One JSON object a line:
 *
 *     {"intend":["<producer>","<id>","<base64 of the event>"]}
 *     {"receipt":["<producer>","<id>","<ingester>",<number of the frame>]}
 *
 * A last line that was not finished is no line. Receipts stand behind their intents.
 */
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { JournalEntry } from './journal-producer.js';

type Line = { intend: [string, string, string] } | { receipt: [string, string, string, number] };

export class EventJournal {
  private constructor(
    readonly file: string,
    private readonly fd: number,
  ) {}

  /** Begins a new one; there must be none in this place. */
  static create(file: string): EventJournal {
    return new EventJournal(file, openSync(file, 'wx', 0o600));
  }

  /** Before these are sent. */
  intend(producer: string, entries: readonly JournalEntry[]): void {
    this.append(entries.map(({ id, bytes }) => ({ intend: [producer, id, bytes.toString('base64')] })));
  }

  /** Before the receipt that came for these is relied on. */
  receipted(producer: string, entries: readonly JournalEntry[], frame: NonNullable<JournalEntry['frame']>): void {
    this.append(entries.map(({ id }) => ({ receipt: [producer, id, frame.ingester, frame.number] })));
  }

  /** What stands in the file now, a list a producer. Throws for a receipt without its intent. */
  read(): Record<string, JournalEntry[]> {
    const found = new Map<string, JournalEntry>();
    const journals: Record<string, JournalEntry[]> = {};
    for (const line of readFileSync(this.file, 'utf8').split('\n').slice(0, -1)) {
      const parsed = JSON.parse(line) as Line;
      if ('intend' in parsed) {
        const [producer, id, base64] = parsed.intend;
        const bytes = Buffer.from(base64, 'base64');
        const { source } = JSON.parse(bytes.toString()) as { source: string };
        const entry: JournalEntry = { id, source, bytes, frame: null };
        found.set(`${producer} ${id}`, entry);
        (journals[producer] ??= []).push(entry);
      } else {
        const [producer, id, ingester, number] = parsed.receipt;
        const entry = found.get(`${producer} ${id}`);
        if (!entry) throw new Error(`${this.file}: a receipt for ${id} of ${producer}, which was never sent`);
        entry.frame = { ingester, number };
      }
    }
    return journals;
  }

  close(): void {
    closeSync(this.fd);
  }

  private append(lines: readonly Line[]): void {
    writeSync(this.fd, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    fdatasyncSync(this.fd);
  }
}
