/**
 * The time stamp (RFC 3161) beside a proof or checkpoint: since when it existed, according to an authority that neither runs the log nor
 * the verifiers. Checked against certificates that the auditor names (`--tsa`).
 */
import { existsSync } from 'node:fs';
import { FormatError, signedByLog, type Believed } from '@everseal/audit-core';
import { parsePinnedAuthority, verifyTimestamp } from '@everseal/timestamps';
import { CliFailure } from './cli-failure.js';
import { EXIT } from './exit-code.js';
import { NO_STAMPS, since, timestampFacts, type Pinned, type StampsShown } from './exported-stamps.js';
import { readSmallFile } from './tell-words.js';

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
  if (!existsSync(file)) {
    const notProven = `since when it existed by an authority's clock: there is no time stamp ${file}`;
    return pinned === null ? NO_STAMPS : { ...NO_STAMPS, notProven: [notProven] };
  }
  if (pinned === null) {
    const notProven = [`what the time stamp ${file} says: name certificates of its authority with --tsa`];
    return { ...NO_STAMPS, notProven };
  }
  const stamp = verifyTimestamp(readSmallFile(file), signedByLog(checkpoint), { pinned, policy: null, nonce: null });
  return {
    proven: [`the checkpoint existed, signed by the log, ${since(stamp)}`],
    notProven: [],
    facts: { timestamp: timestampFacts(stamp) },
  };
}
