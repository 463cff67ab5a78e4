/**
 * The newest checkpoint of one ledger, as this reader shows it: nothing beyond its size is ever served.
 *
 * A checkpoint is stored a moment before its cosignatures, so the one shown is the largest that has a cosignature, as long as
 * it is among the newest few; only where none of those has one, the newest as it is. Its cosignatures are looked for anew
 * each time. Where a quorum of witnesses is asked for, it is the largest that has it, and nothing before one has. It never goes back: a smaller one than was shown before, found in the database, is a reason to be not ready.
 */
import {
  appendSignatures,
  FormatError,
  meetsQuorum,
  parseCheckpointText,
  parseNote,
  type Hash,
  type TlogPolicy,
} from '@everseal/audit-core';
import {
  cosignedAt,
  findLedger,
  isUnreadable,
  newestCosigned,
  newestCosignedBy,
  type CosignedCheckpoint,
} from '@everseal/ledger-store';
import { RetryLater } from '@everseal/process';
import type { Pool } from 'pg';

/** At most one checkpoint a second is made, and a witness answers within seconds or not at all. */
const NEWEST = 16;
/** Longer than a sealer may pause between two checkpoints that witnesses are asked about. */
const LATE_MS = 3_600_000;

export interface Published {
  readonly size: number;
  readonly root: Hash;
  /** The signed checkpoint with its cosignatures. */
  readonly note: string;
  /** Cosignature lines in it. */
  readonly cosignatures: readonly string[];
}

export class PublishedLog {
  private shown: Published | null = null;
  private id: number | null = null;
  /** Sizes of the log: an hour ago and more, and since. */
  private before = { size: 0, at: -Infinity };
  private after = { size: 0, at: -Infinity };

  constructor(
    private readonly pool: Pool,
    readonly name: string,
    readonly origin: string,
    /** Without its quorum nothing is shown; null where none is asked for. */
    private readonly witnesses: TlogPolicy | null = null,
  ) {}

  /** Null until a first checkpoint was seen. */
  get newest(): Published | null {
    return this.shown;
  }

  /** Its number in the database; null until its sealer has made it. */
  get ledgerId(): number | null {
    return this.id;
  }

  /**
   * Looks for a newer checkpoint.
   * @throws RetryLater log.missing, log.damaged, log.back; StoreError
   */
  async look(): Promise<void> {
    try {
      await this.lookForNewer();
    } catch (cause) {
      if (!isOfRow(cause)) throw cause;
      throw new RetryLater('log.damaged', `a stored checkpoint of ${this.origin} cannot be read: ${cause.message}`, {
        cause,
      });
    }
  }

  private async lookForNewer(): Promise<void> {
    this.id ??= await findLedger(this.pool, this.origin);
    if (this.id === null) {
      throw new RetryLater('log.missing', `the database has no ledger ${this.origin} yet: start its sealer`);
    }
    const rows = await this.newestRows(this.id);
    const found = this.witnesses === null ? unwitnessed(rows, this.origin) : this.witnessed(rows, this.witnesses);
    const largest = rows[0]?.size ?? 0;
    const isBack = this.shown !== null && (found?.size ?? 0) < this.shown.size && largest < this.shown.size;
    if (isBack && (rows.length > 0 || (await this.isGone()))) {
      const message = `the newest checkpoint of ${this.origin} has size ${largest}, ${this.shown!.size} was shown before`;
      throw new RetryLater('log.back', `${message}: the database was set back`);
    }
    if (found !== null && (this.shown === null || found.size >= this.shown.size)) this.shown = found;
  }

  /** Whether what is shown is not there any more; where a quorum is asked for, it need not be among the rows that were read. */
  private async isGone(): Promise<boolean> {
    if (this.witnesses === null) return false;
    return (await cosignedAt(this.pool, this.id!, this.shown!.size)) === null;
  }

  private async newestRows(ledgerId: number): Promise<CosignedCheckpoint[]> {
    if (this.witnesses === null) return newestCosigned(this.pool, ledgerId, NEWEST);
    const signers = this.witnesses.witnesses.map(({ key }) => key.name);
    const least = Math.max(this.shown?.size ?? 0, this.before.size);
    const rows = await newestCosignedBy(this.pool, ledgerId, signers, least, NEWEST);
    await this.noteSize(ledgerId);
    return rows;
  }

  /** A witness that is away for days must not make each look longer: what is old by now is not cosigned any more. */
  private async noteSize(ledgerId: number): Promise<void> {
    const now = performance.now();
    if (now < this.after.at + LATE_MS) return;
    const [newest] = await newestCosigned(this.pool, ledgerId, 1);
    const mark = { size: newest?.size ?? 0, at: now };
    this.before = this.after.at === -Infinity ? mark : this.after;
    this.after = mark;
  }

  private witnessed(rows: readonly CosignedCheckpoint[], witnesses: TlogPolicy): Published | null {
    for (const row of rows) {
      const stored = openStored(row, this.origin);
      if (meetsQuorum(stored.note, witnesses)) return stored;
    }
    return null;
  }
}

function unwitnessed(rows: readonly CosignedCheckpoint[], origin: string): Published | null {
  const row = rows.find(({ cosignatures }) => cosignatures.length > 0) ?? rows[0];
  return row === undefined ? null : openStored(row, origin);
}

/** What whoever may write to the database can put there: a reader that ended for it would end at every start. */
function isOfRow(error: unknown): error is Error {
  return error instanceof FormatError || isUnreadable(error);
}

/** A stored checkpoint with its cosignatures in it. Nothing is verified: that is for whoever reads it. @throws RetryLater log.damaged */
export function openStored({ size, note, cosignatures }: CosignedCheckpoint, origin: string): Published {
  try {
    const text = parseCheckpointText(parseNote(note).text);
    if (text.size !== size || text.origin !== origin) throw new FormatError('checkpoint.size', 'it is another one');
    return { size, root: text.root, note: appendSignatures(note, cosignatures), cosignatures };
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    const message = `the stored checkpoint of size ${size} of ${origin} is damaged: ${cause.message}`;
    throw new RetryLater('log.damaged', message, { cause });
  }
}
