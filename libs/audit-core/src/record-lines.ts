import { FormatError } from './format-error.js';
import type { SigningKey } from './key.js';

/**
 * The text of an Everseal record (key set, frame, gap, block, restore, alert): the kind as first line, then one value
 * a line, every line ended by one line feed, in a fixed order.
 *
 *     everseal/block/v1
 *     audit.example.com/main
 *     7
 *     …
 *
 * `RecordLines` hands out the lines one by one and gives every failing check the code `<format>.<field>`, with the
 * value parser's own error as cause:
 * - `<format>.kind`   the first line is another
 * - `<format>.lines`  a line is missing, is left over, or the text does not end with a line feed
 */
export class RecordLines {
  private readonly lines: readonly string[];
  private at = 1;

  /**
   * @param format prefix of the error codes, for example `frame`
   * @param kind the first line, for example `everseal/frame/v1`
   * @throws FormatError `<format>.kind`, `<format>.lines`
   */
  constructor(
    private readonly format: string,
    private readonly kind: string,
    text: string,
  ) {
    const lines = text.split('\n');
    if (lines.pop() !== '') {
      throw new FormatError(`${format}.lines`, `the text of ${kind} does not end with a line feed`);
    }
    if (lines[0] !== kind) {
      throw new FormatError(`${format}.kind`, `the first line is not ${kind}: this is another kind of record`);
    }
    this.lines = lines;
  }

  /**
   * The next line as a value.
   * @throws FormatError `<format>.<field>` when `parse` throws one, `<format>.lines` when there is no line
   */
  next<T>(field: string, parse: (line: string) => T): T {
    const line = this.lines[this.at];
    if (line === undefined) {
      throw new FormatError(`${this.format}.lines`, `${this.kind} ends before its line ${this.at + 1}, ${field}`);
    }
    this.at += 1;
    return this.refine(field, line, parse);
  }

  /** The next line as it stands, after `check` took it. Throws as `next`. */
  nextText(field: string, check: (line: string) => unknown): string {
    return this.next(field, (line) => {
      check(line);
      return line;
    });
  }

  /** The next line if it begins with `prefix` (which is not part of the value), else null. */
  nextIf<T>(prefix: string, field: string, parse: (value: string) => T): T | null {
    const line = this.lines[this.at];
    if (line === undefined || !line.startsWith(prefix)) return null;
    this.at += 1;
    return this.refine(field, line.slice(prefix.length), parse);
  }

  /** @throws FormatError `<format>.lines` when a line is left over */
  end(): void {
    if (this.at < this.lines.length) {
      throw new FormatError(
        `${this.format}.lines`,
        `${this.kind} has ${this.lines.length} lines where ${this.at} belong`,
      );
    }
  }

  /** Makes more of a value that was read before, under the same codes. Throws FormatError `<format>.<field>`. */
  refine<T>(field: string, value: string, parse: (value: string) => T): T {
    try {
      return parse(value);
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      throw new FormatError(`${this.format}.${field}`, `${this.kind}, ${field}: ${cause.message}`, {
        cause,
      });
    }
  }
}

/** The text of a record: its kind, then its values, a line each. */
export function formatRecord(kind: string, values: readonly string[]): string {
  return `${kind}\n${values.join('\n')}\n`;
}

/**
 * Proves that a parsed value has one byte form only: what the writer makes of it is what was read.
 * @throws FormatError `<format>.canonical`
 */
export function requireCanonical(format: string, read: string, written: string): void {
  if (read !== written) {
    throw new FormatError(`${format}.canonical`, `the ${format} text is not the form that its own value is written in`);
  }
}

/**
 * Keeps a service from signing with a key that every reader of that record would refuse.
 * @throws RangeError: the service was given the wrong key file
 */
export function requireSigner(key: SigningKey, name: string): void {
  if (key.name !== name) throw new RangeError(`this record is signed by ${name}, the key at hand is ${key.name}`);
}
