/**
 * Pages by webhook: what was raised or cleared is POSTed as JSON, in order, one request for all that waits. Delivery never
 * holds up watching: it has time-outs, a bounded number of attempts with growing pauses, and a bounded queue; what could not
 * be delivered is kept for the next time that there is something to say, or for the next run.
 *
 *     {"text":"…","installation":"<domain>","standing":n,"transitions":[{"state":"raised","code":…},…]}
 *
 * The URL is read from a file, because it often is a secret; it is never shown, and redirects are refused.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { inTime } from '@everseal/process';
import { readPrivateText } from '@everseal/tls';
import { usage } from './cli-failure.js';
import type { Transition } from './watch-latch.js';

/** Transitions that may wait; the oldest go. */
const MOST_WAITING = 1_000;
/** Of the evidence and the rest, what one request carries. */
const MOST_A_REQUEST = 50;

export interface WebhookLimits {
  /** Until one attempt is given up, milliseconds. */
  readonly timeoutMs: number;
  /** Pauses between attempts, milliseconds; one attempt more than these. */
  readonly pausesMs: readonly number[];
}

const LIMITS: WebhookLimits = { timeoutMs: 10_000, pausesMs: [1_000, 4_000, 15_000] };

/**
 * The URL in a file that only its owner can read.
 * @throws ExposedFileError; CliFailure for a URL that is neither https nor on this machine
 */
export function readWebhookUrl(file: string): URL {
  const text = readPrivateText(file).trim();
  if (!URL.canParse(text)) throw usage(`${file} does not hold one URL`);
  const url = new URL(text);
  const isLoopback = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback)) return url;
  throw usage(`the URL in ${file} is not https://: pages would be read on their way`);
}

export class Webhook {
  private waiting: Transition[];
  private sending: Promise<void> | null = null;
  private readonly stopped = new AbortController();
  /** Why the last attempt failed; '' when it did not. */
  problem = '';

  /**
   * @param unpaged what an earlier run could not deliver
   * @param standing how many conditions stand
   */
  constructor(
    private readonly url: URL,
    private readonly installation: string,
    private readonly standing: () => number,
    unpaged: readonly Transition[] = [],
    private readonly limits: WebhookLimits = LIMITS,
  ) {
    this.waiting = [...unpaged];
    if (unpaged.length > 0) this.start();
  }

  /** What nobody took yet. */
  get unpaged(): readonly Transition[] {
    return this.waiting;
  }

  page(transitions: readonly Transition[]): void {
    if (transitions.length === 0) return;
    this.waiting = [...this.waiting, ...transitions].slice(-MOST_WAITING);
    this.start();
  }

  /** Tries again with what waits. */
  again(): void {
    if (this.waiting.length > 0) this.start();
  }

  /** Waits for what is under way, at most so long. */
  async end(withinMs: number): Promise<void> {
    const timer = setTimeout(() => this.stopped.abort(), withinMs);
    await this.sending;
    clearTimeout(timer);
  }

  private start(): void {
    this.sending ??= this.send().finally(() => {
      this.sending = null;
    });
  }

  private async send(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.slice(0, MOST_A_REQUEST);
      if (!(await this.deliver(batch))) return;
      const sent = new Set(batch);
      this.waiting = this.waiting.filter((transition) => !sent.has(transition));
    }
  }

  private async deliver(batch: readonly Transition[]): Promise<boolean> {
    const body = JSON.stringify({
      text: textOf(this.installation, batch),
      installation: this.installation,
      standing: this.standing(),
      transitions: batch,
    });
    for (const pause of [0, ...this.limits.pausesMs]) {
      try {
        await sleep(pause, undefined, { signal: this.stopped.signal });
      } catch {
        return false; // the run ends
      }
      this.problem = await this.post(body);
      if (this.problem === '') return true;
    }
    return false;
  }

  /** '' when it was taken, else why not; never the URL. */
  private async post(body: string): Promise<string> {
    try {
      const { ok, status } = await inTime(this.limits.timeoutMs, this.stopped.signal, async (signal) => {
        const headers = { 'content-type': 'application/json' };
        const answer = await fetch(this.url, { method: 'POST', headers, body, redirect: 'error', signal });
        await answer.body?.cancel();
        return answer;
      });
      return ok ? '' : `the webhook answered ${status}`;
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const { code } = cause as NodeJS.ErrnoException;
      return `the webhook could not be reached (${code ?? (cause instanceof Error ? cause.name : 'unknown')})`;
    }
  }
}

/** One line a transition, for chat systems that show only this. */
function textOf(installation: string, batch: readonly Transition[]): string {
  const lines = batch.map(({ state, code, severity, ledger, part, detail }) => {
    const where = [part, ledger].filter((word) => word !== '').join(' ');
    return `${state.toUpperCase()} ${code} (${severity})${where === '' ? '' : ` ${where}`}: ${detail}`;
  });
  return [`Everseal ${installation}`, ...lines].join('\n');
}
