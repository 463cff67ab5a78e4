/**
 * Checkpoints of one ledger: at most one a second, and only over bytes that stand in two places.
 *
 *     hold → sign → remember → store → cosign → announce
 *
 * A verifier is asked to *hold* what is new: it reads the blocks from Postgres, derives the root again, keeps bodies and
 * tiles on its own disk and answers with its root. That answer is the read-back, made by another process. Only the
 * stored row is ever published, and after a crash the row is published again.
 */

import {
  appendSignatures,
  cosignatureTime,
  equalHash,
  formatAddCheckpoint,
  formatHoldRequest,
  FormatError,
  knownKey,
  openCheckpoint,
  parseHoldAnswer,
  parseNote,
  parseSignatureLines,
  parseWitnessSize,
  rootFromTiles,
  verifierKeyName,
  verifyCosignature,
  type CosignedTime,
  type Hash,
  type SignatureLine,
  type VerifierKey,
} from '@everseal/audit-core';
import { insertCheckpoint, insertCosignature } from '@everseal/ledger-store';
import { RetryLater, StopProcess, type AlertBook, type Logger } from '@everseal/process';
import type { Pool } from 'pg';
import { buildAnnouncement, proveGrowth } from './announce.js';
import type { Sealed } from './sealing.js';
import type { SignerMemory } from './signer-memory.js';

const CHECKPOINT_EVERY_MS = 1_000;
const HOLD_TIMEOUT_MS = 10_000;
const WITNESS_TIMEOUT_MS = 5_000;

/** What the broker says back: the `Status` header where there is one, and the body. */
export interface Answer {
  readonly status: string | null;
  readonly data: Buffer;
}

export interface CheckpointParts {
  readonly origin: string;
  readonly domain: string;
  readonly ledger: string;
  readonly ledgerId: number;
  readonly pool: Pool;
  readonly memory: SignerMemory;
  /** The log keys that this sealer has, public halves: they count before it knows the ledger's key sets, too. */
  readonly logKeys: () => readonly VerifierKey[];
  /** Verifier names, in the order in which they are asked to hold. */
  readonly verifiers: readonly string[];
  readonly alerts: AlertBook;
  readonly log: Logger;
  /** One request; null when nobody answered in time. */
  readonly ask: (subject: string, body: Uint8Array, timeoutMs: number) => Promise<Answer | null>;
  /** Publishes an announcement and waits until the stream has it. */
  readonly announce: (message: Buffer) => Promise<void>;
  /** `times`: those that the cosigners gave; empty without a cosigner. */
  readonly onCosigned: (size: number, times: readonly CosignedTime[]) => void;
  /** Told of every checkpoint that was announced; `note` as the log signed it. */
  readonly onAnnounced?: (sealed: Sealed, note: string) => void;
}

/** The newest checkpoint that a verifier says it has cosigned; without a root when it has cosigned none. */
interface Known {
  readonly size: number;
  readonly root: Hash | null;
  readonly note: string;
}

export class CheckpointLedger {
  private newest: Sealed | null = null;
  private announced = -1;
  /** performance.now() of the newest round that made one: the wall clock may be set back by an hour. */
  private lastAt = -Infinity;
  /** Size up to which each verifier has cosigned, as far as we know; it is what `old` of a request says. */
  private readonly cosigned = new Map<string, number>();

  constructor(private readonly parts: CheckpointParts) {}

  /** A block was committed; the next round makes a checkpoint of the newest one. */
  offer(sealed: Sealed): void {
    if (!this.newest || sealed.size >= this.newest.size) this.newest = sealed;
  }

  /** Whether a round has anything to do. */
  get pending(): boolean {
    return this.newest !== null && this.newest.size > this.announced;
  }

  /** One round of the loop; returns the milliseconds to wait before the next. */
  async round(): Promise<number> {
    const wait = this.lastAt + CHECKPOINT_EVERY_MS - performance.now();
    if (!this.pending || !this.newest) return Math.max(wait, 100);
    if (wait > 0) return wait;
    this.lastAt = performance.now();
    await this.checkpoint(this.newest);
    return Math.max(0, this.lastAt + CHECKPOINT_EVERY_MS - performance.now());
  }

  private async checkpoint(sealed: Sealed): Promise<void> {
    const { parts } = this;
    await this.hold(sealed);
    // Crash here: nothing is signed; recovery holds and signs the head it finds.
    const note = parts.memory.sign(sealed.size, sealed.root, sealed.logKey);
    // Crash here: the signature is on our disk only. For the same size and root it is taken from there again.
    await insertCheckpoint(parts.pool, parts.ledgerId, sealed.fence, { size: sealed.size, note });
    // Crash here: the row stands and is published by the next round, byte for byte.
    const cosignedNote = await this.collectCosignatures(sealed, note);
    await parts.announce(await buildAnnouncement(sealed, cosignedNote));
    this.announced = sealed.size;
    parts.onAnnounced?.(sealed, note);
  }

  /**
   * Asks the verifiers in turn until one holds all entries and derives the same root. One that derives another root
   * is alerted and the others are asked, so that a single bad verifier cannot stop a ledger; but nothing is signed on
   * our own word, and when all of them contradict it, it is ours that is wrong (decision 0030).
   */
  private async hold(sealed: Sealed): Promise<void> {
    const { origin, verifiers } = this.parts;
    const dissenters = new Map<string, Hash>();
    let confirmedBy: string | null = null;
    for (const verifier of verifiers) {
      const root = await this.heldRoot(verifier, sealed.size);
      if (root === null) continue;
      if (equalHash(root, sealed.root)) {
        confirmedBy = verifier;
        break;
      }
      dissenters.set(verifier, root);
    }
    for (const [verifier, root] of dissenters) this.alertDissent(sealed, verifier, root, confirmedBy);
    if (confirmedBy !== null) return this.parts.alerts.reconcile(dissentOf(origin, confirmedBy), []);
    if (dissenters.size === 0) {
      throw new RetryLater('checkpoint.not-held', `no verifier holds size ${sealed.size} of ${origin} yet`);
    }
    const who = [...dissenters.keys()].join(', ');
    const what = `${who} derived another root for size ${sealed.size} of ${origin}, none derived this sealer's`;
    if (dissenters.size < verifiers.length)
      throw new RetryLater('checkpoint.disputed', `${what}; the others are silent`);
    await this.parts.alerts.flush();
    throw new StopProcess('checkpoint.mismatch', what);
  }

  /** The root that a verifier derives for this size; null when it gives no answer, or does not hold so much. */
  private async heldRoot(verifier: string, size: number): Promise<Hash | null> {
    const { ask, ledger, log } = this.parts;
    const answer = await ask(`audit.hold.${ledger}.${verifier}`, formatHoldRequest(size), HOLD_TIMEOUT_MS);
    const held = answer && parsed(parseHoldAnswer, answer.data);
    if (held?.size === size) return held.root;
    const said = answer?.data.toString('utf8', 0, 200);
    log.warn({ verifier, size, answer: said }, 'a verifier does not hold the log yet');
    return null;
  }

  /** One alert a verifier for as long as it dissents, whatever the size; it clears when it derives our root. */
  private alertDissent(sealed: Sealed, verifier: string, root: Hash, confirmedBy: string | null): void {
    const { origin, alerts } = this.parts;
    const { size } = sealed;
    const outcome = confirmedBy === null ? 'no checkpoint is signed' : `verifier ${confirmedBy} derives the sealer's`;
    const detail = `verifier ${verifier} derives another root than the sealer for size ${size} of ${origin}; ${outcome}`;
    const [expected, found] = [sealed.root.toString('base64'), root.toString('base64')];
    const finding = { code: 'checkpoint.mismatch', index: null, height: null, detail, expected, found } as const;
    alerts.reconcile(dissentOf(origin, verifier), [
      { finding, context: { ledger: origin, evidence: { verifier, size: `${size}` } } },
    ]);
  }

  /** Fail-open: a checkpoint without a cosignature is announced, releases no spool, and is cosigned by a later round. */
  private async collectCosignatures(sealed: Sealed, note: string): Promise<string> {
    const { parts } = this;
    const lines: string[] = [];
    for (const verifier of parts.verifiers) {
      const keys = sealed.keys.verifiers.filter((k) => k.name === verifierKeyName(parts.domain, verifier));
      if (keys.length === 0) continue;
      const cosigned = await this.cosign(sealed, note, verifier, keys);
      if (cosigned === null) continue;
      const { line, name: signer, keyId } = cosigned;
      lines.push(line);
      await insertCosignature(parts.pool, parts.ledgerId, { size: sealed.size, signer, keyId, line });
      this.cosigned.set(verifier, sealed.size);
    }
    parts.onCosigned(sealed.size, timesOf(lines));
    if (lines.length === 0) parts.log.warn({ size: sealed.size }, 'no verifier cosigned the checkpoint');
    return appendSignatures(note, lines);
  }

  /** C2SP tlog-witness add-checkpoint: twice at most, the second time from the size that a 409 named. */
  private async cosign(
    sealed: Sealed,
    note: string,
    verifier: string,
    keys: readonly VerifierKey[],
  ): Promise<SignatureLine | null> {
    let old = this.cosigned.get(verifier) ?? 0;
    for (let attempt = 0; attempt < 2; attempt++) {
      if (old > sealed.size) return this.splitView(verifier, `it knows size ${old}, the log has ${sealed.size}`);
      const proof = old > 0 && old < sealed.size ? await proveGrowth(sealed, old) : [];
      const body = Buffer.from(formatAddCheckpoint({ old, proof, checkpoint: note }));
      const answer = await this.parts.ask(`audit.witness.${verifier}`, body, WITNESS_TIMEOUT_MS);
      if (!answer) return null;
      if (answer.status === '200') return checkedLine(note, answer.data, keys);
      const size = answer.status === '409' ? parsed(parseWitnessSize, answer.data) : null;
      if (size === null) {
        return this.splitView(verifier, `it answers ${answer.status}: ${answer.data.toString('utf8', 0, 200)}`);
      }
      old = size;
    }
    return null;
  }

  private splitView(verifier: string, why: string): null {
    this.parts.log.error({ verifier, why }, 'a verifier does not cosign');
    return null;
  }

  /**
   * Before the first signature of a new holder (architecture §6): the database must hold what the verifiers have
   * cosigned. Without an answer nothing is signed, unless the ledger is empty.
   */
  async confirmHead(size: number, sealed: Sealed | null): Promise<void> {
    const { parts } = this;
    const logKeys = [...(sealed?.logKeys ?? []), ...parts.logKeys()];
    parts.memory.requireSignedBy(logKeys);
    const known = await this.newestKnown(logKeys);
    if (known === null && size > 0) {
      throw new RetryLater('head.unconfirmed', `no verifier says what it has cosigned of ${parts.origin}`);
    }
    const newest = Math.max(known?.size ?? 0, parts.memory.size);
    if (newest > size) {
      const detail = `the database ends at ${size}, a checkpoint of size ${newest} exists; restore the lost blocks first`;
      parts.alerts.raise(
        `head of ${parts.origin}`,
        { code: 'log.rolled-back', index: size, height: null, detail },
        { ledger: parts.origin, evidence: known ? { checkpoint: known.note } : {}, stands: true },
      );
      await parts.alerts.flush();
      throw new StopProcess('log.rolled-back', detail);
    }
    if (!sealed) return;
    if (known?.root) await this.refuseOtherHistory(known.size, known.root, sealed);
    // What the log key signed last may be newer than what any verifier cosigned.
    const signed = parts.memory.checkpoint;
    if (signed) await this.refuseOtherHistory(signed.size, signed.root, sealed);
  }

  private async refuseOtherHistory(size: number, root: Hash, sealed: Sealed): Promise<void> {
    const same = (derived: Hash): boolean => equalHash(derived, root);
    if (size === sealed.size ? same(sealed.root) : await sealed.tiles.proven((read) => rootFromTiles(size, read), same))
      return;
    throw new StopProcess('checkpoint.mismatch', `the database has another log at size ${size} than was signed`);
  }

  /** The largest checkpoint that a verifier has cosigned, by asking all of them; null when none answered. */
  private async newestKnown(logKeys: readonly VerifierKey[]): Promise<Known | null> {
    const { ledger, verifiers } = this.parts;
    let newest: Known | null = null;
    for (const verifier of verifiers) {
      const answer = await this.parts.ask(`audit.hold.${ledger}.${verifier}`, formatHoldRequest(0), WITNESS_TIMEOUT_MS);
      const held = answer && parsed(parseHoldAnswer, answer.data);
      const known = held && this.openKnown(verifier, held.checkpoint, logKeys);
      if (known && (!newest || known.size > newest.size)) newest = known;
    }
    return newest;
  }

  /** A verifier's word counts by the log key's signature in it: it may have lost its mind, but not ours. */
  private openKnown(verifier: string, note: string, logKeys: readonly VerifierKey[]): Known | null {
    if (note === '') return { size: 0, root: null, note };
    try {
      const { size, root } = openCheckpoint(note, logKeys, this.parts.origin);
      return { size, root, note };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.splitView(verifier, `its newest checkpoint is not ours: ${error.message}`);
      return null;
    }
  }
}

/** Scope of the alert over one verifier's roots. */
const dissentOf = (origin: string, verifier: string): string => `hold of ${origin} by ${verifier}`;

/** What an answer says, or null when it does not follow its format: then it is no answer. */
function parsed<T>(parse: (body: Uint8Array) => T, body: Uint8Array): T | null {
  try {
    return parse(body);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function timesOf(lines: readonly string[]): CosignedTime[] {
  if (lines.length === 0) return [];
  const parsedLines = parseSignatureLines(`${lines.join('\n')}\n`);
  return parsedLines.map((line) => ({ verifier: line.name, seconds: cosignatureTime(line) }));
}

/** The verifier's own line out of a 200 answer, by whichever of its keys, verified before anybody attaches it. */
function checkedLine(note: string, body: Buffer, keys: readonly VerifierKey[]): SignatureLine | null {
  try {
    for (const line of parseSignatureLines(body.toString('utf8'))) {
      const key = knownKey(keys, line);
      if (!key) continue;
      verifyCosignature(parseNote(note).text, line, key);
      return line;
    }
    return null;
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
