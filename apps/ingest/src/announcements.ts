/**
 * What the sealer announces, as far as it concerns one ledger here: which of our frames are sealed, and which keys are in
 * force. Read once from the stream ANNOUNCEMENTS (the last message of the subject) whenever the lane is resolved, and live.
 *
 * Nothing is believed that is not proven: the checkpoint by the log key and a verifier's cosignature, the key set and our
 * head by inclusion in it (audit-core, announcement.ts). An announcement that fails is logged and changes nothing; with
 * two exceptions, where our own records contradict the log and going on would fork the custody chain:
 *
 *   - our head there, proven by its own note and our key, has a number that was never built here
 *   - or a number that we know with another hash
 *
 * The trusted key set moves only forward in the log, and is kept on disk (`keys.note` in the spool's folder), because the
 * checkpoint that introduces a new log key is signed by the one before it only for a while.
 *
 * Guard: `#queue` makes announcements follow each other; `take` may be called at any time.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  announcementTrust,
  equalHash,
  FormatError,
  frameOfHead,
  ingestKeysOf,
  keySetOfNote,
  leafHash,
  openGenesis,
  parseAnnouncement,
  parseDecimal,
  verifyAnnouncement,
  type AnnouncedHead,
  type AnnouncementTrust,
  type CosignedTime,
  type Hash,
  type KeySet,
  type KeySetEntry,
  type VerifiedAnnouncement,
} from '@everseal/audit-core';
import { replaceFile, type Logger } from '@everseal/process';
import type { LaneName } from './frame-builder.js';
import type { FrameStore } from './frame-store.js';
import type { Spool } from './spool.js';
import { stop } from './stop.js';

/** A key set and where it stands in the log; index 0 is the genesis. */
type TrustedKeys = KeySetEntry & { readonly index: number };

export type AnnouncementOptions = {
  readonly name: LaneName;
  readonly spool: Spool;
  readonly frames: FrameStore;
  /** The ledger's entry 0, from the operator. */
  readonly genesisFile: string;
  /** Where the newest trusted key set is kept. */
  readonly keysFile: string;
  readonly logger: Logger;
};

export class Announcements {
  #keys: TrustedKeys;
  #newest: VerifiedAnnouncement | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  /** @throws StopProcess keys.untrusted */
  constructor(private readonly options: AnnouncementOptions) {
    this.#keys = readTrustedKeys(options);
  }

  /** The newest key set known. */
  get keys(): KeySet {
    return this.#keys.set;
  }

  /** When the verifiers cosigned the newest checkpoint seen, each by its own clock; empty before the first announcement. */
  get cosigned(): CosignedTime[] {
    return this.#newest?.cosignatures.map(({ key, seconds }) => ({ verifier: key.name, seconds })) ?? [];
  }

  /**
   * Takes one announcement in: moves the keys, releases the spool.
   * @throws StopProcess custody.conflict, spool.*
   */
  take(bytes: Uint8Array): Promise<void> {
    const turn = this.#queue.then(() => this.read(bytes));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  private async read(bytes: Uint8Array): Promise<void> {
    const { name, spool, frames, logger } = this.options;
    try {
      const announced = parseAnnouncement(bytes);
      const claimed = announced.heads.find(({ ingester }) => ingester === name.ingester);
      const hash = claimed === undefined ? null : await frames.hashOf(claimed.number);
      const verified = this.verify(bytes);
      this.adopt(verified, announced.keys.note);
      const head = verified.heads.find(({ ingester }) => ingester === name.ingester);
      if (head === undefined) return;
      this.refuseOtherLane(verified, head, hash);
      const sealed = verifyAnnouncement(bytes, this.trust, (of) => (of === name.ingester ? hash : null)).heads.find(
        ({ ingester }) => ingester === name.ingester,
      );
      if (sealed?.proven && hash !== null) await spool.release({ number: head.number, hash }, head.debts);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      logger.warn({ ledger: name.origin, code: error.code }, `announcement not taken: ${error.message}`);
    }
  }

  private get trust(): AnnouncementTrust {
    return announcementTrust(this.#keys.set, this.#keys.hash);
  }

  /** Everything but our own head, which is looked at by itself. */
  private verify(bytes: Uint8Array): VerifiedAnnouncement {
    return verifyAnnouncement(bytes, this.trust, () => null);
  }

  /**
   * Stops when the log holds a frame of this instance, signed by its key, that was never built here or is another one
   * than ours. A head that does not prove itself is somebody's word: whoever can edit an announcement must not be able
   * to stop us with it.
   */
  private refuseOtherLane(verified: VerifiedAnnouncement, head: AnnouncedHead, known: Hash | null): void {
    const { name, spool } = this.options;
    const proven = frameOfHead(verified.checkpoint, head, ingestKeysOf(this.#keys.set, name.ingester));
    if (proven === null) return;
    if (head.number > spool.newest.number) {
      throw this.conflict(`frame ${head.number} is sealed, but the newest one built here is ${spool.newest.number}`);
    }
    if (known !== null && !equalHash(proven.hash, known)) {
      throw this.conflict(`frame ${head.number} is sealed with other content than the one built here`);
    }
  }

  private adopt(verified: VerifiedAnnouncement, note: string): void {
    if (this.#newest === null || verified.checkpoint.size >= this.#newest.checkpoint.size) this.#newest = verified;
    if (verified.keysIndex <= this.#keys.index) return;
    replaceFile(this.options.keysFile, `${verified.keysIndex}\n${note}`);
    this.#keys = { set: verified.keys, hash: verified.keysHash, index: verified.keysIndex };
    const { origin } = this.options.name;
    this.options.logger.info({ ledger: origin, index: verified.keysIndex }, 'a newer key set is in force');
  }

  private conflict(what: string, cause?: unknown): Error {
    const { ingester, origin } = this.options.name;
    return stop(
      'custody.conflict',
      `the log of ${origin} does not agree with ingester ${ingester}: ${what}. Another process uses this name, or an older copy of the spool was put back: ` +
        'put the newest spool back, or give this instance a new name, key and directory',
      cause,
    );
  }
}

function readTrustedKeys({ name, genesisFile, keysFile }: AnnouncementOptions): TrustedKeys {
  try {
    const first = readFileSync(genesisFile);
    const genesis: TrustedKeys = { set: openGenesis(first, name.origin), hash: leafHash(first), index: 0 };
    if (!existsSync(keysFile)) return genesis;
    const text = readFileSync(keysFile, 'utf8');
    const end = text.indexOf('\n');
    const note = Buffer.from(text.slice(end + 1));
    const set = keySetOfNote(note);
    if (set.origin !== name.origin) throw new FormatError('keys.ledger', `${keysFile} is for ${set.origin}`);
    return { set, hash: leafHash(note), index: parseDecimal(text.slice(0, end)) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'unreadable';
    throw stop(
      'keys.untrusted',
      `the trusted keys of ${name.origin} cannot be read from ${genesisFile} and ${keysFile}: ${why}. Put the ledger's genesis note there; ${path.basename(keysFile)} may be deleted, it is learnt again`,
      cause,
    );
  }
}
