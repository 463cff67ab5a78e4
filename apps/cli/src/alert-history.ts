/**
 * The alerts of an installation as a reader puts them together: from the stream ALERTS, oldest first, then live ones.
 *
 * - **Verified**: each carries a note that signs its exact bytes; one that no key of alerts.vkeys signed is shown and
 *   counts for nothing, and neither opens nor clears anything.
 * - **Once**: a crash may send an alert twice; source and number say that it is the same. The same number over other bytes
 *   is reported, for only one of them can be true.
 * - **Paired**: a raised alert is open until one of the same source clears its number.
 * - **Dense**: numbers of a source have no gaps. A number that is missing between two others is an alert that somebody
 *   dropped; one missing at the beginning only where the stream still has its first message.
 */
import { FormatError, openAlert, type VerifierKey } from '@everseal/audit-core';

/** What an alert says, as far as it is read here. Its JSON may say more. */
export interface AlertBody {
  code: string;
  state: string;
  severity: string;
  meaning: string;
  detail: string;
  ledger: string;
  first: { index: number | null; height: number | null; eventId: string | null } | null;
  lastGoodBlock: number | null;
  clears: number | null;
  since: string;
  runbook: string;
  /** Only an acknowledgement clears it. */
  stands: boolean;
}

export interface VerifiedAlert {
  readonly verified: true;
  readonly source: string;
  readonly number: number;
  readonly time: string;
  readonly body: AlertBody;
  /** The exact bytes that were signed. */
  readonly json: Buffer;
  /** What else is odd about it; '' when nothing is. */
  readonly oddity: string;
}

export interface UnverifiedAlert {
  readonly verified: false;
  readonly subject: string;
  /** When the broker stored it; '' for a live one. */
  readonly time: string;
  readonly reason: string;
}

export type ReadAlert = VerifiedAlert | UnverifiedAlert;

/** Numbers of one source that nobody has seen. */
export interface NumberGap {
  source: string;
  first: number;
  last: number;
}

export class AlertHistory {
  private readonly bySource = new Map<string, Map<number, VerifiedAlert>>();
  private readonly openAlerts = new Map<string, VerifiedAlert>();
  private readonly clearedEarly = new Set<string>();
  private unverifiedCount = 0;

  /** @param keys of all who may raise alerts */
  constructor(private readonly keys: readonly VerifierKey[]) {}

  /**
   * Takes a message; null when the alert is known already.
   * @param subject where it was published; a live one has the service's name in front of the code
   */
  take(subject: string, data: Buffer, stored: string): ReadAlert | null {
    const alert = this.open(subject, data, stored);
    if (!alert.verified) {
      this.unverifiedCount += 1;
      return alert;
    }
    const known = this.numbersOf(alert.source).get(alert.number);
    if (known === undefined) {
      this.numbersOf(alert.source).set(alert.number, alert);
      this.pair(alert);
      return alert;
    }
    if (known.json.equals(alert.json)) return null;
    this.unverifiedCount += 1;
    const reason = `${alert.source} signed number ${alert.number} twice, over different alerts: its key is in other hands, or its memory went back`;
    return { verified: false, subject, time: stored, reason };
  }

  get standing(): VerifiedAlert[] {
    return [...this.openAlerts.values()].sort((a, b) => (a.time < b.time ? -1 : 1));
  }

  isOpen({ source, number }: VerifiedAlert): boolean {
    return this.openAlerts.has(placeOf(source, number));
  }

  /** Messages that no known key signed, or that contradict one that a known key signed. */
  get unverified(): number {
    return this.unverifiedCount;
  }

  /** The newest number that was seen, by source. */
  newestNumbers(): Map<string, number> {
    return new Map([...this.bySource].map(([source, numbers]) => [source, largest(numbers.keys())]));
  }

  /**
   * @param fromFirst true when the stream still has its first message, so that every source must begin with 1
   * @param known newest number of a source that an earlier reader saw
   */
  gaps(fromFirst: boolean, known: Readonly<Record<string, number>> = {}): NumberGap[] {
    return [...this.bySource].flatMap(([source, numbers]) => {
      const gaps: NumberGap[] = [];
      const seen = [...numbers.keys()].sort((a, b) => a - b);
      let next = fromFirst ? 1 : Math.min(seen[0] ?? 1, (known[source] ?? Infinity) + 1);
      for (const number of seen) {
        if (number > next) gaps.push({ source, first: next, last: number - 1 });
        next = number + 1;
      }
      return gaps;
    });
  }

  private open(subject: string, data: Buffer, stored: string): ReadAlert {
    try {
      const { source, number, time, json } = openAlert(data, this.keys);
      const body = bodyOf(json);
      return {
        verified: true,
        source,
        number,
        time,
        body,
        json: Buffer.from(json),
        oddity: oddityOf(subject, source, body),
      };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return { verified: false, subject, time: stored, reason: `${error.code}: ${error.message}` };
    }
  }

  private numbersOf(source: string): Map<number, VerifiedAlert> {
    const numbers = this.bySource.get(source) ?? new Map<number, VerifiedAlert>();
    this.bySource.set(source, numbers);
    return numbers;
  }

  private pair(alert: VerifiedAlert): void {
    const { source, number, body } = alert;
    if (body.state === 'raised' && !this.clearedEarly.has(placeOf(source, number))) {
      this.openAlerts.set(placeOf(source, number), alert);
    }
    if (body.state === 'cleared' && body.clears !== null) {
      // Live ones may overtake those that are read from the stream.
      if (!this.openAlerts.delete(placeOf(source, body.clears))) this.clearedEarly.add(placeOf(source, body.clears));
    }
  }
}

/** Of years of alerts, which are more than a call may have arguments. */
function largest(numbers: Iterable<number>): number {
  let most = 0;
  for (const number of numbers) most = Math.max(most, number);
  return most;
}

/** Where an alert was published must agree with what it says: the broker vouches for the service, not for the text. */
function oddityOf(subject: string, source: string, { code }: AlertBody): string {
  const tokens = subject.split('.').slice(2);
  const service = source.split('/')[1];
  if (tokens.length === 3 && tokens[0] !== service) return `it says it is from ${service}, and came from ${tokens[0]}`;
  const said = tokens.slice(-2).join('.');
  return said === code ? '' : `it was published as ${said} and says ${code}`;
}

/** By value; what is missing or of another kind is left empty: the signature is what counts, and the raw bytes are kept. */
function bodyOf(json: Buffer): AlertBody {
  const read = JSON.parse(json.toString('utf8')) as Record<string, unknown>;
  const text = (name: string): string => (typeof read[name] === 'string' ? read[name] : '');
  const number = (value: unknown): number | null => (typeof value === 'number' ? value : null);
  const first = typeof read['first'] === 'object' ? (read['first'] as Record<string, unknown> | null) : null;
  return {
    code: text('code'),
    state: text('state'),
    severity: text('severity'),
    meaning: text('meaning'),
    detail: text('detail'),
    ledger: text('ledger'),
    first: first && {
      index: number(first['index']),
      height: number(first['height']),
      eventId: typeof first['eventId'] === 'string' ? first['eventId'] : null,
    },
    lastGoodBlock: number(read['lastGoodBlock']),
    clears: number(read['clears']),
    since: text('since'),
    runbook: text('runbook'),
    stands: read['stands'] === true,
  };
}

function placeOf(source: string, number: number): string {
  return `${source} ${number}`;
}
