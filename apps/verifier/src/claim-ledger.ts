/**
 * Answers claims on one ledger (formats.md, "Claim"): a producer hands in a receipt and learns whether its events are
 * sealed, with the proof, or not yet, or that they should be and are not.
 *
 * Bounded work: a receipt of at most 16 KiB, one look-up, one body, at most one signature; whoever asks more than two
 * claims at a time waits. What a receipt says is checked as far as it can be without its events: against the log where
 * its frame is sealed, else by the frame's signature. A producer asks on its own subject, which the broker sees to; that
 * the sealed events are its own is checked here.
 */

import {
  checkClaimedEvents,
  FormatError,
  formatClaimAnswer,
  logKeysOf,
  openCheckpoint,
  parseClaim,
  parseEventEntry,
  proveInclusionFromTiles,
  type Claim,
  type ClaimAnswer,
  type KeysOfLog,
  type TileReader,
} from '@everseal/audit-core';
import { RetryLater } from '@everseal/process';
import type { CustodyLedger } from './custody-ledger.js';
import type { FrameFound } from './custody-log.js';
import { splitHashes } from './stored-leaves.js';

export class ClaimLedger {
  /**
   * @param cosigned the newest checkpoint that this verifier cosigned, with a fresh cosignature; null before the first
   * @param tiles of the derived tree
   */
  constructor(
    private readonly custody: CustodyLedger,
    private readonly cosigned: () => string | null,
    private readonly keys: () => KeysOfLog,
    private readonly tiles: TileReader,
  ) {}

  /**
   * @param producer the last token of the subject
   * @param body the receipt
   * @throws FormatError why the claim is refused; RetryLater claim.unsettled
   */
  async claim(producer: string, body: Uint8Array): Promise<Buffer> {
    const claim = parseClaim(body, this.custody.origin);
    const [found] = await this.custody.log.find(claim.frame.ingester, [claim]);
    if (found!.state === 'sealed') return formatClaimAnswer(await this.sealed(claim, found!.index, producer));
    if (found!.state === 'unknown') throw unsettled('what is stored does not say where the frame stands');
    return formatClaimAnswer(this.unsealed(claim, found!, body));
  }

  private async sealed(claim: Claim, position: number, producer: string): Promise<ClaimAnswer> {
    const { receipt, frame } = claim;
    const index = position + 1 + receipt.first;
    checkClaimedEvents(claim, splitHashes(this.custody.log.leafHashes(index, index + receipt.count)));
    await this.checkProducer(index, producer);
    this.custody.clearClaimed(frame);
    const checkpoint = this.cosigned();
    if (checkpoint === null) return { state: 'pending' };
    const { size } = openCheckpoint(checkpoint, logKeysOf(this.keys()), this.custody.origin);
    if (position + frame.count >= size) return { state: 'pending' };
    const proof = await proveInclusionFromTiles(position, size, this.tiles);
    return { state: 'sealed', index, proof, checkpoint };
  }

  /** Where the stored entry is not the sealed one there is nothing to compare with; the sweeps say so. */
  private async checkProducer(index: number, producer: string): Promise<void> {
    const entry = await this.custody.log.entryAt(index);
    if (entry === null) return;
    const owner = parseEventEntry(entry).producer;
    if (owner === producer) return;
    throw new FormatError('claim.producer', `the events of the receipt are not ${producer}'s: claim your own`);
  }

  private unsealed({ receipt }: Claim, found: FrameFound, body: Uint8Array): ClaimAnswer {
    const heard = this.custody.take(receipt.frame, 'claim');
    if (!heard) throw unsettled('this verifier has not derived a key set yet');
    if (found.state !== 'other' && !this.custody.isOverdue(heard)) return { state: 'pending' };
    this.custody.raiseClaimed(heard, found, Buffer.from(body).toString());
    return { state: 'overdue' };
  }
}

function unsettled(why: string): RetryLater {
  return new RetryLater('claim.unsettled', `the claim cannot be settled now: ${why}`);
}
