/**
 * A whole installation as an outsider sees it: its ledgers, its services, its alerts. Who there must be follows from public
 * keys alone: verifiers from each ledger's key set, sealers and ingesters from the keys that may sign alerts.
 *
 * A heartbeat of a sealer or an ingester proves nothing by its bytes; it is a sign of life because the broker lets nobody
 * else publish there.
 */
import { FormatError, formatTimestamp, heartbeatOrigin, type VerifierKey } from '@everseal/audit-core';
import { AlertHistory, type ReadAlert, type VerifiedAlert } from './alert-history.js';
import type { LedgerTrust } from './ledger-trust.js';
import { conditionOf, WATCH_CODES, type Condition } from './watch-condition.js';
import { MISSED_PERIODS, WatchedLedger, type Heard, type LedgerMemory, type WatchBounds } from './watched-ledger.js';

/** What is kept from run to run. */
export interface InstallationMemory {
  /** By origin. */
  readonly ledgers: Readonly<Record<string, LedgerMemory>>;
  /** Newest alert number, by source. */
  readonly alerts: Readonly<Record<string, number>>;
}

/** A service whose heartbeats are signs of life only. */
interface Part {
  readonly service: string;
  readonly name: string;
  heardAt: number | null;
}

/** How long the stored alerts may be unreadable, milliseconds. */
const UNREAD_MS = 120_000;

export class WatchedInstallation {
  readonly ledgers: readonly WatchedLedger[];
  readonly parts: readonly Part[];
  readonly history: AlertHistory;
  private alertsReadAt: number | null = null;
  private hasFirstAlert = false;

  constructor(
    trusts: readonly LedgerTrust[],
    alertKeys: readonly VerifierKey[],
    private readonly bounds: WatchBounds,
    private since: number,
    private readonly earlier: InstallationMemory | null = null,
  ) {
    this.ledgers = trusts.map(
      (trust) => new WatchedLedger(trust, bounds, since, earlier?.ledgers[trust.origin] ?? null),
    );
    this.parts = alertKeys.flatMap(({ name: key }): Part[] => {
      const [, service = '', name = ''] = key.split('/');
      return service === 'sealer' || service === 'ingest' ? [{ service, name, heardAt: null }] : [];
    });
    this.history = new AlertHistory(alertKeys);
  }

  get memory(): InstallationMemory {
    const before = this.earlier?.alerts ?? {};
    const newest = this.history.newestNumbers();
    for (const [source, number] of Object.entries(before))
      newest.set(source, Math.max(number, newest.get(source) ?? 0));
    return {
      ledgers: Object.fromEntries(this.ledgers.map((ledger) => [ledger.trust.origin, ledger.memory])),
      alerts: Object.fromEntries(newest),
    };
  }

  /** Everybody was heard and every alert read: one look is whole. */
  get isWhole(): boolean {
    const verifiers = this.ledgers.every((ledger) => ledger.expected.every((name) => ledger.seenOf(name) !== null));
    return verifiers && this.parts.every(({ heardAt }) => heardAt !== null) && this.alertsReadAt !== null;
  }

  forgive(now: number): void {
    this.since = now;
    for (const ledger of this.ledgers) ledger.forgive(now);
  }

  /** @param ledger origin; '' where a heartbeat is about none, or says none that is watched */
  heartbeat(service: string, name: string, bytes: Uint8Array, now: number): Heard & { ledger: string } {
    if (service !== 'verifier') return { ...this.sign(service, name, now), ledger: '' };
    let origin: string;
    try {
      origin = heartbeatOrigin(bytes);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return { counts: false, reason: `${error.code}: ${error.message}`, ledger: '' };
    }
    const ledger = this.ledgers.find(({ trust }) => trust.origin === origin);
    if (!ledger) return { counts: false, reason: `it is about ${origin}, which is not watched`, ledger: '' };
    return { ...ledger.heartbeat(name, bytes, now), ledger: origin };
  }

  /** A message among the alerts; null when it is known. @param stored when the broker stored it; '' for a live one */
  alert(subject: string, data: Buffer, stored: string): ReadAlert | null {
    return this.history.take(subject, data, stored);
  }

  /** The stream was read to its end. @param hasFirst it still has its first message */
  alertsRead(hasFirst: boolean, now: number): void {
    this.alertsReadAt = now;
    this.hasFirstAlert = hasFirst;
  }

  conditions(now: number): Condition[] {
    return [
      ...this.history.standing.map(raisedBy),
      ...this.ledgers.flatMap((ledger) => ledger.conditions(now)),
      ...this.parts.flatMap((part) => this.silence(part, now)),
      ...this.missingAlerts(),
      ...this.unverified(),
      ...this.unread(now),
    ];
  }

  /**
   * False for what this run cannot say yet, neither that it is so nor that it is over: about the alerts before they have been
   * read, about a silent service before it is heard.
   */
  isJudged({ code, key, ledger, part }: Condition): boolean {
    if (code === 'heartbeat.missing' && !key.startsWith(RAISED)) return this.isHeard(ledger, part);
    const isOfAlerts = key.startsWith(RAISED) || Object.hasOwn(WATCH_CODES, code);
    return !isOfAlerts || this.alertsReadAt !== null;
  }

  /** Heard since silence counts, or nobody to be heard any more. */
  private isHeard(ledger: string, part: string): boolean {
    const one = this.parts.find(({ service, name }) => `${service}/${name}` === part);
    if (one) return (one.heardAt ?? 0) >= this.since;
    const of = this.ledgers.find(({ trust }) => trust.origin === ledger);
    const verifier = part.slice('verifier/'.length);
    if (!of?.expected.includes(verifier)) return true;
    return (of.seenOf(verifier)?.heardAt ?? 0) >= this.since;
  }

  private sign(service: string, name: string, now: number): Heard {
    const part = this.parts.find((one) => one.service === service && one.name === name);
    if (!part) return { counts: false, reason: 'no alert key names such a service' };
    part.heardAt = now;
    return { counts: true, size: 0, seconds: null };
  }

  private silence({ service, name, heardAt }: Part, now: number): Condition[] {
    if (now - Math.max(heardAt ?? 0, this.since) <= MISSED_PERIODS * this.bounds.periodMs) return [];
    const since = heardAt === null ? '' : ` since ${formatTimestamp(heardAt)}`;
    const detail = `${service} ${name}: no heartbeat${since}`;
    return [conditionOf(`${service} ${name}`, 'heartbeat.missing', { part: `${service}/${name}` }, detail)];
  }

  private missingAlerts(): Condition[] {
    if (this.alertsReadAt === null) return [];
    const known = this.earlier?.alerts ?? {};
    const newest = this.history.newestNumbers();
    // Without its first message the stream may have dropped them for their age.
    const cut = Object.entries(this.hasFirstAlert ? known : {}).flatMap(([source, number]) => {
      const last = newest.get(source) ?? 0;
      return last < number ? [{ source, first: last + 1, last: number }] : [];
    });
    return [...this.history.gaps(this.hasFirstAlert, known), ...cut].map(({ source, first, last }) => {
      const part = source.split('/').slice(1).join('/');
      const what = first === last ? `alert ${first}` : `alerts ${first} to ${last}`;
      return conditionOf(`${source} ${first}`, 'alert.missing', { part }, `${what} of ${source} cannot be found`);
    });
  }

  private unverified(): Condition[] {
    const { unverified } = this.history;
    if (unverified === 0) return [];
    const detail = `${unverified} messages among the alerts are signed by no known key, or contradict one that is (everseal alerts)`;
    return [conditionOf('', 'alert.unverified', {}, detail)];
  }

  private unread(now: number): Condition[] {
    const last = Math.max(this.alertsReadAt ?? 0, this.since);
    if (now - last <= Math.max(UNREAD_MS, MISSED_PERIODS * this.bounds.periodMs)) return [];
    return [conditionOf('', 'alert.unread', {}, `the stored alerts were not read since ${formatTimestamp(last)}`)];
  }
}

const RAISED = 'raised ';

/** An alert of a service, which is open. */
function raisedBy({ source, number, body }: VerifiedAlert): Condition {
  const { code, severity, meaning, ledger, detail, runbook } = body;
  const part = source.split('/').slice(1).join('/');
  return { key: `${RAISED}${source} ${number}`, code, severity, meaning, ledger, part, detail, evidence: {}, runbook };
}
