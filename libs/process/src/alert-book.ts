/**
 * The alerts of one service: raised once, cleared once, numbered without gaps, kept on disk until the broker has them.
 *
 * - **Latched**: a finding is identified by scope, code, ledger, place and subject. While it stands it is one alert; when a later
 *   look at the same scope no longer finds it, one clearing alert follows and names the number that it clears.
 * - **Durable**: number, open alerts and unsent messages are one file, replaced atomically and fsynced before anything is
 *   published. After a crash the outbox is sent again; the number inside tells a reader that it is the same alert.
 * - **Signed**: each message carries a note over the hash of the alert's exact bytes (formats.md `everseal/alert/v1`).
 * - **Sealed**: what the broker has is handed on to the system ledger, where there is one, before the book lets it go.
 * - **Acknowledged**: an alert that no later look may clear (`stands`) is cleared by a person's word (acknowledgement-folder.ts).
 * - **Bounded**: what it says fits into a message, whoever made up the texts (alert-text.ts). A flood of single findings (somebody
 *   fills the stream with forged frames) is a hundred alerts, not a million; the last of them says so. They are counted for each
 *   party that could flood, so that none hides behind another's.
 *
 * The book in memory is replaced only after the one on disk: what cannot be written was not raised.
 */

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { types } from 'node:util';
import {
  formatTimestamp,
  signAlert,
  VERDICTS,
  type Acknowledgement,
  type Finding,
  type SigningKey,
} from '@everseal/audit-core';
import { replaceFile } from '@everseal/tls';
import { takeAcknowledgements } from './acknowledgement-folder.js';
import { cutEvidence, cutText } from './alert-text.js';
import { fateOf, StopProcess } from './failure.js';

/** Findings of one code, ledger and party (of one scope, where looks are compared) that stand at the same time. */
const MOST_STANDING = 100;
/** Of one code and ledger (and scope) altogether: ten parties may flood before another one is not heard. */
const MOST_OF_ALL = 1_000;
/** Messages that are sent before the file says so: one write for all of them. */
const SENT_A_WRITE = 100;
const LAST_OF_MANY = ' (more of these are not raised while so many of them stand)';

/** What else an alert says, beside the finding. */
export interface AlertContext {
  /** Origin of the ledger that it is about. */
  readonly ledger: string;
  /** Height of the newest block before the first bad record that was found good. */
  readonly lastGoodBlock?: number | null;
  readonly eventId?: string | null;
  /**
   * What the finding is about where index and height do not say it (a setting, a set of differences). Findings of one code
   * and place but of different subjects are different alerts. It is not part of the alert.
   */
  readonly subject?: string;
  /**
   * Whose doing it is, where it is somebody's who could flood (an ingester's lane, a producer): the hundred that stand at a time are
   * counted for each, so that nobody hides behind another's. It is not part of the alert.
   */
  readonly party?: string;
  /** A record of something that happened: no later look clears it, or none may come that does. It can be acknowledged. */
  readonly stands?: true;
  /** Bytes or hashes that show the finding to a third party. */
  readonly evidence?: Readonly<Record<string, string>>;
}

export interface OpenAlert {
  readonly number: number;
  readonly scope: string;
  readonly key: string;
  readonly code: string;
  readonly ledger: string;
  readonly since: string;
  readonly party?: string;
  /** Can be acknowledged. */
  readonly stands?: true;
}

interface Unsent {
  readonly number: number;
  readonly code: string;
  readonly message: string;
}

interface Raised {
  readonly finding: Finding;
  readonly context: AlertContext;
  /** No more of these are raised while it stands. */
  readonly isLast: boolean;
}

interface Book {
  next: number;
  readonly open: OpenAlert[];
  readonly outbox: Unsent[];
}

/** Hands one alert to the broker; true once the stream has confirmed it. Never throws for an unreachable broker. */
export type SendAlert = (code: string, message: Buffer) => Promise<boolean>;

/**
 * Takes an alert message for the system ledger, durably and at once; asked again for the same one it does nothing.
 * @returns false when it cannot now, and is to be asked again
 */
export type SealAlert = (message: Buffer) => boolean;

export class AlertBook {
  private book: Book;
  private sending: Promise<void> | null = null;

  /**
   * @param file where the book is kept; its folder must exist
   * @param source `<domain>/<service>/<name>`, the name in front of the alert key's `/alerts`
   * @param seal where each alert goes that the broker has; without, they are in no ledger
   * @param onFault a failure while alerts are sent in the background that must end the process, such as of the disk
   */
  constructor(
    private readonly file: string,
    private readonly source: string,
    private readonly key: SigningKey,
    private readonly now: () => number,
    private readonly send: SendAlert,
    private readonly seal: SealAlert = () => true,
    private readonly onFault: (error: Error) => void = (error) => {
      throw error;
    },
  ) {
    this.book = readBook(file);
  }

  get open(): readonly OpenAlert[] {
    return this.book.open;
  }

  /**
   * What a look at `scope` found. New findings are raised (a hundred of a code and party, the last of which says so), standing ones
   * stay silent, and open alerts of the scope that are not among the findings are cleared.
   *
   * @param complete false when the look did not come to its end: then what it does not name is not cleared
   */
  reconcile(
    scope: string,
    findings: readonly { finding: Finding; context: AlertContext }[],
    complete: boolean = true,
  ): void {
    const found = new Map(findings.map((f) => [alertKey(f.finding, f.context), f]));
    const cleared = this.book.open.filter((alert) => complete && alert.scope === scope && !found.has(alert.key));
    const standing = new Set(this.book.open.filter((alert) => alert.scope === scope).map((alert) => alert.key));
    const raised = [...found].filter(([key]) => !standing.has(key));
    if (cleared.length === 0 && raised.length === 0) return;
    const book = this.copy();
    for (const alert of cleared) {
      const isReplaced = raised.some(([, { finding, context }]) =>
        alert.key.startsWith(`${placeOf(finding, context)} `),
      );
      const what = isReplaced ? 'found something else in its place' : 'found it good';
      this.writeCleared(book, alert, `a later look at ${alert.scope} ${what}`);
    }
    for (const [key, { finding, context }] of raised) {
      const room = roomFor(
        book.open.filter((alert) => alert.scope === scope),
        finding,
        context,
      );
      if (room > 0) this.writeRaised(book, scope, key, { finding, context, isLast: room === 1 });
    }
    if (book.next === this.book.next) return;
    this.save(book);
    this.flushSoon();
  }

  /** Raises one finding beside those that stand; it is cleared by a later `reconcile` of the scope. */
  raise(scope: string, finding: Finding, context: AlertContext): void {
    const key = alertKey(finding, context);
    if (this.book.open.some((alert) => alert.scope === scope && alert.key === key)) return;
    const room = roomFor(this.book.open, finding, context);
    if (room <= 0) return;
    const book = this.copy();
    this.writeRaised(book, scope, key, { finding, context, isLast: room === 1 });
    this.save(book);
    this.flushSoon();
  }

  /**
   * Clears an alert on a person's word: one that stands, under its own source, number and code. Everything else it leaves as
   * it is; what a later look clears is not a person's to clear.
   * @returns whether it was cleared
   */
  acknowledge({ source, number, code, time, by, reason }: Acknowledgement): boolean {
    const alert = this.book.open.find((open) => open.number === number && open.code === code);
    if (source !== this.source || alert?.stands !== true) return false;
    const book = this.copy();
    this.writeCleared(book, alert, `acknowledged by ${by}: ${reason}`, { by, time, reason });
    this.save(book);
    return true;
  }

  /** As `flush`, for whoever does not wait for it. Call it at start, after a reconnect, and every few seconds. */
  flushSoon(): void {
    this.flush().catch((error: unknown) => {
      // What may pass is tried again by the next call.
      if (fateOf(error) !== 'retry') this.onFault(types.isNativeError(error) ? error : new Error(String(error)));
    });
  }

  /** Takes acknowledgements, and sends what the broker does not have yet, in order. */
  async flush(): Promise<void> {
    this.takeAcknowledged();
    this.sending ??= this.sendOutbox().finally(() => {
      this.sending = null;
    });
    return this.sending;
  }

  /** When the disk is full they wait where they are. */
  private takeAcknowledged(): void {
    try {
      takeAcknowledgements(path.dirname(this.file), (said) => this.acknowledge(said));
    } catch (error) {
      if (fateOf(error) !== 'retry') throw error;
    }
  }

  private async sendOutbox(): Promise<void> {
    for (;;) {
      const batch = this.book.outbox.slice(0, SENT_A_WRITE);
      let [sent, done] = [0, 0];
      for (const { code, message } of batch) {
        const bytes = Buffer.from(message);
        if (!(await this.send(code, bytes))) break;
        // An alert leaves the book only when it is in the outbox of the system ledger. One that waits for that holds up
        // no other on its way to the broker.
        if (done === sent && this.seal(bytes)) done++;
        sent++;
      }
      // Crash here: these are sent once more after the restart, with the same numbers and the same bytes.
      if (done === 0 || !this.tookOut(done) || done < batch.length) return;
    }
  }

  /** Takes the first messages out of the outbox; false when the disk is full: then they are sent again later. */
  private tookOut(count: number): boolean {
    const book = this.copy();
    book.outbox.splice(0, count);
    try {
      this.save(book);
      return true;
    } catch (error) {
      if (fateOf(error) === 'retry') return false;
      throw error;
    }
  }

  private writeRaised(book: Book, scope: string, key: string, { finding, context, isLast }: Raised): void {
    const since = formatTimestamp(this.now());
    const { severity, meaning } = VERDICTS[finding.code];
    const number = this.write(book, finding.code, {
      code: finding.code,
      state: 'raised',
      severity,
      meaning,
      detail: cutText(finding.detail) + (isLast ? LAST_OF_MANY : ''),
      ledger: context.ledger,
      first: { index: finding.index, height: finding.height, eventId: cutOrNull(context.eventId) },
      lastGoodBlock: context.lastGoodBlock ?? null,
      expected: cutOrNull(finding.expected),
      found: cutOrNull(finding.found),
      evidence: cutEvidence(context.evidence ?? {}),
      since,
      runbook: runbookOf(finding.code),
      ...(context.stands ? { stands: true } : {}),
    });
    const { ledger, party, stands } = context;
    const more = { ...(party === undefined ? {} : { party }), ...(stands ? { stands } : {}) };
    book.open.push({ number, scope, key, code: finding.code, ledger, since, ...more });
  }

  private writeCleared(book: Book, alert: OpenAlert, clearedBy: string, acknowledged?: Record<string, string>): void {
    book.open.splice(book.open.indexOf(alert), 1);
    this.write(book, alert.code, {
      code: alert.code,
      state: 'cleared',
      ledger: alert.ledger,
      clears: alert.number,
      since: alert.since,
      clearedBy,
      ...(acknowledged ? { acknowledged } : {}),
      runbook: runbookOf(alert.code),
    });
  }

  private write(book: Book, code: string, body: Record<string, unknown>): number {
    const number = book.next++;
    const time = formatTimestamp(this.now());
    const alert = Buffer.from(JSON.stringify({ source: this.source, number, time, ...body }));
    const message = signAlert(alert, this.source, number, time, this.key);
    book.outbox.push({ number, code, message: message.toString() });
    return number;
  }

  private copy(): Book {
    const { next, open, outbox } = this.book;
    return { next, open: [...open], outbox: [...outbox] };
  }

  private save(book: Book): void {
    replaceFile(this.file, JSON.stringify(book));
    this.book = book;
  }
}

/**
 * The open alerts of another process's book, read and left alone; null when there is no book.
 * @param file as its service keeps it
 * @throws StopProcess alerts.book when it is damaged
 */
export function openAlertsIn(file: string): readonly OpenAlert[] | null {
  return existsSync(file) ? readBook(file).open : null;
}

/** How many more findings like this may stand beside those that do. */
function roomFor(open: readonly OpenAlert[], { code }: Finding, { ledger, party }: AlertContext): number {
  const alike = open.filter((alert) => alert.code === code && alert.ledger === ledger);
  const ofParty = alike.filter((alert) => alert.party === party);
  return Math.min(MOST_STANDING - ofParty.length, MOST_OF_ALL - alike.length);
}

function cutOrNull(text: string | null | undefined): string | null {
  return text === null || text === undefined ? null : cutText(text);
}

function runbookOf(code: string): string {
  return `docs/operations/runbook.md#${code.replaceAll('.', '')}`;
}

/** Identity of a finding: its detail may change from look to look; its code, its place and its subject do not. */
function alertKey(finding: Finding, context: AlertContext): string {
  const place = placeOf(finding, context);
  return context.subject === undefined ? place : `${place} ${context.subject}`;
}

function placeOf({ code, height, index }: Finding, { ledger }: AlertContext): string {
  return [code, ledger, height ?? '', index ?? ''].join(' ');
}

function readBook(file: string): Book {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { next: 1, open: [], outbox: [] };
    throw error;
  }
  try {
    const { next, open, outbox } = JSON.parse(text) as Book;
    if (Number.isSafeInteger(next) && Array.isArray(open) && Array.isArray(outbox)) return { next, open, outbox };
  } catch (cause) {
    throw damaged(file, cause);
  }
  throw damaged(file);
}

/** Alert numbers would begin again, and a reader would take that for a forgery. */
function damaged(file: string, cause?: unknown): StopProcess {
  return new StopProcess(
    'alerts.book',
    `the alert book ${file} cannot be read: find out who changed it, and put it back. Without it alert numbers are not ` +
      'dense any more; give this service a new alert key if it is lost',
    { cause },
  );
}
