/**
 * A submit request that is refused, as an error: thrown where the check fails, turned into the answer's bytes where the
 * request came in (`formatRefusal` takes it as it is). One of the three fates of a failure: the sender has to act, this
 * process carries on.
 */
import type { Refusal, RefusalCode } from './refusal.js';

export class Refused extends Error implements Refusal {
  /**
   * @param position which event of the request, from 0; null when it is about the request as a whole
   * @param options `retryAfterMs` only with a code that is retryable
   */
  constructor(
    readonly code: RefusalCode,
    message: string,
    readonly position: number | null = null,
    options: ErrorOptions & { retryAfterMs?: number } = {},
  ) {
    super(message, options);
    this.name = 'Refused';
    this.retryAfterMs = options.retryAfterMs ?? null;
  }

  readonly retryAfterMs: number | null;
}
