/**
 * The time stamps (RFC 3161) of an export: since when its trees existed, according to an authority that neither runs the log nor the
 * verifiers. Checked against certificates that the auditor names, or those that the export brings, which prove as much as whoever gave it.
 *
 * For `everseal verify` and the verifier that an export brings along, which runs with nothing else beside it: nothing is imported
 * here but audit-core and libs/timestamps.
 */
import {
  EXPORT_FOLDERS,
  formatTimestamp,
  listStamps,
  numeral,
  readExported,
  shown,
  stampedFile,
  stampedSpan,
  tokenFile,
  type Completeness,
  type ExportFiles,
  type Words,
} from '@everseal/audit-core';
import { parsePinnedAuthority, verifyTimestamp, type Timestamp, type TimestampTrust } from '@everseal/timestamps';

export type Pinned = TimestampTrust['pinned'];

export interface StampsShown extends Words {
  /** What `--json` says of them. */
  readonly facts: object;
}

export const NO_STAMPS: StampsShown = { proven: [], notProven: [], facts: {} };

interface ExportedStamp extends Timestamp {
  readonly size: number;
}

/**
 * Every time stamp of an export, which itself was checked before.
 * @param pinned null for the certificates that the export brings
 * @throws FormatError `timestamp.*`, `export.missing`, `export.name`
 */
export async function stampsOfExport(
  files: ExportFiles,
  checked: Completeness,
  pinned: Pinned | null,
): Promise<StampsShown> {
  const byName = new Map<string, ExportedStamp[]>();
  for (const { size, authorities } of await listStamps(files)) {
    const message = await readExported(files, stampedFile(size));
    for (const name of authorities) {
      const trust = { pinned: pinned ?? (await broughtAlong(files, name)), policy: null, nonce: null };
      const stamp = verifyTimestamp(await readExported(files, tokenFile(size, name)), message, trust);
      byName.set(name, [...(byName.get(name) ?? []), { ...stamp, size }]);
    }
  }
  if (byName.size === 0) return NO_STAMPS;
  const span = stampedSpan(checked);
  const proven = [...byName].map(([name, stamps]) => wordsOf(name, stamps, span));
  const notProven =
    pinned === null
      ? [
          'that the time-stamp authorities are who they say: their certificates came with the export; name yours with --tsa',
        ]
      : [];
  const timestamps = Object.fromEntries(
    [...byName].map(([name, stamps]) => [name, stamps.map((stamp) => exportedFacts(stamp, span))]),
  );
  return { proven, notProven, facts: { timestamps } };
}

/** Certificates of an authority in PEM. @throws FormatError `timestamp.*` */
export const readPinned: (pem: Buffer) => Pinned = parsePinnedAuthority;

async function broughtAlong(files: ExportFiles, name: string): Promise<Pinned> {
  return parsePinnedAuthority(await readExported(files, `${EXPORT_FOLDERS.authorities}/${name}.pem`));
}

type Span = ReturnType<typeof stampedSpan>;

function wordsOf(name: string, stamps: readonly ExportedStamp[], span: Span): string {
  const [first, last] = [stamps[0]!, stamps.at(-1)!];
  const holds = stamps.length === 1 ? '1 time stamp' : `${numeral(stamps.length)} time stamps`;
  const begin = `the tree of ${numeral(first.size)} entries existed, signed by the log, ${since(first)}`;
  const end = first === last ? '' : `; that of ${numeral(last.size)} ${since(last)}`;
  return `${holds} of ${shown(name)} ${stamps.length === 1 ? 'holds' : 'hold'}: ${begin}${end}${coverage(last, span)}`;
}

/** What of a part was in the tree that was stamped. */
function coverage({ size }: ExportedStamp, span: Span): string {
  if (span === null) return '';
  if (size >= span.to) return '; every entry of this export is in it';
  return `; of the entries of this export those below ${numeral(size)} are in it`;
}

/** At the latest when, and according to whom. */
export function since({ time, accuracyMs, authority }: Timestamp): string {
  const within = accuracyMs === null ? '' : ` (± ${accuracyMs / 1_000} s by its own word)`;
  return `at the latest at ${formatTimestamp(time)}${within}, by the clock of the time-stamp authority ${authority}`;
}

export function timestampFacts({ time, authority, policy, serial }: Timestamp): object {
  return { time: formatTimestamp(time), authority, policy, serial };
}

function exportedFacts(stamp: ExportedStamp, span: Span): object {
  const covers = span === null ? {} : { coversAll: stamp.size >= span.to };
  return { size: stamp.size, ...covers, ...timestampFacts(stamp) };
}
