/** What `everseal reindex` found and did: counts of all of it, and the first so many rows by name. */
import type { Finding, VerdictCode } from '@everseal/audit-core';
import type { Differences } from './row-comparison.js';
import { counted } from './terminal.js';

/** Where the index head stands, and where it has to. */
export interface IndexHead {
  readonly before: number;
  readonly after: number;
}

/** What may be done to rows: see reindex-log.ts. */
export type HandName = 'dry' | 'sealer' | 'owner';

/** What became of a row, or of the index head. */
export type RowFate = 'put back' | 'replaced' | 'removed' | 'moved' | 'left';

export interface ReindexFinding extends Finding {
  readonly fate: RowFate;
}

/** Everything else is a count. */
const MOST_NAMED = 100;
/** Of a stored text. */
const MOST_QUOTED = 300;

export class ReindexReport {
  blocks = 0;
  /** Events that were compared. */
  events = 0;
  missing = 0;
  altered = 0;
  extra = 0;
  /** What is still not as it should be: rows, blocks whose rows cannot be read, the index head. */
  left = 0;
  readonly findings: ReindexFinding[] = [];

  /** @param size entries of the log that were checked */
  constructor(
    readonly size: number,
    readonly head: IndexHead,
    private readonly as: HandName,
  ) {
    const { before, after } = head;
    if (before === after) return;
    this.altered += 1;
    const detail = `the index head says ${before}, the index can end at ${after}`;
    this.say('index.altered', before, null, detail, as === 'dry' ? 'left' : 'moved');
  }

  get isGood(): boolean {
    return this.left === 0;
  }

  /** A block of which so many events were compared, with what was found; what can be done about it is being done. */
  add(height: number, events: number, found: Differences): void {
    this.blocks += 1;
    this.events += events;
    const replaced = this.as === 'owner' ? 'replaced' : 'left';
    if (found === null) {
      this.altered += 1;
      this.say('index.altered', null, height, `a row of block ${height} holds what no row can`, replaced);
      return;
    }
    this.missing += found.missing.length;
    this.altered += found.altered.length;
    for (const { position } of found.missing) {
      this.say(
        'index.missing',
        position,
        height,
        `event ${position} has no row`,
        this.as === 'dry' ? 'left' : 'put back',
      );
    }
    for (const { event, difference } of found.altered) {
      const { column, expected, found: value } = difference;
      const detail = `column ${column} of event ${event.position} is not what the event says`;
      this.say('index.altered', event.position, height, detail, replaced, {
        expected,
        found: value.slice(0, MOST_QUOTED),
      });
    }
    for (const [position, many] of found.extra) {
      const detail = `${counted(many, 'row')} too many at ${position}`;
      this.extra += many;
      this.say('index.extra', position, height, detail, this.as === 'owner' ? 'removed' : 'left');
    }
  }

  /** Rows behind the end of the index. */
  behind(first: number, many: number): void {
    this.extra += many;
    const detail = `${counted(many, 'row')} behind the end of the index, from ${first} on`;
    this.say('index.extra', first, null, detail, this.as === 'owner' ? 'removed' : 'left');
  }

  /** What was written, for whoever ends early. */
  done(): string {
    const found = this.missing + this.altered + this.extra;
    if (this.as === 'dry' || found === 0) return 'nothing was written';
    return `what was found before it was dealt with: ${this.told()}`;
  }

  /** The counts, in words. */
  told(): string {
    return `${counted(this.missing, 'row')} missing, ${this.altered} altered, ${this.extra} too many`;
  }

  private say(
    code: VerdictCode,
    index: number | null,
    height: number | null,
    detail: string,
    fate: RowFate,
    values: Pick<Finding, 'expected' | 'found'> = {},
  ): void {
    if (fate === 'left') this.left += 1;
    if (this.findings.length < MOST_NAMED) this.findings.push({ code, index, height, detail, fate, ...values });
  }
}
