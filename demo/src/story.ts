/** What the demo says while it runs: numbered steps for people on a terminal, the same without colours when piped. */

import pc from 'picocolors';

export class Story {
  private number = 0;
  private readonly start = performance.now();

  /** @param write gets each line; standard error when standard output belongs to `--json` */
  constructor(private readonly write: (line: string) => void) {}

  step(title: string): void {
    this.write(`\n${pc.bold(`${++this.number}. ${title}`)} ${pc.dim(`(${this.seconds()} s)`)}`);
  }

  line(text: string): void {
    this.write(`   ${text}`);
  }

  good(text: string): void {
    this.line(`${pc.green('✓')} ${text}`);
  }

  bad(text: string): void {
    this.line(`${pc.red('✗')} ${text}`);
  }

  seconds(): string {
    return ((performance.now() - this.start) / 1_000).toFixed(1);
  }
}
