/**
 * The part of the stored sweep that reads anchors: every time stamp is verified again, every copy compared, against the checkpoint of
 * its size. Rows are only ever added, at the end, so one that stood before and is gone was taken away (checkpoint-census.ts).
 *
 * Rows of an anchor that this verifier was not told of are nobody's to judge here.
 */
import { FormatError, logKeyAt, openCheckpoint, type Finding, type KeysOfLog } from '@everseal/audit-core';
import { anchorsAfter, strayAnchor, type AnchoredRow } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { everyRow } from './every-row.js';
import { CheckpointCensus } from './checkpoint-census.js';
import type { KnownAnchor } from './known-anchors.js';
import type { Pace } from './pace.js';

const ANCHORS_A_READ = 200;
/** What checking an anchor costs, in entries of a body sweep: up to five signatures. */
const ANCHOR_COST = 3_000;
const MOST_FINDINGS = 100;

interface Swept {
  readonly anchor: KnownAnchor;
  readonly census: CheckpointCensus;
}

export class SweepAnchors {
  private readonly swept: readonly Swept[];

  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly origin: string,
    private readonly keys: () => KeysOfLog,
    anchors: readonly KnownAnchor[],
    private readonly pace: Pace,
  ) {
    this.swept = anchors.map((anchor) => {
      const what = { code: 'anchor.missing', what: `anchors at ${anchor.target} (${anchor.kind})` } as const;
      return { anchor, census: new CheckpointCensus({ rows: what, lines: what }) };
    });
  }

  /** One pass over all of them. @returns at most a hundred findings */
  async pass(signal: AbortSignal): Promise<Finding[]> {
    const findings: Finding[] = [];
    for (const swept of this.swept) {
      if (signal.aborted || findings.length >= MOST_FINDINGS) break;
      findings.push(...(await this.sweep(swept, signal)));
    }
    return findings.slice(0, MOST_FINDINGS);
  }

  private async sweep({ anchor, census }: Swept, signal: AbortSignal): Promise<Finding[]> {
    const findings: Finding[] = [];
    const pass = census.begin();
    let newest: number | null = null;
    for await (const row of this.rows(anchor, findings)) {
      if (row === null || signal.aborted || findings.length >= MOST_FINDINGS) return findings;
      const wrong = row.size === newest ? twice(anchor, row.size) : this.wrongAnchor(anchor, row);
      if (wrong) findings.push(wrong);
      newest = row.size;
      pass.take(row.size, 0);
      await this.pace.spent(ANCHOR_COST, signal);
    }
    if (signal.aborted) return findings;
    const stray = await this.stray(anchor);
    if (stray && !findings.some(({ index }) => index === stray.index)) findings.push(stray);
    return [...findings, ...pass.end(findings.length === 0)];
  }

  /** Every row by size; null, and a finding, for one that cannot be read. */
  private rows(anchor: KnownAnchor, findings: Finding[]): AsyncGenerator<AnchoredRow | null> {
    return everyRow(
      ANCHORS_A_READ,
      (after, most) => anchorsAfter(this.pool, this.ledgerId, anchor, after, most),
      ({ size }) => size,
      (behind, what) => findings.push(mismatch(anchor, null, `the anchor row ${behind}: ${what}`)),
    );
  }

  /** What is wrong with a stored anchor; null when it is good, and where its checkpoint is not one that the log signed: that is another finding. */
  private wrongAnchor(anchor: KnownAnchor, { size, evidence, note }: AnchoredRow): Finding | null {
    if (note === null) return mismatch(anchor, size, 'there is no checkpoint of this size');
    if (!this.isSigned(size, note)) return null;
    if (!Buffer.isBuffer(evidence)) return mismatch(anchor, size, 'it holds nothing');
    try {
      anchor.check(evidence, Buffer.from(note));
      return null;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return mismatch(anchor, size, `${error.message} (${error.code})`);
    }
  }

  private isSigned(size: number, note: string): boolean {
    const logKey = logKeyAt(this.keys(), size);
    if (!logKey) return false; // not derived yet: the next pass
    try {
      return openCheckpoint(note, [logKey], this.origin).size === size;
    } catch (error) {
      if (error instanceof FormatError) return false;
      throw error;
    }
  }

  /** Rows that reading by size may pass by: of no size, or a second one behind the last that was read. */
  private async stray(anchor: KnownAnchor): Promise<Finding | null> {
    const stray = await strayAnchor(this.pool, this.ledgerId, anchor);
    if (!stray) return null;
    if (stray.size !== null) return twice(anchor, stray.size);
    return mismatch(anchor, null, 'an anchor row of no size stands');
  }
}

function twice(anchor: KnownAnchor, size: number): Finding {
  return mismatch(anchor, size, 'it stands more than once');
}

function mismatch({ kind, target }: KnownAnchor, size: number | null, why: string): Finding {
  const which = size === null ? '' : ` of size ${size}`;
  return {
    code: 'anchor.mismatch',
    index: size,
    height: null,
    detail: `the anchor${which} at ${target} (${kind}): ${why}`,
  };
}
