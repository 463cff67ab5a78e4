/**
 * Anchors checkpoints and key sets as objects in S3-compatible storage with Object Lock: each object is written once, kept in COMPLIANCE
 * mode until a date, so that not even the account's administrator can change or delete it before, and read back before it counts.
 *
 *     <prefix><origin>/checkpoints/<size, 16 digits>
 *     <prefix><origin>/keys/<leaf hash, hexadecimal>
 *
 * A put is told to write only where nothing stands (If-None-Match). An answer that was lost is thus looked up by the next try: what
 * stands there is read, and is the same bytes or a contradiction.
 *
 * The SDK is loaded by the first use: a sealer that anchors nowhere does not carry it.
 */
import { Readable } from 'node:stream';
import { leafHash } from '@everseal/audit-core';
import { inTime } from '@everseal/process';
import type * as AwsS3 from '@aws-sdk/client-s3';
import { AnchorContradiction, type AnchorTarget, type ToAnchor } from './anchor-target.js';
import type { ObjectCredentials } from './object-credentials.js';
import { LongAnswer, upTo } from './untrusted-answer.js';

const DAY_MS = 86_400_000;
/** What the store may round a retention date to. */
const ROUNDED_MS = 60_000;
const MOST_NOTE_BYTES = 1_048_576;

export interface ObjectTargetOptions {
  readonly name: string;
  /** Null for Amazon's own of the region. */
  readonly endpoint: string | null;
  readonly region: string;
  readonly bucket: string;
  /** '' or ending in a slash. */
  readonly prefix: string;
  /** Buckets as part of the path instead of the host name, as most servers other than Amazon's want it. */
  readonly pathStyle: boolean;
  readonly retainDays: number;
  readonly credentials: ObjectCredentials;
  readonly timeoutMs: number;
  readonly now: () => number;
}

type Sdk = typeof AwsS3;

export class ObjectTarget implements AnchorTarget {
  readonly kind = 's3';
  private client: { sdk: Sdk; s3: AwsS3.S3Client } | null = null;
  /** Key sets that are known to be there. */
  private readonly kept = new Set<string>();

  constructor(private readonly options: ObjectTargetOptions) {}

  get name(): string {
    return this.options.name;
  }

  async anchor({ origin, size, note, keySets }: ToAnchor, signal: AbortSignal): Promise<Buffer> {
    const folder = `${this.options.prefix}${origin}`;
    for (const keys of keySets) {
      const key = `${folder}/keys/${leafHash(keys).toString('hex')}`;
      if (this.kept.has(key)) continue;
      await this.keep(key, keys, signal);
      this.kept.add(key);
    }
    return this.keep(`${folder}/checkpoints/${String(size).padStart(16, '0')}`, note, signal);
  }

  async close(): Promise<void> {
    this.client?.s3.destroy();
    return Promise.resolve();
  }

  /** @returns the bytes as the store has them @throws AnchorContradiction */
  private async keep(key: string, bytes: Buffer, signal: AbortSignal): Promise<Buffer> {
    const { sdk, s3 } = (this.client ??= await this.connect());
    const { bucket, retainDays, now } = this.options;
    const until = new Date(Math.ceil((now() + retainDays * DAY_MS) / 1_000) * 1_000);
    const put = new sdk.PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: bytes,
      ContentType: 'text/plain; charset=utf-8',
      IfNoneMatch: '*',
      ChecksumAlgorithm: 'SHA256',
      ObjectLockMode: 'COMPLIANCE',
      ObjectLockRetainUntilDate: until,
    });
    let isNew = true;
    try {
      await this.inTime(signal, (options) => s3.send(put, options));
    } catch (error) {
      if (statusOf(error) !== 412) throw explained(error, bucket);
      isNew = false;
    }
    // Crash here, or an answer that was lost: the next try finds the object in its place.
    return this.readBack(key, bytes, isNew ? until : null, signal);
  }

  /** @param until to when it has to be kept; null for what an earlier try has put there, with a date of its own */
  private async readBack(key: string, bytes: Buffer, until: Date | null, signal: AbortSignal): Promise<Buffer> {
    const { sdk, s3 } = this.client!;
    const { bucket } = this.options;
    const get = new sdk.GetObjectCommand({ Bucket: bucket, Key: key });
    const { answer, held } = await this.inTime(signal, async (options) => {
      const found = await s3.send(get, options);
      return { answer: found, held: await noteIn(found.Body) };
    }).catch((error: unknown) => {
      throw explained(error, bucket);
    });
    if (!held) throw new AnchorContradiction(`${bucket}/${key} holds something else`, '');
    if (!held.equals(bytes)) {
      throw new AnchorContradiction(`${bucket}/${key} holds another note: another history`, held.toString());
    }
    const keptUntil = answer.ObjectLockRetainUntilDate?.getTime() ?? 0;
    const wanted = until === null ? this.options.now() : until.getTime() - ROUNDED_MS;
    if (answer.ObjectLockMode !== 'COMPLIANCE' || keptUntil < wanted) {
      throw new Error(
        `${bucket}/${key} is not locked in COMPLIANCE mode: the bucket needs Object Lock, and the key the right to read it`,
      );
    }
    return held;
  }

  private async connect(): Promise<{ sdk: Sdk; s3: AwsS3.S3Client }> {
    const { endpoint, region, pathStyle, credentials, timeoutMs } = this.options;
    const sdk = await import('@aws-sdk/client-s3');
    const s3 = new sdk.S3Client({
      region,
      credentials,
      forcePathStyle: pathStyle,
      ...(endpoint === null ? {} : { endpoint }),
      // Tried again by the loop that asks, which says so.
      maxAttempts: 1,
      requestHandler: { connectionTimeout: timeoutMs, requestTimeout: timeoutMs },
    });
    boundAnswers(s3);
    return { sdk, s3 };
  }

  /** The SDK itself waits for ever for a server that changes the protocol, whatever its signal and its own limits say. */
  private inTime<T>(signal: AbortSignal, ask: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
    return inTime(this.options.timeoutMs, signal, (abortSignal) => ask({ abortSignal }));
  }
}

/** The SDK reads every answer into memory, those that say an error included. */
function boundAnswers(s3: AwsS3.S3Client): void {
  s3.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response as { body?: unknown };
      if (response.body instanceof Readable) response.body = Readable.from(upTo(response.body, MOST_NOTE_BYTES));
      return result;
    },
    // The innermost of this step: before anything reads.
    { step: 'deserialize', priority: 'low', name: 'boundAnswers' },
  );
}

/** Null for an object that is longer than any note, or none. */
async function noteIn(body: AwsS3.GetObjectCommandOutput['Body']): Promise<Buffer | null> {
  try {
    return body ? Buffer.from(await body.transformToByteArray()) : null;
  } catch (error) {
    if (error instanceof LongAnswer) return null;
    throw error;
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

/** The SDK's messages say neither the bucket nor, for some errors, anything. */
function explained(error: unknown, bucket: string): Error {
  const { name = 'error', message = '' } = error as Partial<Error>;
  const status = statusOf(error);
  const http = status === undefined ? '' : `, HTTP status ${status}`;
  return new Error(`the object store does not take or give what belongs into ${bucket}: ${name}${http}: ${message}`, {
    cause: error,
  });
}
