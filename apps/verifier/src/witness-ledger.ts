/**
 * This verifier as a witness of one ledger: it holds what the sealer is about to sign, and it cosigns a checkpoint only
 * after it has derived the same root itself (C2SP tlog-witness, add-checkpoint, over NATS; the status in a header).
 *
 * The cosignature is withheld only for what the bytes behind it show: no extension of the cosigned log, another root,
 * a signature by no key in force. Nothing seen elsewhere withholds it.
 */

import {
  appendSignatures,
  cosign,
  equalHash,
  formatHoldAnswer,
  FormatError,
  formatWitnessSize,
  logKeyAt,
  openCheckpoint,
  parseAddCheckpoint,
  parseHoldRequest,
  parseNote,
  verifyConsistency,
  EMPTY_ROOT,
  type Finding,
  type KeySet,
  type LogMemory,
  type OpenedCheckpoint,
  type SigningKey,
} from '@everseal/audit-core';
import { StoreError } from '@everseal/ledger-store';
import type { FollowLedger } from './follow-ledger.js';
import { saidOfValue } from './stored-value.js';
import type { MemoryFile, Remembered } from './verifier-memory.js';

export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422 | 503;
  readonly body: string;
}

/** What of a checkpoint's form and signature is not simply malformed (400). */
const STATUS: Readonly<Record<string, WitnessAnswer['status']>> = {
  'checkpoint.origin': 404,
  'note.unverified': 403,
  'note.signature': 403,
  'checkpoint.empty-root': 422,
};

export class WitnessLedger {
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly follow: FollowLedger,
    private readonly file: MemoryFile,
    private remembered: Remembered | null,
    /** The key to cosign with under a key set. */
    private readonly keyOf: (keys: KeySet | null) => SigningKey,
    private readonly now: () => number,
    /** Told of what a request showed: a fork, another root. */
    private readonly report: (finding: Finding, evidence: Record<string, string>) => void,
  ) {}

  get origin(): string {
    return this.follow.trust.origin;
  }

  /** Size of the newest checkpoint that was cosigned here. */
  get cosignedSize(): number {
    return this.remembered?.memory.size ?? 0;
  }

  /** The newest cosigned checkpoint with a fresh cosignature: the signed heartbeat. Null before the first. */
  heartbeat(): string | null {
    return this.remembered && this.withCosignature(this.remembered);
  }

  /** Reads, derives and stores everything up to the size that is asked for, and says what came out. */
  async hold(body: Uint8Array): Promise<Buffer> {
    const wanted = parseHoldRequest(body);
    await this.reach(wanted);
    await this.follow.sync();
    const mark = this.follow.markAt(wanted);
    const size = mark ? wanted : this.follow.size;
    const root = mark?.root ?? (size === 0 ? EMPTY_ROOT : this.follow.tree.root());
    return formatHoldAnswer({ size, root, checkpoint: this.remembered?.checkpoint ?? '' });
  }

  /** One request at a time: comparing the old size and storing the new one must not interleave. */
  addCheckpoint(body: Uint8Array): Promise<WitnessAnswer> {
    const answer = this.queue.then(() => this.judge(body));
    this.queue = answer.catch(() => undefined);
    return answer;
  }

  private async judge(body: Uint8Array): Promise<WitnessAnswer> {
    let request: ReturnType<typeof parseAddCheckpoint>;
    try {
      request = parseAddCheckpoint(body);
    } catch (error) {
      if (error instanceof FormatError) return { status: 400, body: `${error.message}\n` };
      throw error;
    }
    const { old, proof, checkpoint } = request;
    const size = sizeOf(checkpoint);
    await this.reach(size);
    const opened = this.open(checkpoint, size);
    if ('status' in opened) return opened;
    await this.reportOtherRoot(checkpoint, opened);
    if (old > opened.size) return { status: 400, body: 'old is larger than the checkpoint\n' };
    if (old !== this.cosignedSize) return { status: 409, body: formatWitnessSize(this.cosignedSize) };
    if (old === opened.size && old > 0) return this.again(opened);
    const oldRoot = old === 0 ? EMPTY_ROOT : await this.follow.tree.rootAt(old);
    const extends_ = old === 0 ? proof.length === 0 : verifyConsistency(old, opened.size, proof, oldRoot, opened.root);
    if (!extends_) return { status: 422, body: 'the consistency proof does not verify\n' };
    return this.cosignNew(checkpoint, opened);
  }

  /** Derives up to a size if that can be done. What stands behind it and cannot be read is no matter of the request. */
  private async reach(size: number): Promise<void> {
    if (size <= this.follow.size) return;
    try {
      await this.follow.catchUp();
    } catch (error) {
      // The tail meets the same and says so; the answer is what is held.
      if (!(error instanceof StoreError)) saidOfValue(error);
    }
  }

  private open(checkpoint: string, size: number): OpenedCheckpoint | WitnessAnswer {
    const logKey = logKeyAt(this.follow.memory, size);
    try {
      return openCheckpoint(checkpoint, logKey ? [logKey] : [], this.origin);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return { status: STATUS[error.code] ?? 400, body: `${error.message}\n` };
    }
  }

  /** The size that is cosigned already: the same root gets a fresh cosignature, another root is a fork. */
  private again(opened: OpenedCheckpoint): WitnessAnswer {
    const before = parseNote(this.remembered!.checkpoint);
    return before.text === opened.text
      ? { status: 200, body: `${this.line(opened.text, this.remembered!.memory)}\n` }
      : { status: 409, body: '' };
  }

  private async cosignNew(checkpoint: string, opened: OpenedCheckpoint): Promise<WitnessAnswer> {
    const mark = this.follow.markAt(opened.size);
    if (!mark) return { status: 503, body: `this verifier holds size ${this.follow.size}\n` };
    if (!equalHash(mark.root, opened.root)) return { status: 422, body: 'the stored entries give another root\n' };
    await this.follow.sync();
    const line = this.line(opened.text, mark.memory);
    const remembered = { checkpoint: appendSignatures(checkpoint, [line]), memory: mark.memory };
    // Crash before this write: the old checkpoint stands, the sealer asks again. After it: we say 409 with the new size.
    this.file.write(remembered);
    this.remembered = remembered;
    this.follow.settle(opened.size);
    return { status: 200, body: `${line}\n` };
  }

  /**
   * The log key signed another root than the entries give that were derived here: said whatever else is wrong with the
   * request, because the note alone shows it.
   */
  private async reportOtherRoot(checkpoint: string, opened: OpenedCheckpoint): Promise<void> {
    const { size, root } = opened;
    if (size === 0 || size > this.follow.size) return;
    const derived = await this.follow.tree.rootAt(size);
    if (equalHash(root, derived)) return;
    const [expected, found] = [derived.toString('base64'), root.toString('base64')];
    const at = { index: size, height: null, expected, found };
    if (size === this.cosignedSize) {
      const detail = `two checkpoints of size ${size} are signed by the log key`;
      this.report({ code: 'log.forked', detail, ...at }, { first: this.remembered!.checkpoint, second: checkpoint });
      return;
    }
    const detail = `the log key signed a root for size ${size} that the stored entries do not give`;
    this.report({ code: 'checkpoint.mismatch', detail, ...at }, { checkpoint });
  }

  private withCosignature({ checkpoint, memory }: Remembered): string {
    return appendSignatures(checkpoint, [this.line(parseNote(checkpoint).text, memory)]);
  }

  private line(text: string, { keys }: LogMemory): string {
    return cosign(text, this.keyOf(keys), Math.floor(this.now() / 1000));
  }
}

function sizeOf(checkpoint: string): number {
  const size = Number(checkpoint.split('\n', 2)[1]);
  return Number.isSafeInteger(size) ? size : 0;
}
