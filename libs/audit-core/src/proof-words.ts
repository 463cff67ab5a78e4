/**
 * What a check has proven and what it has not, as sentences for people. Every program that checks says it in these words: the
 * command-line tool, and the verifier that an export brings along.
 */
import { encodeBase64 } from './base64.js';
import type { Frame } from './frame.js';
import type { ProvenEntry } from './proof-bundle.js';
import { quote } from './quote.js';
import { formatTimestamp } from './timestamp.js';
import type { Believed } from './tlog-policy.js';

export type Words = {
  readonly proven: readonly string[];
  readonly notProven: readonly string[];
};

/** The last second of the year 9999: cosignatures can claim later ones. */
const LAST_SECOND = 253_402_300_799;

/** 1234567 as `1,234,567`. */
export const numeral = (number: number): string => number.toLocaleString('en-US');

/** What a cosigned checkpoint says, and since when. */
export function checkpointWords({ checkpoint, logKeys, cosignatures }: Believed): string {
  const { size, root } = checkpoint;
  const log = logKeys.map(({ name, idHex }) => `${name} (key ${idHex})`).join(' and ');
  const by = cosignatures.map(({ name, seconds }) => `${shown(name)} at ${timeOf(seconds)}`);
  const cosigned = by.length === 0 ? 'nobody cosigned it' : `it was cosigned by ${by.join(', ')}`;
  return `the tree of ${numeral(size)} entries with root ${encodeBase64(root)} was signed by the log ${log}; ${cosigned}`;
}

/** Of one entry with its proof file, and perhaps its custody file. */
export function entryWords({ index, believed, event, custody }: ProvenEntry): Words {
  const { origin } = believed.checkpoint;
  const what = event === null ? 'this record' : 'this event';
  const since = earliest(believed);
  const proven = [`${what} is entry ${numeral(index)} of ledger ${origin}, byte for byte`, checkpointWords(believed)];
  if (since !== null)
    proven.push(
      `it stood there at the latest at ${since}; nobody can change, move or remove it without contradicting these signatures`,
    );
  const notProven: string[] = [];
  if (custody) {
    const { frame, event: accepted, genesis } = custody;
    proven.push(acceptanceWords(frame, accepted.producer, index));
    proven.push(
      `the key of ingest ${frame.ingester} is named by the log's own key sets, from entry 0 (${encodeBase64(genesis)}) on`,
    );
    notProven.push(...claimedByIngest(frame));
  } else if (event !== null) {
    notProven.push(
      `who accepted it: the entry says producer ${event.producer}, accepted ${event.accepted}; a custody file would show the ingester's signature`,
    );
  }
  if (event !== null) notProven.push('that what the event says is true');
  notProven.push('that nothing else was logged: completeness is a matter of a whole export');
  return { proven, notProven: [...notProven, ...witnessDoubts(believed)] };
}

/** Of a receipt; `events` is how many were compared, null when their bytes were not at hand. */
export function receiptWords(frame: Frame, events: number | null, keysFrom: string): Words {
  const { ingester, number, accepted, count, origin } = frame;
  const signed = `ingest ${ingester} accepted ${numeral(count)} events at ${accepted}, as its frame ${numeral(number)} of ledger ${origin}, and signed for them`;
  const these = `the ${numeral(events ?? 0)} events at hand are among them, byte for byte`;
  return {
    proven: events === null ? [signed] : [signed, these],
    notProven: [
      ...(events === null ? ['which events they are: their bytes were not given (--events)'] : []),
      'that they are in the log: a claim, or a proof of each event, shows that',
      `that this key is the ingester's: it is the one in ${keysFrom}`,
      ...claimedByIngest(frame).slice(1),
    ],
  };
}

/** Of two checkpoints of one log, the newer of which extends the older. */
export function extensionWords(older: Believed, newer: Believed): Words {
  const { origin, size } = older.checkpoint;
  return {
    proven: [
      `ledger ${origin} has only grown: the tree of ${numeral(newer.checkpoint.size)} entries begins with the same ${numeral(size)} entries as the older one`,
      `older: ${checkpointWords(older)}`,
      `newer: ${checkpointWords(newer)}`,
    ],
    notProven: ['what the entries say: none was read', ...witnessDoubts(newer)],
  };
}

function acceptanceWords(frame: Frame, producer: string, index: number): string {
  const position = `event ${numeral(index)} of the log in frame ${numeral(frame.number)} of ${numeral(frame.count)} events`;
  return `it was accepted by ingest ${frame.ingester} at ${frame.accepted} from producer ${producer}: ${position}, signed by that ingester`;
}

function claimedByIngest(frame: Frame): string[] {
  return [
    'that the producer wrote it: events bear no signature of their producer, the ingester vouches for its certificate',
    `the time ${frame.accepted}: it is by the clock of ingest ${frame.ingester}`,
  ];
}

/** What cosignatures do not show, or what their absence leaves open. */
export function witnessDoubts({ cosignatures }: Believed): string[] {
  if (cosignatures.length === 0) {
    return ['that the log shows everybody the same history, and since when: no witness of the policy cosigned'];
  }
  return ['that the witnesses are independent of whoever runs the log: judge by who runs them'];
}

/** The first time at which a witness had seen the checkpoint; null when none has. */
function earliest({ cosignatures }: Believed): string | null {
  if (cosignatures.length === 0) return null;
  const first = cosignatures.reduce((a, b) => (b.seconds < a.seconds ? b : a));
  return `${timeOf(first.seconds)} by the clock of ${shown(first.name)}`;
}

/** The time of a cosignature. */
export function timeOf(seconds: number): string {
  return seconds <= LAST_SECOND ? formatTimestamp(seconds * 1_000).replace('.000Z', 'Z') : `second ${seconds}`;
}

/** A name out of a policy file or of a file's name, which may hold anything. */
export function shown(name: string): string {
  return /^[\x21-\x7e]+$/.test(name) ? name : quote(name);
}
