/**
 * How far a long command has come, on standard error. On a terminal a bar that is drawn over itself; otherwise a line now
 * and then, so that a log shows that it still goes on. Work that is over within a moment shows nothing.
 */
import { count, type Output } from './terminal.js';

const DRAW_EVERY_MS = 100;
const LINE_EVERY_MS = 10_000;
const QUIET_MS = 700;
const BAR_CELLS = 24;

export class Progress {
  private done = 0;
  private readonly started = performance.now();
  private last = this.started;
  private isDrawn = false;

  /**
   * @param output null shows nothing
   * @param what what is being done: "submitting events"
   * @param total null when it is not known
   */
  constructor(
    private readonly output: Output | null,
    private readonly what: string,
    private readonly total: number | null,
  ) {}

  add(amount: number): void {
    this.done += amount;
    if (this.output === null) return;
    const now = performance.now();
    const pause = this.output.isTTY ? DRAW_EVERY_MS : LINE_EVERY_MS;
    if (now - this.started < QUIET_MS || now - this.last < pause) return;
    this.last = now;
    this.output.write(this.output.isTTY ? `\r\u001b[K${this.bar(now)}` : `${this.text(now)}\n`);
    this.isDrawn = this.output.isTTY === true;
  }

  /** Takes the bar away, for the result to stand in its place. */
  end(): void {
    if (this.isDrawn) this.output?.write('\r\u001b[K');
    this.isDrawn = false;
  }

  private bar(now: number): string {
    if (this.total === null) return this.text(now);
    const filled = Math.floor((this.done / Math.max(1, this.total)) * BAR_CELLS);
    const line = `[${'='.repeat(filled)}${' '.repeat(BAR_CELLS - filled)}] ${this.text(now)}`;
    return line.slice(0, Math.max(20, (this.output?.columns ?? 80) - 1));
  }

  private text(now: number): string {
    const rate = Math.round(this.done / ((now - this.started) / 1_000));
    const of = this.total === null ? '' : ` of ${count(this.total)}`;
    return `${this.what}: ${count(this.done)}${of}, ${count(rate)} a second`;
  }
}
