/**
 * What sealing says aloud: messages that are not sealed, lanes that wait, a stream that lost messages or is another one.
 *
 * A lane and the stream are scopes that sealing looks at again and again, so their alerts clear by themselves. What stands is
 * what happened once: a message that was put aside, a stream that was replaced.
 */

import type { DebtBook, Finding, VerdictCode } from '@everseal/audit-core';
import type { StoredMessage } from '@everseal/messaging';
import type { AlertBook, AlertContext } from '@everseal/process';
import type { GapInFront } from './gap-in-front.js';
import type { HeldLanes } from './held-lanes.js';
import type { Lanes } from './lanes.js';

/** Bytes of a message that go into its alert. */
const EVIDENCE_BYTES = 4_096;

export class SealAlerts {
  constructor(
    private readonly origin: string,
    private readonly book: AlertBook,
  ) {}

  /** A message that was put aside; its sequence is 0 when it was resent. */
  putAside({ sequence, subject, data }: StoredMessage, code: VerdictCode, why: string): void {
    const evidence = { message: data.subarray(0, EVIDENCE_BYTES).toString('base64'), subject };
    const [scope, what] =
      sequence === 0
        ? [`resend ${subject}`, `a message that was resent for ${subject}`]
        : [`stream ${sequence}`, `message ${sequence} of the stream`];
    this.raise(scope, code, `${what} is not sealed: ${why}`, { evidence, party: subject, stands: true });
  }

  /**
   * One alert a lane that waits, for as long as it does.
   * @param missingTo number of a frame that is known to exist and that the stream has not, 0 when there is none
   */
  lane({ held, lanes }: { held: HeldLanes; lanes: Lanes }, ingester: string, missingTo: number): void {
    const head = lanes.head(ingester)?.number ?? 0;
    const from = held.first(ingester) ?? (missingTo > head ? missingTo + 1 : null);
    const finding = (code: VerdictCode, detail: string): { finding: Finding; context: { ledger: string } }[] => [
      { finding: { code, index: null, height: null, detail }, context: { ledger: this.origin } },
    ];
    const findings =
      from === null
        ? []
        : from > head + 1
          ? finding(
              'custody.gap',
              `frames ${head + 1} to ${from - 1} of ${ingester} are missing; its lane waits for them`,
            )
          : finding('custody.conflict', `no held frame ${from} of ${ingester} continues its lane, which waits for it`);
    this.book.reconcile(`lane ${ingester} of ${this.origin}`, findings);
  }

  /** One alert a gap whose debt is open, until its last frame is sealed. */
  debts(debts: DebtBook, ingester: string): void {
    const findings = debts.ofIngester(ingester).map(({ first, last, left }) => {
      const detail =
        `frames ${first} to ${last} of ${ingester} were declared lost; ${left} of them can still come, and are asked ` +
        'for. Receipts of them are not fulfilled until then';
      const finding: Finding = { code: 'custody.gap', index: null, height: null, detail };
      return { finding, context: { ledger: this.origin, subject: `${ingester} ${first}` } };
    });
    this.book.reconcile(`debts of ${ingester} in ${this.origin}`, findings);
  }

  /** A gap that is closed for good: a record. */
  closed({ first, last, cause, ending }: GapInFront, index: number): void {
    const { ingester } = ending.frame;
    const what = cause === 'malformed' ? 'they break the format' : 'their key was revoked';
    const detail = `frames ${first} to ${last} of ${ingester} can never be sealed (${what}) and were left out of the log`;
    this.book.raise(
      `gap ${index} of ${this.origin}`,
      { code: 'custody.gap', index, height: null, detail },
      { ledger: this.origin, party: ingester },
    );
  }

  /**
   * Looks whether the stream goes on behind a hole: what stood there was never read. Message 1 may be long gone.
   * @param before sequence of the message read before this one; 0 when there is none
   */
  lost(before: number, { sequence }: StoredMessage): void {
    const expected = before + 1;
    if (before === 0 || sequence <= expected) return;
    const detail = `the stream of ${this.origin} goes on at message ${sequence}, ${expected} was to be read next`;
    this.raise(this.lostScope, 'stream.lost', detail, { evidence: { expected: `${expected}`, found: `${sequence}` } });
  }

  /** The stream continues and no lane waits: whatever was lost held no frame, or has come since. */
  nothingLost(): void {
    this.book.reconcile(this.lostScope, []);
  }

  replaced(why: string): void {
    this.raise('stream', 'stream.replaced', `the stream of ${this.origin} is another one: ${why}`, { stands: true });
  }

  private get lostScope(): string {
    return `stream of ${this.origin}`;
  }

  private raise(scope: string, code: VerdictCode, detail: string, more: Omit<AlertContext, 'ledger'>): void {
    this.book.raise(scope, { code, index: null, height: null, detail }, { ledger: this.origin, ...more });
  }
}
