/**
 * The log lines of messages that are put aside. Whoever may write to a lane can send any number of them: of each code the first is a
 * line, and what follows within ten seconds is counted in another, so that nobody fills the disk or drowns the rest.
 */
import type { VerdictCode } from '@everseal/audit-core';
import type { Logger } from '@everseal/process';

const COUNTED_MS = 10_000;

export interface PutAside {
  /** Of the message in the stream; 0 when it was resent. */
  readonly sequence: number;
  readonly code: VerdictCode;
  readonly why: string;
  /** Whether its bytes are in quarantine. */
  readonly kept: boolean;
}

interface Counted {
  readonly since: number;
  leftOut: number;
  notKept: number;
}

export class PutAsideLog {
  private readonly counted = new Map<VerdictCode, Counted>();

  /** @param now steady clock, milliseconds */
  constructor(
    private readonly log: Pick<Logger, 'warn'>,
    private readonly now: () => number,
  ) {}

  write(message: PutAside): void {
    this.flush();
    const counted = this.counted.get(message.code);
    if (counted) {
      counted.leftOut++;
      if (!message.kept) counted.notKept++;
      return;
    }
    this.counted.set(message.code, { since: this.now(), leftOut: 0, notKept: 0 });
    this.log.warn({ ...message }, 'a message of the stream was not sealed');
  }

  /** Tells the counts whose time is over. */
  flush(): void {
    for (const [code, { since }] of this.counted) if (this.now() - since >= COUNTED_MS) this.tell(code);
  }

  /** Tells every count. */
  end(): void {
    for (const code of this.counted.keys()) this.tell(code);
  }

  private tell(code: VerdictCode): void {
    const { leftOut, notKept } = this.counted.get(code)!;
    this.counted.delete(code);
    if (leftOut > 0) this.log.warn({ code, leftOut, notKept }, 'more messages of the stream were not sealed');
  }
}
