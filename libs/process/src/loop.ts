/**
 * One named loop of a service, supervised: it runs its body again and again until it is stopped or must not go on.
 *
 * What a failure means is decided by failure.ts: a refused input is reported and the loop goes on; a failure that may
 * pass is tried again after a pause that doubles from 100 ms to 5 s (with jitter, so that many instances do not knock
 * together) while the loop's condition says why the process is not ready; anything else ends the loop and is handed to
 * `onStop`, once.
 *
 * The loop ticks its pulse before each round and while it pauses. A body that hangs is thus seen by `/live`.
 *
 * State: `pausing` is non-null exactly while the loop waits; wake() and stop() end the wait. Rounds never overlap.
 */
import { fateOf } from './failure.js';
import type { Fate } from './failure.js';
import type { Condition, Pulse } from './health.js';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

export interface LoopLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface LoopOptions {
  /** Name in log lines, pulse and condition. */
  name: string;
  /**
   * One round.
   * @param signal aborted by stop(): give up waiting, finish or undo what is begun
   * @returns milliseconds to wait before the next round; 0 or nothing means at once
   */
  body: (signal: AbortSignal) => Promise<number | void>;
  logger: LoopLogger;
  /** Ticked at least as often as half its bound while the loop pauses. */
  pulse: Pulse;
  /** Milliseconds of the pulse's bound. */
  within: number;
  /** Fails with the reason while the loop retries; ok after a good round. */
  condition?: Condition;
  /** A refused input; the default logs it. */
  onRefused?: (error: Error) => void;
  /** The failure that ended the loop. */
  onStop: (error: Error) => void;
  /** Decides the fate; the default is fateOf of failure.ts. */
  fate?: (error: unknown) => Fate;
}

export class Loop {
  /** Resolves when the loop has ended, however it ended. */
  readonly ended: Promise<void>;
  private readonly abort = new AbortController();
  private pausing: (() => void) | null = null;
  private woken = false;
  private failures = 0;

  private constructor(private readonly options: LoopOptions) {
    this.ended = this.turn();
  }

  /** Starts at once. */
  static run(options: LoopOptions): Loop {
    return new Loop(options);
  }

  /** Cuts the present pause short, or skips the next one: there is work. Retry pauses are kept. */
  wake(): void {
    this.woken = true;
    if (this.failures === 0) this.pausing?.();
  }

  /** Asks the loop to end and waits until the present round is over. */
  async stop(): Promise<void> {
    this.abort.abort();
    this.pausing?.();
    await this.ended;
  }

  private async turn(): Promise<void> {
    // Not in the caller's stack: whoever starts a loop has the handle before the first round can stop it.
    await Promise.resolve();
    while (!this.abort.signal.aborted) {
      this.options.pulse.tick();
      const pause = await this.round();
      if (pause === null) break;
      await this.pause(pause);
    }
    this.options.pulse.end();
  }

  /** @returns milliseconds to pause; null when the loop is over */
  private async round(): Promise<number | null> {
    this.woken = false;
    try {
      const pause = await this.options.body(this.abort.signal);
      this.failures = 0;
      this.options.condition?.ok();
      return pause ?? 0;
    } catch (caught) {
      const error = caught instanceof Error ? caught : new Error(`not an error: ${String(caught)}`);
      // What breaks while the loop is being stopped is the stopping.
      if (this.abort.signal.aborted) return null;
      return this.failed(error);
    }
  }

  private failed(error: Error): number | null {
    const { name, logger, condition, onRefused, onStop, fate = fateOf } = this.options;
    switch (fate(error)) {
      case 'refuse':
        if (onRefused === undefined) logger.error({ loop: name, err: error }, `${name} refused: ${error.message}`);
        else onRefused(error);
        return FIRST_PAUSE_MS;
      case 'retry': {
        this.failures += 1;
        condition?.fail(`${name}: ${error.message}`);
        const pause = retryPause(this.failures);
        logger.warn({ loop: name, err: error, attempt: this.failures, pause }, `${name} tries again: ${error.message}`);
        return pause;
      }
      case 'stop':
        condition?.fail(`${name} stopped: ${error.message}`);
        onStop(error);
        return null;
    }
  }

  private async pause(milliseconds: number): Promise<void> {
    // Even a loop that is never idle lets timers, sockets and health probes have their turn between two rounds.
    await new Promise((resolve) => setImmediate(resolve));
    const end = performance.now() + milliseconds;
    for (let left = milliseconds; left > 0; left = end - performance.now()) {
      if (this.abort.signal.aborted || (this.woken && this.failures === 0)) return;
      this.options.pulse.tick();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, this.options.within / 2));
        this.pausing = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.pausing = null;
    }
  }
}

/** Doubles from 100 ms to 5 s; between half and all of it, so that instances that failed together spread out. */
function retryPause(failures: number): number {
  const whole = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 30));
  return Math.round(whole * (0.5 + Math.random() / 2));
}
