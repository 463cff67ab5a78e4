/**
 * Requests to one witness of others over HTTPS: one connection, kept open, a bound on the time of a request from the first name
 * look-up to the last byte, and one on the answer. Redirects are not followed. The server proves itself by its certificate;
 * what it says counts by the signatures in it.
 */
import { readFileSync } from 'node:fs';
import { Agent, request, type RequestOptions } from 'node:https';
import { inTime, OutOfTime } from '@everseal/process';
import { publicClientOptions, type Material } from '@everseal/tls';
import { answerTo } from './untrusted-answer.js';

/** Answers are a few signature lines. */
const MOST_ANSWER_BYTES = 65_536;

export interface WitnessTls {
  /** Roots of the witnesses' certificates (PEM), read again for every connection; null for the public ones. */
  readonly caFile: string | null;
  /** The certificate that we show; null for none. */
  readonly identity: () => Material | null;
  readonly tls12: boolean;
}

/** An answer, whatever it says; or why there is none. */
export type WitnessReply =
  { readonly status: number; readonly body: Buffer } | { readonly status: null; readonly problem: string };

export class WitnessConnection {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 });
  private readonly stopping = new AbortController();

  /** @param url prefix of its `add-checkpoint`, without a slash at its end */
  constructor(
    private readonly url: string,
    private readonly tls: WitnessTls,
    private readonly timeoutMs: number,
  ) {}

  /** Never rejects. */
  async addCheckpoint(body: string): Promise<WitnessReply> {
    if (this.stopping.signal.aborted) return { status: null, problem: 'we are stopping' };
    try {
      return await inTime(this.timeoutMs, this.stopping.signal, (signal) => this.post(Buffer.from(body), signal));
    } catch (error) {
      if (error instanceof OutOfTime) return { status: null, problem: `no answer within ${this.timeoutMs} ms` };
      return { status: null, problem: problemOf(error) };
    }
  }

  /** Gives up what is under way. */
  close(): void {
    this.stopping.abort();
    this.agent.destroy();
  }

  private async post(body: Buffer, signal: AbortSignal, again = false): Promise<WitnessReply> {
    const { caFile, identity, tls12 } = this.tls;
    const ca = caFile === null ? null : readFileSync(caFile);
    const options: RequestOptions = {
      ...publicClientOptions(ca, identity(), { tls12 }),
      method: 'POST',
      agent: this.agent,
      signal,
      headers: { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': body.length },
    };
    const asked = request(`${this.url}/add-checkpoint`, options);
    try {
      return await answerTo(asked, body, MOST_ANSWER_BYTES);
    } catch (error) {
      // The other end closed a connection that was idle, at the moment at which it was used again.
      if (asked.reusedSocket && !again && !signal.aborted) return this.post(body, signal, true);
      throw error;
    }
  }
}

function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  return first instanceof Error ? first.message : error.message;
}
