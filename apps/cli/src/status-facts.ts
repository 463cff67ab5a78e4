/**
 * What `everseal status` knows about an installation, as plain data: what was asked, what came back, what could not be
 * asked. Judging it is status-problems.ts, showing it status-lines.ts. Times are milliseconds since 1970.
 */

/** A part that was asked: its facts, or why there are none. */
export type Asked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

export interface ServiceFacts {
  readonly service: string;
  readonly name: string;
  readonly url: string;
  readonly live: boolean;
  readonly ready: boolean;
  /** Why it is not live or not ready, in its own words or ours. */
  readonly reasons: readonly string[];
}

/** What stands in Postgres. */
export interface StoredFacts {
  /** Entries in the log. */
  readonly size: number;
  /** −1 before the first block. */
  readonly height: number;
  /** When the newest block was sealed; null before the first. */
  readonly sealed: number | null;
  readonly state: string;
  readonly holder: string | null;
  /** Milliseconds until the sealer's lease ends; negative once it has, null without a holder. */
  readonly leaseLeftMs: number | null;
  /** Entries that the event index covers. */
  readonly indexed: number;
  readonly anchors: readonly AnchorFacts[];
}

/** How far an anchor has come; there are none where nothing was ever anchored. */
export interface AnchorFacts {
  readonly kind: string;
  readonly name: string;
  /** Size of the newest anchored checkpoint, and how many there are. */
  readonly size: number;
  readonly count: number;
  /** When it was stored. */
  readonly stored: number;
}

/** What was announced, verified from the genesis note on. */
export interface AnnouncedFacts {
  readonly size: number;
  readonly stored: number;
  readonly cosigners: readonly { readonly name: string; readonly at: number }[];
  readonly heads: readonly { readonly ingester: string; readonly number: number; readonly debts: number }[];
}

export interface LedgerFacts {
  readonly ledger: string;
  readonly origin: string;
  /** Null where the settings name no database. */
  readonly stored: Asked<StoredFacts> | null;
  /** Null before the first announcement. */
  readonly announced: Asked<AnnouncedFacts | null>;
}

export interface StreamFacts {
  readonly name: string;
  readonly messages: number;
  readonly bytes: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Messages that the server found lost in its own files. */
  readonly lost: number;
}

export interface VerifierFacts {
  readonly name: string;
  readonly origin: string;
  /** Entries that it derived again. */
  readonly verified: number;
  /** Size of the newest checkpoint that it cosigned. */
  readonly cosigned: number;
  /** Entries that the head named and that are not derived, and for how long, seconds. */
  readonly behind: { readonly entries: number; readonly seconds: number };
  readonly sweeps: readonly SweepFacts[];
}

/** What a sweep covered, since its verifier's start. */
export interface SweepFacts {
  readonly name: string;
  /** Full passes. */
  readonly passes: number;
  /** Of the last full pass: entries, seconds, entries a second, and its end; null before the first. */
  readonly entries: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly ended: number | null;
  /** No entry was re-read longer ago than this; null while some were not. */
  readonly oldestRead: number | null;
  /** Stretches that the newest pass left out. */
  readonly notCovered: number;
}

/** What a witness of others did for a ledger, as the sealer that asked it says, since that one's start. */
export interface WitnessFacts {
  readonly ledger: string;
  readonly witness: string;
  /** Size of the newest checkpoint that it cosigned, and when; 0 and null before the first. */
  readonly size: number;
  readonly at: number | null;
  readonly overdue: boolean;
  /** Questions without a cosignature. */
  readonly failures: number;
}

/** A log of others that a verifier is a witness of. */
export interface WitnessedFacts {
  readonly verifier: string;
  readonly log: string;
  /** Of the newest checkpoint that it cosigned; 0 before the first. */
  readonly size: number;
}

export interface AlertFacts {
  readonly open: number;
  readonly openCodes: readonly string[];
  readonly unverified: number;
  readonly gaps: number;
}

export interface StatusFacts {
  readonly services: readonly ServiceFacts[];
  readonly ledgers: readonly LedgerFacts[];
  readonly streams: Asked<readonly StreamFacts[]>;
  readonly verifiers: readonly VerifierFacts[];
  readonly witnesses: readonly WitnessFacts[];
  readonly witnessed: readonly WitnessedFacts[];
  readonly alerts: Asked<AlertFacts>;
}
