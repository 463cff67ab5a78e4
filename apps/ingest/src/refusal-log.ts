/**
 * The log lines of refused requests. Every refusal is counted; a line is written for the first so many in a second, and then
 * one that says how many were left out, so that a client in a loop can't fill the disk or drown the rest.
 *
 * What a client sent reaches the log as JSON strings only, with everything but printable ASCII escaped: no line break, no
 * terminal sequence, no text that runs backwards.
 */
import type { Refusal } from '@everseal/audit-core';
import type { Logger } from '@everseal/process';

const LINES_A_SECOND = 20;
const UNPRINTABLE = /[^\x20-\x7e]/g;

export class RefusalLog {
  #second = 0;
  #lines = 0;
  #left = 0;

  /**
   * @param logger names the ledger in its lines
   * @param now monotonic, ms
   */
  constructor(
    private readonly logger: Logger,
    private readonly now: () => number,
  ) {}

  /** @param fields further facts: hashes, the event's id */
  write(producer: string, refusal: Refusal, fields: Readonly<Record<string, string>> = {}): void {
    const second = Math.floor(this.now() / 1_000);
    if (second !== this.#second) {
      this.flush();
      this.#second = second;
      this.#lines = 0;
    }
    this.#lines += 1;
    if (this.#lines > LINES_A_SECOND) {
      this.#left += 1;
      return;
    }
    const { code, position } = refusal;
    const told = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, printable(value)]));
    this.logger.warn(
      { producer: printable(producer), code, position, ...told },
      `request refused: ${printable(refusal.message)}`,
    );
  }

  /** Says how many lines were left out since the last one. */
  flush(): void {
    if (this.#left === 0) return;
    this.logger.warn({ leftOut: this.#left }, 'more requests were refused in that second');
    this.#left = 0;
  }
}

/** The text with everything but printable ASCII as \uXXXX, at most 200 characters of it. */
export function printable(text: string): string {
  const cut = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return cut.replaceAll(UNPRINTABLE, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
