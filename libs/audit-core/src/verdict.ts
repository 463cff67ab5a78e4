/**
 * The closed set of verdicts: what Everseal can find wrong, one code per check. An alert's code is one of these and
 * nothing else; its severity and its one-line meaning come from this table, so that every service says the same.
 *
 * Severities: `tampering` (bytes were changed, or somebody signed what they must not), `loss` (something receipted
 * may be missing), `drift` (a setting or clock is not what was agreed), `liveness` (a part does not do its work).
 */

export type Severity = 'tampering' | 'loss' | 'drift' | 'liveness';

export interface VerdictMeaning {
  readonly severity: Severity;
  /** One sentence for people: what was found. */
  readonly meaning: string;
}

export const VERDICTS = {
  'entry.altered': { severity: 'tampering', meaning: 'the bytes of a sealed entry are not the ones that were sealed' },
  'entry.missing': { severity: 'tampering', meaning: 'a sealed entry is gone from its block' },
  'entry.inserted': { severity: 'tampering', meaning: 'a block holds an entry that was never sealed' },
  'entry.reordered': { severity: 'tampering', meaning: 'sealed entries stand in another order' },
  'block.missing': { severity: 'tampering', meaning: 'a block between two others is gone' },
  'block.signature': { severity: 'tampering', meaning: 'a block note is not signed by the log key in force' },
  'block.chain': { severity: 'tampering', meaning: 'a block does not continue the block before it' },
  'checkpoint.signature': { severity: 'tampering', meaning: 'a stored checkpoint or cosignature does not verify' },
  'checkpoint.mismatch': { severity: 'tampering', meaning: 'a checkpoint is not the root of the stored entries' },
  'log.truncated': { severity: 'tampering', meaning: 'the newest blocks are gone although the head names them' },
  'log.rolled-back': { severity: 'tampering', meaning: 'the log is shorter than a checkpoint that was cosigned' },
  'log.forked': { severity: 'tampering', meaning: 'two different checkpoints are signed for one size' },
  'log.frozen': { severity: 'liveness', meaning: 'the log does not grow although it should' },
  'custody.gap': { severity: 'loss', meaning: 'a frame is missing between two frames of one ingester' },
  'custody.gap-false': { severity: 'tampering', meaning: 'a gap was declared over frames that exist' },
  'custody.overdue': { severity: 'loss', meaning: 'a receipted frame is not sealed in time' },
  'custody.forged': { severity: 'tampering', meaning: 'a frame is not signed by the ingester that it names' },
  'custody.conflict': { severity: 'tampering', meaning: 'two different frames carry one number of one ingester' },
  'custody.altered': { severity: 'tampering', meaning: 'a frame on its way to the log was changed' },
  'stream.lost': { severity: 'loss', meaning: 'the stream lost messages that were not sealed yet' },
  'stream.replaced': { severity: 'loss', meaning: 'the stream is not the one that was read before' },
  'stream.config': { severity: 'drift', meaning: 'the stream is not configured as the policy says' },
  'stream.headroom': { severity: 'liveness', meaning: 'unsealed frames come near the edge of the stream' },
  'event.conflict': { severity: 'tampering', meaning: 'one event id was used for two different events' },
  'index.altered': { severity: 'tampering', meaning: 'a row of the event index is not what its event says' },
  'index.missing': { severity: 'tampering', meaning: 'a sealed event has no row in the event index' },
  'index.extra': { severity: 'tampering', meaning: 'the event index holds a row that no sealed event explains' },
  'tile.altered': { severity: 'tampering', meaning: 'a stored tile is not the one that the entries give' },
  'store.catalog': { severity: 'tampering', meaning: 'the database has rights or objects that were not agreed' },
  'store.durability': { severity: 'drift', meaning: 'the database may lose what it has confirmed' },
  'key.unknown': {
    severity: 'tampering',
    meaning: 'a key is used that no key set holds, or that this reader was not told of',
  },
  'key.changed': { severity: 'tampering', meaning: 'the key set changed without an operator signature' },
  'anchor.missing': { severity: 'loss', meaning: 'an anchor that was made is gone' },
  'anchor.mismatch': { severity: 'tampering', meaning: 'an anchor names another root than the log' },
  'anchor.overdue': { severity: 'liveness', meaning: 'checkpoints are not anchored in time' },
  'clock.skew': { severity: 'drift', meaning: 'clocks of the services are too far apart' },
  'tls.posture': { severity: 'drift', meaning: 'an endpoint is weaker than the policy says' },
  'tls.expiry': { severity: 'drift', meaning: 'a certificate is about to lapse or has lapsed' },
  'verifier.behind': { severity: 'liveness', meaning: 'the verifier does not keep up with the log' },
  'verifier.stale': { severity: 'liveness', meaning: "the verifier's last full pass is too old" },
  'witness.dissent': {
    severity: 'tampering',
    meaning: 'a witness of others says that it knows another history of the log',
  },
  'witness.overdue': { severity: 'liveness', meaning: 'a witness of others does not cosign in time' },
  'heartbeat.missing': { severity: 'liveness', meaning: 'a service has not been heard of in time' },
} as const satisfies Record<string, VerdictMeaning>;

export type VerdictCode = keyof typeof VERDICTS;

export function isVerdictCode(code: string): code is VerdictCode {
  return Object.hasOwn(VERDICTS, code);
}

/** One thing found wrong, with the first record that is wrong. The evidence is text: hashes in base64, notes verbatim. */
export interface Finding {
  readonly code: VerdictCode;
  /** Index of the first bad entry; null where the finding is not about one entry. */
  readonly index: number | null;
  /** Height of the block it stands in; null where unknown. */
  readonly height: number | null;
  /** What is wrong and where, for people. */
  readonly detail: string;
  readonly expected?: string;
  readonly found?: string;
}
