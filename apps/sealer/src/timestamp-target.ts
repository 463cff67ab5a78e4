/**
 * Anchors a checkpoint in time: asks a time-stamp authority (RFC 3161) that somebody else runs. What it answers is verified whole before
 * anything of it is kept: status, imprint, nonce, policy, certificate chain, signature (libs/timestamps), and that its time is about
 * ours. The authority learns a hash and nothing else.
 *
 * Asking again after an answer that was lost makes a second token; the authority keeps nothing and neither do we, so nothing has to be
 * looked up.
 */
import { randomBytes, type X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { FormatError } from '@everseal/audit-core';
import { StopProcess } from '@everseal/process';
import {
  formatTimestampRequest,
  MOST_RESPONSE_BYTES,
  NONCE_BYTES,
  normalToken,
  openTimestampResponse,
  parsePinnedAuthority,
  verifyTimestamp,
} from '@everseal/timestamps';
import type { AnchorTarget, ToAnchor } from './anchor-target.js';
import { httpPost } from './http-post.js';

export interface TimestampTargetOptions {
  readonly name: string;
  /** http is as good as https: the token is signed and the request holds a hash. */
  readonly url: URL;
  readonly pinned: readonly X509Certificate[];
  /** TSA policy to ask for; null for the authority's own. */
  readonly policy: string | null;
  /** Roots of an https server, PEM. */
  readonly ca?: Buffer | undefined;
  readonly timeoutMs: number;
  /** How far the token's time may be from this clock, milliseconds. */
  readonly clockSkewMs: number;
  readonly now: () => number;
}

/** The certificates that an authority is known by. @throws StopProcess anchor.certificates */
export function readPinned(file: string): X509Certificate[] {
  try {
    return parsePinnedAuthority(readFileSync(file));
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new StopProcess('anchor.certificates', `${file}: ${cause.message}`, { cause });
  }
}

export class TimestampTarget implements AnchorTarget {
  readonly kind = 'rfc3161';

  constructor(private readonly options: TimestampTargetOptions) {}

  get name(): string {
    return this.options.name;
  }

  async anchor({ note }: ToAnchor, signal: AbortSignal): Promise<Buffer> {
    const { url, pinned, policy, ca, timeoutMs, clockSkewMs, now } = this.options;
    const nonce = randomBytes(NONCE_BYTES);
    const response = await httpPost({
      url,
      body: formatTimestampRequest({ message: note, nonce, policy }),
      contentType: 'application/timestamp-query',
      timeoutMs,
      mostBytes: MOST_RESPONSE_BYTES,
      ca,
      signal,
    });
    const token = normalToken(openTimestampResponse(response), note, { pinned, policy, nonce });
    const { time } = verifyTimestamp(token, note, { pinned, policy, nonce: null });
    if (Math.abs(time - now()) > clockSkewMs) {
      const said = new Date(time).toISOString();
      throw new Error(
        `the time of the token, ${said}, is more than ${clockSkewMs} ms off this clock: one of them is wrong`,
      );
    }
    return token;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
