/**
 * A ledger in the database as an auditor's files are made of it: read with the reader's rights, believed only as far as it leads back
 * to this machine's genesis note, checked before anything of it is handed out.
 */
import {
  appendSignatures,
  followKeySets,
  FormatError,
  leafHash,
  NO_QUORUM,
  openGenesis,
  openUnderPolicy,
  policyOfKeySet,
  type KeySet,
  type TlogPolicy,
} from '@everseal/audit-core';
import { cosignaturesAt, cosignedCheckpoints, findLedger, readHead } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { CliFailure, noLedger } from './cli-failure.js';
import { EXIT } from './exit-code.js';
import { withOthers, type LedgerTrust } from './ledger-trust.js';
import { altered, StoredProofs } from './stored-proofs.js';
import { count } from './terminal.js';

/** The first is it, as a rule. */
const CHECKPOINTS_A_READ = 16;

export class AuditedLedger {
  private constructor(
    readonly pool: Pool,
    readonly ledgerId: number,
    /** Entries that were sealed when it was opened. */
    readonly size: number,
    readonly trust: LedgerTrust,
    readonly proofs: StoredProofs,
  ) {}

  /** @throws CliFailure when the database does not know the ledger; StoreError */
  static async open(pool: Pool, trust: LedgerTrust): Promise<AuditedLedger> {
    const ledgerId = await findLedger(pool, trust.origin);
    if (ledgerId === null) throw noLedger(trust.origin);
    const { size, keysIndex } = await readHead(pool, ledgerId);
    const proofs = new StoredProofs(pool, ledgerId, trust.origin, keysIndex);
    return new AuditedLedger(pool, ledgerId, size, trust, proofs);
  }

  get origin(): string {
    return this.trust.origin;
  }

  /**
   * A checkpoint over an entry, as a note with its cosignatures, that the policy of its time believes: the first, or the newest.
   * @throws CliFailure when none covers it
   */
  async coveringCheckpoint(index: number, which: 'first' | 'newest'): Promise<{ size: number; note: string }> {
    const { witnesses } = this.trust;
    const signers =
      witnesses === null || witnesses.quorum === NO_QUORUM ? null : witnesses.witnesses.map(({ key }) => key.name);
    for (let behind: number | null = null; ;) {
      const search = { over: index, which, behind, signers, most: CHECKPOINTS_A_READ };
      const rows = await cosignedCheckpoints(this.pool, this.ledgerId, search);
      for (const { size, note, cosignatures } of rows) {
        const cosigned = this.checked(() => appendSignatures(note, cosignatures));
        const policy = await this.policyAt(size);
        if (this.checked(() => isBelieved(cosigned, policy))) return { size, note: cosigned };
        behind = size;
      }
      if (rows.length < CHECKPOINTS_A_READ) break;
    }
    const { size } = this;
    const why =
      index >= size
        ? `the log has ${count(size)} entries`
        : `no checkpoint covers it yet that ${signers === null ? 'a verifier' : 'enough witnesses'} cosigned, ask again`;
    throw new CliFailure(EXIT.unavailable, `entry ${count(index)} of ${this.origin} cannot be proven: ${why}`);
  }

  /** A stored checkpoint with the cosignatures that are stored beside it. */
  async cosigned({ size, note }: { size: number; note: string }): Promise<string> {
    const lines = (await cosignaturesAt(this.pool, this.ledgerId, size)).map(({ line }) => line);
    return this.checked(() => appendSignatures(note, lines));
  }

  /** The key set in force for a checkpoint of this size. */
  async keysAt(size: number): Promise<KeySet> {
    return (await this.keySetsAt(size)).at(-1)!;
  }

  /** The key sets up to the one in force for a checkpoint of this size, followed from the genesis note, oldest first. */
  async keySetsAt(size: number): Promise<KeySet[]> {
    const [first, ...later] = await this.proofs.keySets(size);
    const { origin, genesis } = this.trust;
    if (!first || !leafHash(first.note).equals(genesis)) {
      throw altered(`entry 0 of ${origin} is not the genesis note of this machine`);
    }
    return this.checked(() => {
      const from = { set: openGenesis(first.note, origin), hash: genesis };
      const notes = later.map(({ note }) => note);
      const followed = followKeySets(from, notes);
      if (followed.length < notes.length)
        throw new FormatError('keys.chain', 'a key set does not follow the one before it');
      return [from.set, ...followed.map(({ set }) => set)];
    });
  }

  async policyAt(size: number): Promise<TlogPolicy> {
    return withOthers(policyOfKeySet(await this.keysAt(size)), this.trust);
  }

  /** What is stored has to hold before it is handed out. @throws CliFailure */
  checked<T>(check: () => T): T {
    try {
      return check();
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      throw altered(
        `what the database holds of ${this.origin} proves nothing (${cause.code}: ${cause.message})`,
        cause,
      );
    }
  }
}

/** False when it lacks cosignatures alone. @throws FormatError for a checkpoint that is spoiled */
function isBelieved(note: string, policy: TlogPolicy): boolean {
  try {
    openUnderPolicy(note, policy);
    return true;
  } catch (error) {
    if (error instanceof FormatError && error.code === 'policy.unmet') return false;
    throw error;
  }
}
