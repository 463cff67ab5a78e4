/** Time stamps as the database holds them, for exports and proofs: only those of authorities that the settings name, and that hold. */
import { readFileSync } from 'node:fs';
import { FormatError } from '@everseal/audit-core';
import { anchorPage, checkpointAt } from '@everseal/ledger-store';
import { parsePinnedAuthority, verifyTimestamp } from '@everseal/timestamps';
import type { AuditedLedger } from './audited-ledger.js';
import type { CliSettings } from './config.js';
import { altered } from './stored-proofs.js';

const KIND = 'rfc3161';

export interface StoredStamp {
  readonly size: number;
  /** Name of the authority. */
  readonly authority: string;
  /** The checkpoint as the log signed it: what was stamped. */
  readonly signed: Buffer;
  readonly token: Buffer;
}

/**
 * Those of checkpoints larger than `after` up to `upTo`, by size.
 * @throws CliFailure when one is not about its checkpoint, or not of its authority
 */
export async function* storedStamps(
  { pool, ledgerId, origin }: AuditedLedger,
  { authorities }: Pick<CliSettings, 'authorities'>,
  after: number,
  upTo: number,
): AsyncGenerator<StoredStamp> {
  const pinned = new Map(
    authorities.map(({ name, certificatesFile }) => [name, parsePinnedAuthority(readFileSync(certificatesFile))]),
  );
  if (pinned.size === 0) return;
  for (let next: number | null = after; next !== null;) {
    const page = await anchorPage(pool, ledgerId, next, upTo);
    for (const { kind, target, size, evidence } of page.anchors) {
      const certificates = kind === KIND ? pinned.get(target) : undefined;
      if (!certificates) continue;
      const row = await checkpointAt(pool, ledgerId, size);
      const signed = Buffer.from(row?.note ?? '');
      try {
        verifyTimestamp(evidence, signed, { pinned: certificates, policy: null, nonce: null });
      } catch (cause) {
        if (!(cause instanceof FormatError)) throw cause;
        throw altered(
          `the time stamp of ${target} on size ${size} of ${origin} does not hold: ${cause.message}`,
          cause,
        );
      }
      yield { size, authority: target, signed, token: evidence };
    }
    next = page.next;
  }
}
