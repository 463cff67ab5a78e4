/**
 * Where operators' orders wait for the sealing loop, and how it carries them out between two blocks: a gap at once, another
 * key set. What is wrong with an order is told to its operator; what is wrong with sealing ends the run as well.
 */

import { openGapOrder } from '@everseal/audit-core';
import { fateOf, RetryLater } from '@everseal/process';
import { followOrder } from './key-orders.js';
import { OperatorOrders, type PlacedOrder } from './operator-orders.js';
import type { Placing } from './placing.js';
import { sealBlock } from './seal-block.js';
import type { Sealing, SealerParts } from './sealing.js';

export class OrderDesk {
  private readonly gapOrders = new OperatorOrders();
  private readonly keyOrders = new OperatorOrders();

  constructor(private readonly parts: SealerParts) {}

  /** Resolves once the gap is committed. @throws FormatError gap-order.*, note.*; RetryLater gaps.unknown, sealer.standby */
  declare(order: string): Promise<void> {
    return this.gapOrders.place(order);
  }

  /** Resolves once the set is in the log. @throws FormatError key-order.*, keys.*, note.*; RetryLater keys.unknown, sealer.standby */
  followKeys(order: string): Promise<void> {
    return this.keyOrders.place(order);
  }

  /** Sealing ends for now: whoever waits is told to try again. */
  giveBack(): void {
    this.gapOrders.giveBack();
    this.keyOrders.giveBack();
  }

  /** Carries out all that wait. @returns whether another key set is in force now */
  async carryOut(placing: Placing): Promise<boolean> {
    for (let order = this.gapOrders.take(); order; order = this.gapOrders.take()) {
      await this.addGap(placing, order);
    }
    let isChanged = false;
    for (let order = this.keyOrders.take(); order; order = this.keyOrders.take()) {
      isChanged = (await this.changeKeys(placing.sealing, order)) || isChanged;
    }
    return isChanged;
  }

  /** The same gap as the loop declares by itself, only at once. */
  private async addGap(placing: Placing, order: PlacedOrder): Promise<void> {
    const { sealing } = placing;
    const failed = new RetryLater('gaps.unknown', 'sealing failed: list the gaps before ordering again');
    await answered(order, failed, async () => {
      const gap = await placing.gaps.ordered(openGapOrder(order.note, sealing.keys.operators, this.parts.origin));
      this.parts.log.warn({ order: order.note }, 'an operator orders a gap');
      await placing.addGap(gap);
      if (sealing.open.entries > 0) await sealBlock(this.parts, sealing);
      await sealing.commit.done();
    });
  }

  /**
   * Seals the key set of an order as a block of its own. What was filled before it is sealed first, under the keys that were
   * in force. @returns whether another set is in force now
   */
  private async changeKeys(sealing: Sealing, order: PlacedOrder): Promise<boolean> {
    let isChanged = false;
    const failed = new RetryLater('keys.unknown', 'sealing failed: look at the key sets, then order again');
    await answered(order, failed, async () => {
      const next = followOrder(order.note, sealing, this.parts.logKeyOf);
      if (!next) return;
      this.parts.log.warn({ order: order.note }, 'an operator orders another key set');
      if (sealing.open.entries > 0) await sealBlock(this.parts, sealing);
      sealing.keySets = [...sealing.keySets, { index: sealing.keysIndex, note: sealing.keysNote }];
      sealing.keysIndex = sealing.open.addNote(Buffer.from(next.note));
      Object.assign(sealing, next);
      await sealBlock(this.parts, sealing);
      // Crash before COMMIT: the old set is in force, and the operator's tool has no answer. After it: the new one is.
      await sealing.commit.done();
      isChanged = true;
    });
    return isChanged;
  }
}

/** @param failed what the operator is told when it is sealing that failed, and the outcome of the order is not known */
async function answered(order: PlacedOrder, failed: RetryLater, carryOut: () => Promise<void>): Promise<void> {
  try {
    await carryOut();
    order.done();
  } catch (error) {
    const isRefused = fateOf(error) === 'refuse';
    order.refuse(isRefused ? error : failed);
    if (!isRefused) throw error;
  }
}
