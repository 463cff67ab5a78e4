/** Who asks, and what they may read. */

/** A client that proved who it is. */
export interface Client {
  /** `auditor/<name>` or `token/<name>`: in records, in log lines, and as whom its requests are counted. */
  readonly id: string;
  /** Ledgers that it may read, events included. */
  readonly ledgers: readonly string[];
}

/** What a request reads: checkpoints, hashes and proofs; entry bundles; anything else that shows events. */
export type Reading = 'hashes' | 'bundles' | 'content';

/** What anybody may read of a ledger, by the reader's settings. */
export type PublicPart = 'none' | 'hashes' | 'tiles';

/** `open`: no matter who asks. `allowed`: because this client asks. `unknown`: say who you are. `denied`: not this client. */
export type Access = 'open' | 'allowed' | 'unknown' | 'denied';

const OPEN: Readonly<Record<PublicPart, readonly Reading[]>> = {
  none: [],
  hashes: ['hashes'],
  tiles: ['hashes', 'bundles'],
};

/** Whether this client may read this of a ledger. Events by the JSON API are never open. */
export function accessOf(client: Client | null, ledger: string, part: PublicPart, reading: Reading): Access {
  if (OPEN[part].includes(reading)) return 'open';
  if (client === null) return 'unknown';
  return client.ledgers.includes(ledger) ? 'allowed' : 'denied';
}
