/**
 * The heartbeat of a verifier (formats.md, "Heartbeats"): one a ledger, `audit.heartbeat.verifier.<name>`.
 *
 *     {"checkpoint":"<note, freshly cosigned>","coverage":{"tail":T,"bodies":C,"index":C,"stored":C}}
 *     T  {"size":n,"head":n|null,"behindMs":n}
 *     C  {"passes":n,"endedAt":ms|null,"entries":n,"milliseconds":n,"perSecond":n,"oldestReadAt":ms|null,
 *         "notCovered":[{"first":n|null,"height":n|null,"why":"…"},…]}
 *
 * The checkpoint is what proves something: the cosignature covers its own time, so a fresh one shows that the holder of the
 * key lives and still holds that log. Whether a time is fresh is for the reader to say, who has a clock. `coverage` is the
 * verifier's word and signed by nothing; what of it cannot be read is no reason to take the verifier for dead.
 */
import { openCheckpoint, parseCheckpointText, type OpenedCheckpoint } from './checkpoint.js';
import { cosignaturesOf } from './cosignature.js';
import { FormatError } from './format-error.js';
import { heartbeatTime } from './heartbeat-time.js';
import type { VerifierKey } from './key.js';
import { MessageReader } from './message-json.js';
import { parseNote } from './note.js';

/** Of what was not covered, the first so many are told. */
export const MOST_NOT_COVERED = 10;

const MOST_BYTES = 64 * 1024;

/** A stretch of the log that a pass could not compare. */
export type NotCovered = {
  /** Index of its first entry, and height of the block it stands in; null where not known. */
  readonly first: number | null;
  readonly height: number | null;
  readonly why: string;
};

/** What one sweep has covered. Times are milliseconds since 1970 by the verifier's clock. */
export type SweepCoverage = {
  /** Full passes since the verifier's start. */
  readonly passes: number;
  /** End of the last full pass; null before the first since its start. */
  readonly endedAt: number | null;
  /** Entries of that pass, its duration, and its rate in whole entries a second. */
  readonly entries: number;
  readonly milliseconds: number;
  readonly perSecond: number;
  /** No entry was re-read longer ago than this; null while some were not re-read since the verifier's start. */
  readonly oldestReadAt: number | null;
  /** What the newest pass left out, full or not, and why; at most ten, the first. */
  readonly notCovered: readonly NotCovered[];
};

/** How far the newest blocks are followed. */
export type TailCoverage = {
  /** Entries derived. */
  readonly size: number;
  /** Entries that the database's head row named when it was last read; null before. */
  readonly head: number | null;
  /** For how long a head that was seen has not been reached, or none could be read. */
  readonly behindMs: number;
};

export type Coverage = {
  readonly tail: TailCoverage;
  readonly bodies: SweepCoverage;
  readonly index: SweepCoverage;
  readonly stored: SweepCoverage;
};

/** Whose heartbeats these must be. */
export type HeartbeatTrust = {
  readonly origin: string;
  readonly logKeys: readonly VerifierKey[];
  /** Keys of this one verifier in the key set. */
  readonly verifier: readonly VerifierKey[];
};

/** A heartbeat whose signatures verified. */
export type OpenedHeartbeat = {
  readonly checkpoint: OpenedCheckpoint;
  /** The checkpoint's note. */
  readonly note: string;
  /** Time of the verifier's cosignature, seconds since 1970. */
  readonly seconds: number;
  /** Null when it cannot be read. */
  readonly coverage: Coverage | null;
};

/** The bytes of a heartbeat. `now`: the verifier's clock, ms since 1970. */
export function formatVerifierHeartbeat(now: number, checkpoint: string, coverage: Coverage): Buffer {
  return Buffer.from(JSON.stringify({ ...heartbeatTime(now, null), checkpoint, coverage }));
}

/**
 * The ledger that a heartbeat is about; nothing is verified.
 * @throws FormatError `heartbeat.size`, `heartbeat.json`, `heartbeat.checkpoint` (missing, or no checkpoint)
 */
export function heartbeatOrigin(bytes: Uint8Array): string {
  const members = MessageReader.parse('heartbeat', bytes, MOST_BYTES);
  const note = members.text('checkpoint');
  return members.check('checkpoint', () => parseCheckpointText(parseNote(note).text).origin);
}

/**
 * Reads and verifies a heartbeat: the log key's signature and the verifier's own.
 * @throws FormatError `heartbeat.size`, `heartbeat.json`, `heartbeat.checkpoint` (missing); as `openCheckpoint` and
 * `cosignaturesOf`; `heartbeat.cosignature` when this verifier did not cosign
 */
export function openVerifierHeartbeat(bytes: Uint8Array, trust: HeartbeatTrust): OpenedHeartbeat {
  const members = MessageReader.parse('heartbeat', bytes, MOST_BYTES);
  const note = members.text('checkpoint');
  const checkpoint = openCheckpoint(note, trust.logKeys, trust.origin);
  const [cosignature] = cosignaturesOf(checkpoint, trust.verifier);
  if (cosignature === undefined) {
    throw new FormatError('heartbeat.cosignature', 'the checkpoint is not cosigned by the verifier that sends it');
  }
  return { checkpoint, note, seconds: cosignature.seconds, coverage: readCoverage(members) };
}

function readCoverage(members: MessageReader): Coverage | null {
  try {
    const coverage = members.object('coverage');
    const tail = coverage.object('tail');
    return {
      tail: { size: tail.count('size'), head: tail.countOrNull('head'), behindMs: tail.count('behindMs') },
      bodies: readSweep(coverage.object('bodies')),
      index: readSweep(coverage.object('index')),
      stored: readSweep(coverage.object('stored')),
    };
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function readSweep(members: MessageReader): SweepCoverage {
  return {
    passes: members.count('passes'),
    endedAt: members.countOrNull('endedAt'),
    entries: members.count('entries'),
    milliseconds: members.count('milliseconds'),
    perSecond: members.count('perSecond'),
    oldestReadAt: members.countOrNull('oldestReadAt'),
    notCovered: members.objects('notCovered').map((stretch) => ({
      first: stretch.countOrNull('first'),
      height: stretch.countOrNull('height'),
      why: stretch.text('why'),
    })),
  };
}
