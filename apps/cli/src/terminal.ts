/**
 * What the tool writes: results to standard output, everything about them (notes, progress, errors) to standard error.
 *
 * Colours and drawn tables only where a person looks: standard output is a terminal and NO_COLOR is not set. Piped, a
 * table is its rows with tabs between the cells, so that `cut` and `awk` can read it. Text from outside (alerts, answers,
 * file names) goes through printable(): no input may move the cursor, recolour or forge a line.
 */
import Table from 'cli-table3';
import pc from 'picocolors';

/** The part of a stream that is used. */
export interface Output {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
}

const UNPRINTABLE = /[\p{Control}\p{Format}\p{Surrogate}\p{Private_Use}\p{Unassigned}\p{Zl}\p{Zp}]/gu;
const THIN = { top: '', 'top-mid': '', 'top-left': '', 'top-right': '' };
const NONE = { bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' };
const INSIDE = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '', left: '', right: '', middle: '  ' };

/** Text as it may stand on a terminal: whatever is no visible character or space is escaped. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** 1234567 as `1,234,567`. */
export function count(number: number): string {
  return number.toLocaleString('en-US');
}

/** `1 event`, `2 events`. */
export function counted(number: number, noun: string, plural = `${noun}s`): string {
  return `${count(number)} ${number === 1 ? noun : plural}`;
}

export class Terminal {
  readonly colors: ReturnType<typeof pc.createColors>;
  /** A person looks at standard output. */
  readonly isInteractive: boolean;

  /** @param allowColor false when NO_COLOR is set */
  constructor(
    private readonly out: Output,
    private readonly err: Output,
    allowColor: boolean,
  ) {
    this.isInteractive = out.isTTY === true;
    this.colors = pc.createColors(this.isInteractive && allowColor);
  }

  /** Where progress is drawn. */
  get progressOutput(): Output {
    return this.err;
  }

  line(text = ''): void {
    this.out.write(`${text}\n`);
  }

  /** One value as one line of JSON. */
  json(value: unknown): void {
    this.out.write(`${JSON.stringify(value)}\n`);
  }

  /** To standard error: beside the result, never part of it. */
  note(text: string): void {
    this.err.write(`${text}\n`);
  }

  heading(text: string): void {
    this.line(this.colors.bold(text));
  }

  /** Rows under their heads. Cells are text that is printable already, colours allowed. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    this.line(this.tableText(head, rows));
  }

  /** The same as text. */
  tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
    if (!this.isInteractive) return [head, ...rows].map((row) => row.join('\t')).join('\n');
    const table = new Table({
      head: head.map((name) => this.colors.dim(name)),
      chars: { ...THIN, ...NONE, ...INSIDE },
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
    });
    for (const row of rows) table.push([...row]);
    return table.toString();
  }

  /** A screen of its own, beside what stands on the terminal; only where a person looks. */
  openScreen(): void {
    this.out.write('\u001b[?1049h\u001b[?25l');
  }

  /** Draws the screen anew. */
  screen(text: string): void {
    this.out.write(`\u001b[H\u001b[2J${text}\n`);
  }

  closeScreen(): void {
    this.out.write('\u001b[?25h\u001b[?1049l');
  }
}
