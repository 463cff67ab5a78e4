/**
 * The anchors that this verifier was told of: what has to be anchored, how often, and what makes a stored anchor good. It is told by its
 * own settings and not by the sealer's, so that whoever stops anchoring there does not stop the question here.
 */
import { readFileSync } from 'node:fs';
import { FormatError } from '@everseal/audit-core';
import { StopProcess } from '@everseal/process';
import { parsePinnedAuthority, verifyTimestamp } from '@everseal/timestamps';
import type { VerifierSettings } from './config.js';

export interface KnownAnchor {
  readonly kind: string;
  readonly target: string;
  /** Length of its periods, milliseconds. */
  readonly everyMs: number;
  /**
   * @param evidence of a stored row @param note the checkpoint of its size, as the log signed it
   * @throws FormatError `timestamp.*`, `anchor.copy` when it is not about this checkpoint, or not genuine
   */
  readonly check: (evidence: Buffer, note: Buffer) => void;
}

/** Those of one ledger. @throws StopProcess anchor.certificates */
export function knownAnchors({ anchors }: Pick<VerifierSettings, 'anchors'>, ledger: string): KnownAnchor[] {
  const isHere = ({ ledgers }: { ledgers?: string[] | undefined }): boolean => ledgers?.includes(ledger) ?? true;
  return [
    ...anchors.timestamps.filter(isHere).map(({ name, certificatesFile, policy, everyMs }) => {
      return timestampAnchor(name, everyMs, readPinned(certificatesFile), policy ?? null);
    }),
    ...anchors.copies.filter(isHere).map(({ name, kind, everyMs }) => copyAnchor(kind, name, everyMs)),
  ];
}

function readPinned(file: string): ReturnType<typeof parsePinnedAuthority> {
  try {
    return parsePinnedAuthority(readFileSync(file));
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new StopProcess('anchor.certificates', `${file}: ${cause.message}`, { cause });
  }
}

export function timestampAnchor(
  target: string,
  everyMs: number,
  pinned: ReturnType<typeof parsePinnedAuthority>,
  policy: string | null,
): KnownAnchor {
  const trust = { pinned, policy, nonce: null };
  const check = (evidence: Buffer, note: Buffer): void => void verifyTimestamp(evidence, note, trust);
  return { kind: 'rfc3161', target, everyMs, check };
}

/** The evidence of a copy is the copy, as it was read back. */
export function copyAnchor(kind: string, target: string, everyMs: number): KnownAnchor {
  const check = (evidence: Buffer, note: Buffer): void => {
    if (evidence.equals(note)) return;
    throw new FormatError('anchor.copy', 'the copy is another note than the stored checkpoint');
  };
  return { kind, target, everyMs, check };
}
