/** `everseal watch` beside the soak, for all of its time: what an outside watcher says raised and cleared. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { EVERSEAL } from './stored-alerts.js';

/** What was raised; passed-on alerts of services are among it. */
export interface Noticed {
  readonly code: string;
  readonly detail: string;
}

interface Line extends Noticed {
  readonly observed?: string;
  readonly key: string;
}

export class OutsideWatch {
  private noticed: Noticed[] = [];
  private readonly open = new Map<string, string>();
  private readonly child: ChildProcess;
  private isOver = false;

  constructor(dir: string) {
    const child = spawn(process.execPath, [EVERSEAL, '--dir', dir, 'watch', '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    createInterface({ input: child.stdout }).on('line', (line) => this.take(JSON.parse(line) as Line));
    child.once('exit', () => (this.isOver = true));
    this.child = child;
  }

  /** Codes that stand now; `watch ended` when nobody watches. */
  get standing(): string[] {
    return this.isOver ? ['watch ended'] : [...this.open.values()];
  }

  /** What was raised since the last call. */
  takeNoticed(): Noticed[] {
    return this.noticed.splice(0);
  }

  async stop(): Promise<void> {
    if (this.isOver) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
  }

  private take({ observed, code, detail, key }: Line): void {
    if (observed === 'raised') {
      this.open.set(key, code);
      this.noticed.push({ code, detail });
    } else if (observed === 'cleared') this.open.delete(key);
  }
}
