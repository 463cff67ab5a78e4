/**
 * The ingest keys of the system ledger: those of its genesis note, then those of the newest key set that an announcement
 * proves. What was proven once is only left for something newer; an announcement that does not verify changes nothing.
 */
import {
  announcementTrust,
  FormatError,
  leafHash,
  openGenesis,
  verifyAnnouncement,
  type KeySetEntry,
  type VerifierKey,
} from '@everseal/audit-core';
import { RetryLater } from '@everseal/process';
import type { ReceiptKeys } from './system-ledger-writer.js';

export class AnnouncedKeys implements ReceiptKeys {
  private known: KeySetEntry;
  private index = 0;

  /**
   * @param genesis the ledger's entry 0
   * @param newest reads the newest announcement; null while there is none
   * @throws FormatError for a note that is not the first key set of this ledger
   */
  constructor(
    genesis: Buffer,
    origin: string,
    private readonly newest: () => Promise<Buffer | null>,
  ) {
    this.known = { set: openGenesis(genesis, origin), hash: leafHash(genesis) };
  }

  get current(): readonly VerifierKey[] {
    return this.known.set.ingest;
  }

  async refresh(): Promise<void> {
    const announcement = await this.newest();
    if (announcement === null) return;
    try {
      const trust = announcementTrust(this.known.set, this.known.hash);
      const { keys, keysHash, keysIndex } = verifyAnnouncement(announcement, trust, () => null);
      if (keysIndex <= this.index) return;
      this.known = { set: keys, hash: keysHash };
      this.index = keysIndex;
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      throw new RetryLater('system-ledger.keys', `the newest announcement does not verify: ${cause.message}`, {
        cause,
      });
    }
  }
}
