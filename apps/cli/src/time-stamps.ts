/**
 * Time stamps (RFC 3161) beside what an auditor checks: since when a checkpoint existed, according to an authority that neither runs the
 * log nor the verifiers. Checked against certificates that the auditor names (`--tsa`); an export brings those that its operator pinned,
 * which prove as much as whoever gave the export.
 */
import { existsSync } from 'node:fs';
import {
  EXPORT_FOLDERS,
  FormatError,
  formatTimestamp,
  numbersIn,
  readExported,
  signedByLog,
  stampedFile,
  type Believed,
  type ExportFiles,
  type Words,
} from '@everseal/audit-core';
import { parsePinnedAuthority, verifyTimestamp, type Timestamp, type TimestampTrust } from '@everseal/timestamps';
import { CliFailure } from './cli-failure.js';
import { EXIT } from './exit-code.js';
import { readSmallFile } from './tell-words.js';
import { count } from './terminal.js';

type Pinned = TimestampTrust['pinned'];

export interface StampsShown extends Words {
  /** What `--json` says of them. */
  readonly facts: object;
}

const NO_STAMPS: StampsShown = { proven: [], notProven: [], facts: {} };
const ENDING = '.tst';

/** The certificates that were named; null when none were. @throws CliFailure */
export function readAuthorities(files: readonly string[] | undefined): Pinned | null {
  if (files === undefined) return null;
  return files.flatMap((file) => {
    try {
      return parsePinnedAuthority(readSmallFile(file));
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      throw new CliFailure(EXIT.usage, `${file}: ${cause.message} (${cause.code})`, { cause });
    }
  });
}

/** The time stamp beside a proof or checkpoint, `<base>.tst`, if there is one. @throws FormatError timestamp.* */
export function stampBeside(base: string, { checkpoint }: Believed, pinned: Pinned | null): StampsShown {
  const file = `${base}${ENDING}`;
  if (!existsSync(file)) return NO_STAMPS;
  if (pinned === null) {
    const notProven = [`what the time stamp ${file} says: name certificates of its authority with --tsa`];
    return { ...NO_STAMPS, notProven };
  }
  const stamp = verifyTimestamp(readSmallFile(file), signedByLog(checkpoint), { pinned, policy: null, nonce: null });
  return {
    proven: [`the checkpoint existed, signed by the log, ${since(stamp)}`],
    notProven: [],
    facts: { timestamp: factsOf(stamp) },
  };
}

interface ExportedStamp extends Timestamp {
  readonly size: number;
}

/**
 * Every time stamp of an export, which itself was checked before.
 * @param pinned null for the certificates that the export brings
 * @throws FormatError `timestamp.*`, `export.missing`, `export.name`
 */
export async function stampsOfExport(files: ExportFiles, pinned: Pinned | null): Promise<StampsShown> {
  const byName = new Map<string, ExportedStamp[]>();
  for (const size of await numbersIn(files, EXPORT_FOLDERS.timestamps)) {
    const message = await readExported(files, stampedFile(size));
    const folder = `${EXPORT_FOLDERS.timestamps}/${size}`;
    for (const file of (await files.list(folder)).filter((name) => name !== 'checkpoint')) {
      if (!file.endsWith(ENDING))
        throw new FormatError('export.name', `${folder} holds something else than time stamps`);
      const name = file.slice(0, -ENDING.length);
      const trust = { pinned: pinned ?? (await broughtAlong(files, name)), policy: null, nonce: null };
      const stamp = verifyTimestamp(await readExported(files, `${folder}/${file}`), message, trust);
      byName.set(name, [...(byName.get(name) ?? []), { ...stamp, size }]);
    }
  }
  if (byName.size === 0) return NO_STAMPS;
  const proven = [...byName].map(([name, stamps]) => wordsOf(name, stamps));
  const notProven =
    pinned === null
      ? [
          'that the time-stamp authorities are who they say: their certificates came with the export; name yours with --tsa',
        ]
      : [];
  const timestamps = Object.fromEntries([...byName].map(([name, stamps]) => [name, stamps.map(exportedFacts)]));
  return { proven, notProven, facts: { timestamps } };
}

async function broughtAlong(files: ExportFiles, name: string): Promise<Pinned> {
  return parsePinnedAuthority(await readExported(files, `${EXPORT_FOLDERS.authorities}/${name}.pem`));
}

function wordsOf(name: string, stamps: readonly ExportedStamp[]): string {
  const [first, last] = [stamps[0]!, stamps.at(-1)!];
  const begin = `the tree of ${count(first.size)} entries existed, signed by the log, ${since(first)}`;
  const end = first === last ? '' : `; that of ${count(last.size)} ${since(last)}`;
  return `${count(stamps.length)} time stamps of ${name} hold: ${begin}${end}`;
}

/** At the latest when, and according to whom. */
function since({ time, accuracyMs, authority }: Timestamp): string {
  const within = accuracyMs === null ? '' : ` (± ${accuracyMs / 1_000} s by its own word)`;
  return `at the latest at ${formatTimestamp(time)}${within}, by the clock of the time-stamp authority ${authority}`;
}

function factsOf({ time, authority, policy, serial }: Timestamp): object {
  return { time: formatTimestamp(time), authority, policy, serial };
}

const exportedFacts = (stamp: ExportedStamp): object => ({ size: stamp.size, ...factsOf(stamp) });
