/**
 * The log lines of what the server forbids or reports. A stranger can make it do so at will, by asking for answers at places
 * where this certificate may not publish, so only the first lines of a window are written, and then one that says how many more came.
 *
 * State: `timer` is set exactly while `left` has something to tell.
 */
import type { MessagingLogger } from './connect.js';

const WINDOW_MS = 10_000;
const LINES_A_WINDOW = 10;
/** Subjects are of a stranger's choice: no line break, no text that runs backwards, no pages of it. */
const LONGEST_SUBJECT = 256;
const UNPRINTABLE = /[^\x21-\x7e]/g;

export class ServerErrorLog {
  private began = -Infinity;
  private lines = 0;
  private left = 0;
  private timer: NodeJS.Timeout | null = null;

  /** @param now monotonic, ms */
  constructor(
    private readonly logger: MessagingLogger,
    private readonly now: () => number = () => performance.now(),
  ) {}

  forbidden(operation: string, subject: string): void {
    if (!this.admits()) return;
    const told = subject.slice(0, LONGEST_SUBJECT).replaceAll(UNPRINTABLE, '?');
    this.logger.error({ operation, subject: told }, `NATS forbids ${operation} on ${told} to this certificate`);
  }

  reported(err: Error, why: string): void {
    if (this.admits()) this.logger.warn({ err }, `NATS reports: ${why}`);
  }

  /** Says how many lines were left out since the last time. */
  flush(): void {
    if (this.timer === null) return;
    clearTimeout(this.timer);
    this.timer = null;
    this.logger.error({ leftOut: this.left }, `NATS forbade or reported ${this.left} more`);
    this.left = 0;
  }

  private admits(): boolean {
    const now = this.now();
    if (now - this.began >= WINDOW_MS) {
      this.flush();
      this.began = now;
      this.lines = 0;
    }
    this.lines += 1;
    if (this.lines <= LINES_A_WINDOW) return true;
    this.left += 1;
    this.timer ??= setTimeout(() => this.flush(), this.began + WINDOW_MS - now).unref();
    return false;
  }
}
