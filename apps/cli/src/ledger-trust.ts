/**
 * What is trusted about a ledger, and what follows from it. Trust starts from the genesis note, a file of this machine;
 * the newest announcement (newest checkpoint and key set) is believed as far as it proves itself from there.
 */
import { readFileSync } from 'node:fs';
import {
  announcementTrust,
  followKeySets,
  FormatError,
  leafHash,
  openGenesis,
  originOf,
  parseAnnouncement,
  parseWitnessesFile,
  verifyAnnouncement,
  withWitnesses,
  type Hash,
  type KeySet,
  type TlogPolicy,
  type VerifiedAnnouncement,
} from '@everseal/audit-core';
import { StreamReader, type NatsLink } from '@everseal/messaging';
import { ANNOUNCEMENTS, announceSubject } from '@everseal/policy';
import { CliFailure } from './cli-failure.js';
import { ledgerSettings, type CliSettings } from './config.js';
import { EXIT } from './exit-code.js';

export interface LedgerTrust {
  readonly ledger: string;
  readonly origin: string;
  /** Leaf hash of entry 0. */
  readonly genesis: Hash;
  /** Its key set. */
  readonly keys: KeySet;
  /** Witnesses of others, with their quorum; null where the settings name none. */
  readonly witnesses: TlogPolicy | null;
}

/** An announcement that verified. */
export interface NewestAnnouncement extends VerifiedAnnouncement {
  /** The checkpoint as a note, cosignatures included. */
  readonly note: string;
  /** All key sets from the genesis note to the newest, as far as the announcement leads from one to the next. */
  readonly sets: readonly KeySet[];
  /** When the broker stored it, RFC 3339. */
  readonly stored: string;
}

/** @throws CliFailure for a ledger that the settings do not have, or a file that is not what it is to be */
export function readTrust(settings: CliSettings, ledger: string): LedgerTrust {
  const { genesisFile, witnessesFile } = ledgerSettings(settings, ledger);
  const origin = originOf(settings.domain, ledger);
  const note = readFileSync(genesisFile);
  const witnesses = witnessesFile === undefined ? null : readWitnesses(witnessesFile);
  try {
    return { ledger, origin, genesis: leafHash(note), keys: openGenesis(note, origin), witnesses };
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    const message = `${genesisFile} is not the first key set of ${origin} (${cause.message}): put the right file there`;
    throw new CliFailure(EXIT.usage, message, { cause });
  }
}

function readWitnesses(file: string): TlogPolicy {
  try {
    return parseWitnessesFile(readFileSync(file));
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new CliFailure(EXIT.usage, `${file} is no file of witnesses: ${cause.message}`, { cause });
  }
}

/** A policy of the ledger's own keys, with the witnesses of others where there are some. @throws CliFailure */
export function withOthers(own: TlogPolicy, { witnesses }: LedgerTrust): TlogPolicy {
  try {
    return witnesses === null ? own : withWitnesses(own, witnesses);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    const message = `the file of witnesses does not go together with the ledger's own verifiers: ${cause.message}`;
    throw new CliFailure(EXIT.usage, message, { cause });
  }
}

/**
 * The newest announcement, as the operator reads it; null while there is none.
 * @throws MessagingError; FormatError when it does not verify
 */
export async function newestAnnouncement(link: NatsLink, trust: LedgerTrust): Promise<NewestAnnouncement | null> {
  const stored = await new StreamReader(link, ANNOUNCEMENTS).lastBySubject(announceSubject(trust.ledger));
  if (stored === null) return null;
  const verified = verifyAnnouncement(stored.data, announcementTrust(trust.keys, trust.genesis), () => null);
  const { checkpoint, keys } = parseAnnouncement(stored.data);
  const first = { set: trust.keys, hash: trust.genesis };
  const followed = followKeySets(first, [...(keys.before ?? []), keys.note]);
  return { ...verified, note: checkpoint, sets: [trust.keys, ...followed.map(({ set }) => set)], stored: stored.time };
}
