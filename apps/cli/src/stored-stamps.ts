/** Time stamps as the database holds them, for exports and proofs: only those of authorities that the settings name, and that hold. */
import { readFileSync } from 'node:fs';
import { FormatError } from '@everseal/audit-core';
import { anchorPage, anchorsAfter, checkpointAt, newestAnchored, type AnchoredRow } from '@everseal/ledger-store';
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

type Authorities = Pick<CliSettings, 'authorities'>;
type Pinned = ReturnType<typeof parsePinnedAuthority>;

/**
 * Those of checkpoints larger than `after` up to `upTo`, by size.
 * @throws CliFailure when one is not about its checkpoint, or not of its authority
 */
export async function* storedStamps(
  ledger: AuditedLedger,
  { authorities }: Authorities,
  after: number,
  upTo: number,
): AsyncGenerator<StoredStamp> {
  const { pool, ledgerId } = ledger;
  const pinned = new Map(authorities.map(({ name, certificatesFile }) => [name, readPinned(certificatesFile)]));
  if (pinned.size === 0) return;
  for (let next: number | null = after; next !== null;) {
    const page = await anchorPage(pool, ledgerId, next, upTo);
    for (const { kind, target, size, evidence } of page.anchors) {
      const certificates = kind === KIND ? pinned.get(target) : undefined;
      if (!certificates) continue;
      const row = await checkpointAt(pool, ledgerId, size);
      yield checkedStamp(ledger, { size, target, evidence, note: row?.note ?? null }, certificates);
    }
    next = page.next;
  }
}

/**
 * Of each authority one, of a checkpoint of at most `upTo` entries: the first over everything before entry `to`, else the newest over
 * anything from `from` on. By size.
 * @throws CliFailure as `storedStamps`
 */
export async function coveringStamps(
  ledger: AuditedLedger,
  { authorities }: Authorities,
  { from, to }: { from: number; to: number },
  upTo: number,
): Promise<StoredStamp[]> {
  const { pool, ledgerId } = ledger;
  const stamps: StoredStamp[] = [];
  for (const { name, certificatesFile } of authorities) {
    const place = { kind: KIND, target: name };
    let [row] = await anchorsAfter(pool, ledgerId, place, to - 1, 1);
    if (!row || row.size > upTo) {
      const newest = (await newestAnchored(pool, ledgerId, place)) ?? 0;
      if (newest > from && newest < to) [row] = await anchorsAfter(pool, ledgerId, place, newest - 1, 1);
    }
    if (row && row.size <= upTo) stamps.push(checkedStamp(ledger, row, readPinned(certificatesFile)));
  }
  return stamps.sort((a, b) => a.size - b.size);
}

const readPinned = (certificatesFile: string): Pinned => parsePinnedAuthority(readFileSync(certificatesFile));

function checkedStamp(
  { origin }: AuditedLedger,
  { size, target, evidence, note }: Pick<AnchoredRow, 'size' | 'target' | 'evidence' | 'note'>,
  pinned: Pinned,
): StoredStamp {
  const signed = Buffer.from(note ?? '');
  try {
    verifyTimestamp(evidence, signed, { pinned, policy: null, nonce: null });
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw altered(`the time stamp of ${target} on size ${size} of ${origin} does not hold: ${cause.message}`, cause);
  }
  return { size, authority: target, signed, token: evidence };
}
