/**
 * One ledger as an outsider sees it: the heartbeats of its verifiers and the announcements, and what follows from them.
 * Pure: messages and the time come in, conditions come out.
 *
 * - A heartbeat counts when the log key and that verifier's own key signed it, its cosignature's time is within the bound of
 *   this machine's clock and later than that of any before: one sent again, or signed by another, is no sign of life.
 * - One root a size over everything seen, fresh or not: whatever carries the log key's signature can show a fork.
 * - The log grows when a cosigned checkpoint is larger than any before.
 */
import {
  announcementTrust,
  followKeySets,
  FormatError,
  formatTimestamp,
  openCheckpoint,
  openVerifierHeartbeat,
  parseAnnouncement,
  parseCheckpointText,
  parseNote,
  SeenCheckpoints,
  verifierKeyName,
  verifyAnnouncement,
  parseOrigin,
  type Coverage,
  type KeySetEntry,
  type Shown,
  type VerifierKey,
} from '@everseal/audit-core';
import type { LedgerTrust } from './ledger-trust.js';
import { conditionOf, type Condition } from './watch-condition.js';

/** Silence of this many heartbeat periods is one too many. */
export const MISSED_PERIODS = 3;

/** Milliseconds. */
export interface WatchBounds {
  /** How often services beat. */
  readonly periodMs: number;
  /** How long a log may stand still. An idle one gets a block every 10 minutes. */
  readonly frozenMs: number;
  /** How far a cosignature's time may be from this machine's clock. */
  readonly skewMs: number;
}

/** What became of a message. */
export type Heard =
  | { readonly counts: true; readonly size: number; readonly seconds: number | null }
  | { readonly counts: false; readonly reason: string };

/** The newest heartbeat of a verifier that counted. Times are milliseconds since 1970 by this machine's clock. */
export interface VerifierSeen {
  readonly heardAt: number;
  /** Time of the cosignature, seconds. */
  readonly seconds: number;
  readonly size: number;
  readonly coverage: Coverage | null;
}

/** What is kept from run to run. */
export interface LedgerMemory {
  readonly size: number;
  readonly grownAt: number;
  /** Time of the newest cosignature that counted, by verifier, seconds. */
  readonly seconds: Readonly<Record<string, number>>;
  /** Sizes that verifiers vouched for are in their notes. */
  readonly notes: readonly string[];
  readonly shown: readonly Condition[];
}

/** Of the checkpoints that were seen, so many are kept from run to run. */
const MOST_KEPT = 256;

export class WatchedLedger {
  private known: KeySetEntry;
  /** Log keys of all sets that were followed: what they signed while they were in force stays signed. */
  private logKeys: readonly VerifierKey[];
  private readonly seen = new SeenCheckpoints();
  private readonly verifiers = new Map<string, VerifierSeen>();
  private readonly lastSeconds: Map<string, number>;
  private readonly problems = new Map<string, string>();
  private readonly shown = new Map<string, Condition>();
  private size: number;
  private grownAt: number;

  /** @param since from when on silence counts; a heartbeat that was missed before is nobody's fault */
  constructor(
    readonly trust: LedgerTrust,
    private readonly bounds: WatchBounds,
    private since: number,
    memory: LedgerMemory | null = null,
  ) {
    this.known = { set: trust.keys, hash: trust.genesis };
    this.logKeys = [trust.keys.log];
    this.size = memory?.size ?? 0;
    this.grownAt = memory?.grownAt ?? since;
    this.lastSeconds = new Map(Object.entries(memory?.seconds ?? {}));
    for (const note of memory?.notes ?? []) this.seen.take(parseCheckpointText(parseNote(note).text), note, null);
    for (const condition of memory?.shown ?? []) this.shown.set(condition.key, condition);
  }

  /** Verifiers that the newest known key set names. */
  get expected(): string[] {
    const { domain } = parseOrigin(this.trust.origin);
    const prefix = verifierKeyName(domain, 'x').slice(0, -1);
    const names = this.known.set.verifiers.map(({ name }) => name).filter((name) => name.startsWith(prefix));
    return [...new Set(names.map((name) => name.slice(prefix.length)))].sort();
  }

  /** The newest heartbeat of a verifier that counted since the watch began. */
  seenOf(verifier: string): VerifierSeen | null {
    return this.verifiers.get(verifier) ?? null;
  }

  get newest(): { readonly size: number; readonly grownAt: number } {
    return { size: this.size, grownAt: this.grownAt };
  }

  get memory(): LedgerMemory {
    return {
      size: this.size,
      grownAt: this.grownAt,
      seconds: Object.fromEntries(this.lastSeconds),
      notes: this.seen.notes.slice(-MOST_KEPT),
      shown: [...this.shown.values()],
    };
  }

  /** This machine slept, or could not listen by its own fault: silence counts from now on. */
  forgive(now: number): void {
    this.since = now;
  }

  /** @param verifier whose the subject says it is */
  heartbeat(verifier: string, bytes: Uint8Array, now: number): Heard {
    const heard = this.judgeHeartbeat(verifier, bytes, now);
    if (heard.counts) this.problems.delete(verifier);
    else this.problems.set(verifier, heard.reason);
    return heard;
  }

  /** A live announcement or the stored one. One that nobody cosigned is no growth and nothing wrong. */
  announcement(bytes: Uint8Array, now: number): Heard {
    try {
      const { checkpoint: note, keys: announced } = parseAnnouncement(bytes);
      const followed = followKeySets(this.known, [...(announced.before ?? []), announced.note]);
      const logKeys = distinct([...followed.map(({ set }) => set.log), ...this.logKeys]);
      const signed = openCheckpoint(note, logKeys, this.trust.origin);
      this.show(this.seen.take(signed, note, null));
      const trust = announcementTrust(this.known.set, this.known.hash);
      const { checkpoint, cosignatures, keys, keysHash } = verifyAnnouncement(bytes, trust, () => null);
      this.known = { set: keys, hash: keysHash };
      this.logKeys = distinct([keys.log, ...logKeys]);
      // As new as the newest says: one verifier whose clock is behind must not make a living log look old.
      const cosigned = Math.max(...cosignatures.map(({ seconds }) => seconds)) * 1_000;
      this.grow(checkpoint.size, Math.min(now, cosigned));
      return { counts: true, size: checkpoint.size, seconds: null };
    } catch (error) {
      return { counts: false, reason: reasonOf(error) };
    }
  }

  conditions(now: number): Condition[] {
    const missing = this.expected.flatMap((verifier) => this.silence(verifier, now));
    return [...missing, ...this.frozen(now), ...this.shown.values()];
  }

  private judgeHeartbeat(verifier: string, bytes: Uint8Array, now: number): Heard {
    const { origin } = this.trust;
    const name = verifierKeyName(parseOrigin(origin).domain, verifier);
    try {
      const keys = this.known.set.verifiers.filter((key) => key.name === name);
      const trust = { origin, logKeys: this.logKeys, verifier: keys };
      const { checkpoint, note, seconds, coverage } = openVerifierHeartbeat(bytes, trust);
      const stale = this.staleness(verifier, seconds, now);
      this.show(this.seen.take(checkpoint, note, stale === null ? name : null));
      if (stale !== null) return { counts: false, reason: stale };
      this.lastSeconds.set(verifier, seconds);
      this.verifiers.set(verifier, { heardAt: now, seconds, size: checkpoint.size, coverage });
      if (checkpoint.size > this.size) this.grow(checkpoint.size, now);
      return { counts: true, size: checkpoint.size, seconds };
    } catch (error) {
      return { counts: false, reason: reasonOf(error) };
    }
  }

  /** Why a cosignature of this time is no sign of life now; null when it is one. */
  private staleness(verifier: string, seconds: number, now: number): string | null {
    const off = Math.round((now - seconds * 1_000) / 1_000);
    if (Math.abs(off) * 1_000 > this.bounds.skewMs) {
      return `its cosignature's time is ${Math.abs(off)} s ${off > 0 ? 'old' : 'in the future'} by the clock of this machine`;
    }
    const before = this.lastSeconds.get(verifier);
    // A time of the future that this machine believed once (its own clock was wrong) must not silence a verifier for ever.
    if (before === undefined || seconds > before || before * 1_000 > now + this.bounds.skewMs) return null;
    return 'it is not newer than one that was heard before';
  }

  private grow(size: number, at: number): void {
    if (size < this.size) return;
    this.grownAt = size === this.size ? Math.min(this.grownAt, at) : at;
    this.size = size;
  }

  private show(shown: readonly Shown[]): void {
    for (const { finding, evidence } of shown) {
      const { code, index, detail } = finding;
      const { origin: ledger } = this.trust;
      const condition = conditionOf(`${ledger} ${index ?? ''}`, code, { ledger, evidence }, detail);
      if (!this.shown.has(condition.key)) this.shown.set(condition.key, condition);
    }
  }

  private silence(verifier: string, now: number): Condition[] {
    const heard = this.verifiers.get(verifier)?.heardAt ?? null;
    const silent = now - Math.max(heard ?? 0, this.since);
    if (silent <= MISSED_PERIODS * this.bounds.periodMs) return [];
    const { origin: ledger } = this.trust;
    const why = this.problems.get(verifier);
    const what =
      heard === null ? `no heartbeat for ${ledger}` : `no heartbeat for ${ledger} since ${formatTimestamp(heard)}`;
    const detail = `verifier ${verifier}: ${what}${why === undefined ? '' : `; the newest that came does not count: ${why}`}`;
    return [
      conditionOf(
        `${ledger} verifier ${verifier}`,
        'heartbeat.missing',
        { ledger, part: `verifier/${verifier}` },
        detail,
      ),
    ];
  }

  private frozen(now: number): Condition[] {
    if (now - this.grownAt <= this.bounds.frozenMs) return [];
    const { origin: ledger } = this.trust;
    const detail = `no checkpoint beyond ${this.size} entries was cosigned since ${formatTimestamp(this.grownAt)}; even an idle log gets a block every 10 minutes`;
    return [conditionOf(ledger, 'log.frozen', { ledger }, detail)];
  }
}

function distinct(keys: readonly VerifierKey[]): VerifierKey[] {
  return [...new Map(keys.map((key) => [key.vkey, key])).values()];
}

function reasonOf(error: unknown): string {
  if (error instanceof FormatError) return `${error.code}: ${error.message}`;
  throw error;
}
