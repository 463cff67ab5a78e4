/**
 * Checks a whole ledger offline: bytes in, report out. This is the oracle of every test that writes, and what an
 * auditor runs over an export. It trusts one hash (entry 0) and reads nothing but what it is given.
 *
 * It shares the formats with the services and none of their state: every leaf, root, signature and chain is derived
 * again from the stored bytes, from entry 0 on.
 */

import { openCheckpoint, parseCheckpointText, type OpenedCheckpoint } from './checkpoint.js';
import { cosignaturesOf } from './cosignature.js';
import { splitBundle } from './entry-bundle.js';
import type { LogTrust } from './entry-walk.js';
import { FormatError } from './format-error.js';
import { encodeBase64 } from './base64.js';
import { equalHash, EMPTY_ROOT, type Hash } from './hash.js';
import { LogState, type BlockReading } from './log-state.js';
import type { KeySet } from './key-set.js';
import { parseNote } from './note.js';
import type { Finding, VerdictCode } from './verdict.js';

export interface LogReport {
  readonly origin: string;
  /** Entries read and found good. */
  readonly size: number;
  readonly root: Hash;
  readonly blocks: number;
  readonly frames: number;
  readonly events: number;
  /** Newest sealed frame number by ingester. */
  readonly heads: Readonly<Record<string, number>>;
  /** Largest checkpoint that fits, with the names of the verifiers that cosigned it. */
  readonly checkpoint: { readonly size: number; readonly cosigners: readonly string[] } | null;
  /** Empty when all is well. Reading stops at the first block that is not good. */
  readonly findings: readonly Finding[];
}

export interface LogInput {
  readonly trust: LogTrust;
  /** Stored block bodies in order of height. */
  readonly bodies: Iterable<Buffer> | AsyncIterable<Buffer>;
  /** Signed checkpoints, in any order. */
  readonly checkpoints?: readonly string[];
  /** Called with every sealed event in order: its index, its exact bytes. For oracles that compare with a journal. */
  readonly onEvent?: (event: { index: number; entry: Buffer }) => void;
}

/** Reads every block, then compares the checkpoints with the roots that the entries give. */
export async function verifyLog(input: LogInput): Promise<LogReport> {
  const state = LogState.empty(input.trust);
  const findings: Finding[] = [];
  const wanted = bySize(input.checkpoints ?? [], findings);
  const counted = { blocks: 0, frames: 0, events: 0 };
  const roots = new Map<number, { root: Hash; keys: KeySet }>();

  for await (const body of input.bodies) {
    const first = state.size;
    const result = state.readBlock(body);
    if (!result.ok) {
      findings.push(result.finding);
      break;
    }
    counted.blocks++;
    counted.frames += result.frames.length;
    for (const { frame } of result.frames) counted.events += frame.count;
    if (wanted.has(state.size)) roots.set(state.size, { root: state.root, keys: state.keySet! });
    if (input.onEvent) reportEvents(result, first, body, input.onEvent);
  }

  const checkpoint = judgeCheckpoints(wanted, roots, state, findings);
  const heads = Object.fromEntries([...state.heads].map(([ingester, head]) => [ingester, head.number]));
  const root = state.size === 0 ? EMPTY_ROOT : state.root;
  return { origin: input.trust.origin, size: state.size, root, ...counted, heads, checkpoint, findings };
}

function reportEvents(
  reading: BlockReading,
  first: number,
  body: Buffer,
  onEvent: NonNullable<LogInput['onEvent']>,
): void {
  const offsets = splitBundle(body);
  for (const { frame, index } of reading.frames) {
    for (let i = index + 1; i <= index + frame.count; i++) {
      onEvent({ index: i, entry: body.subarray(offsets.start(i - first), offsets.end(i - first)) });
    }
  }
}

/** Sorts the notes by the size they name; one that is no checkpoint at all is reported at once. */
function bySize(notes: readonly string[], findings: Finding[]): Map<number, string[]> {
  const sorted = new Map<number, string[]>();
  for (const note of notes) {
    try {
      const { size } = parseCheckpointText(parseNote(note).text);
      sorted.set(size, [...(sorted.get(size) ?? []), note]);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      findings.push({ code: 'checkpoint.signature', index: null, height: null, detail: error.message });
    }
  }
  return sorted;
}

function judgeCheckpoints(
  wanted: Map<number, string[]>,
  roots: Map<number, { root: Hash; keys: KeySet }>,
  state: LogState,
  findings: Finding[],
): LogReport['checkpoint'] {
  let largest: LogReport['checkpoint'] = null;
  const stopped = findings.some(({ height }) => height !== null);
  for (const [size, notes] of [...wanted].sort(([a], [b]) => a - b)) {
    const derived = roots.get(size);
    for (const note of notes) {
      const at = (code: VerdictCode, detail: string): void => void findings.push(about(code, size, detail));
      if (!derived) {
        if (stopped && size > state.size) continue; // reading stopped before it; that finding stands
        at('log.rolled-back', `a checkpoint of size ${size} exists, the stored log ends at ${state.size}`);
        continue;
      }
      const opened = tryOpen(note, derived.keys, state.trust.origin);
      if (typeof opened === 'string') at('checkpoint.signature', opened);
      else if (!equalHash(opened.root, derived.root)) {
        at('checkpoint.mismatch', `signed root ${encodeBase64(opened.root)}, derived ${encodeBase64(derived.root)}`);
      } else {
        const cosigners = cosignaturesOf(opened, derived.keys.verifiers).map(({ key }) => key.name);
        if (!largest || size >= largest.size) largest = { size, cosigners };
      }
    }
  }
  return largest;
}

function tryOpen(note: string, keys: KeySet, origin: string): OpenedCheckpoint | string {
  try {
    return openCheckpoint(note, [keys.log], origin);
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

function about(code: VerdictCode, size: number, detail: string): Finding {
  return { code, index: size, height: null, detail };
}
