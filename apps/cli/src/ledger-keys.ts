/**
 * The key sets of a ledger as its active sealer tells them, believed as far as each follows from the genesis note of this
 * machine; and an operator's order for another one on its way there. An order is in force when an announcement proves that
 * its set is in the log.
 */
import {
  followKeySets,
  FormatError,
  formatKeySetText,
  formatKeysRequest,
  formatTimestamp,
  keySetOfNote,
  leafHash,
  parseKeysReport,
  type KeySet,
  type KeySetEntry,
} from '@everseal/audit-core';
import { listen, type NatsLink } from '@everseal/messaging';
import { keysSubject } from '@everseal/policy';
import { setTimeout as sleep } from 'node:timers/promises';
import { askSealers } from './ask-sealers.js';
import { CliFailure } from './cli-failure.js';
import { connectAsOps } from './connections.js';
import type { Context } from './context.js';
import { EXIT } from './exit-code.js';
import { newestAnnouncement, readTrust, type LedgerTrust, type NewestAnnouncement } from './ledger-trust.js';

const LOOK_EVERY_MS = 500;

/** A key set as it stands in the log. */
export interface PlacedKeySet extends KeySetEntry {
  readonly index: number;
  readonly note: string;
}

export interface SealersOptions {
  ledger: string;
  /** Seconds to wait, for each answer and for what follows from it. */
  timeout: number;
}

/**
 * The key sets of the log, the genesis first; after the order, if there is one, was carried out.
 * @throws CliFailure when what the sealer says does not follow from the genesis note, or it refuses the order
 */
export async function keySetsOf(
  context: Context,
  order: string | null,
  options: SealersOptions,
): Promise<PlacedKeySet[]> {
  const { ledger, timeout } = options;
  const trust = readTrust(context.settings(), ledger);
  const subjectOf = (sealer: string): string => keysSubject(ledger, sealer);
  const body = formatKeysRequest(order);
  const told = await askSealers(context.settings(), { ledger, subjectOf, body, parse: parseKeysReport, timeout });
  const first = { set: trust.keys, hash: trust.genesis };
  try {
    const followed = followKeySets(
      first,
      told.map(({ note }) => note),
    );
    const placed = [first, ...followed].map((entry): PlacedKeySet | null => {
      const found = told.find(({ note }) => leafHash(Buffer.from(note)).equals(entry.hash));
      return found ? { ...entry, ...found } : null;
    });
    if (placed.at(-1)?.note === told.at(-1)!.note) return placed.filter((one) => one !== null);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw doesNotFollow(trust, cause.message, cause);
  }
  throw doesNotFollow(trust, 'the sets in between are not in the answer');
}

function doesNotFollow({ origin }: LedgerTrust, why: string, cause?: unknown): CliFailure {
  const what = `the key sets that the sealer of ${origin} tells do not follow from the genesis note of this machine: ${why}`;
  return new CliFailure(EXIT.findings, what, { cause });
}

/**
 * Waits until an announcement says what is waited for.
 * @param is null when it does, else in words what is missing
 * @param hear what to listen to meanwhile
 * @throws CliFailure EXIT.unavailable when it does not come in time
 */
export async function announced(
  context: Context,
  { ledger, timeout }: SealersOptions,
  is: (newest: NewestAnnouncement) => string | null,
  hear: { readonly subject: string; readonly message: (data: Buffer) => void } | null = null,
): Promise<NewestAnnouncement> {
  const settings = context.settings();
  const trust = readTrust(settings, ledger);
  const deadline = performance.now() + timeout * 1_000;
  const link = await connectAsOps(settings);
  if (hear)
    listen(link, hear.subject, { onMessage: ({ data }) => hear.message(Buffer.from(data)), onFault: () => undefined });
  try {
    for (;;) {
      const { newest, missing } = await look(link, trust, is);
      if (missing === null) return newest!;
      if (performance.now() >= deadline || context.signal.aborted) {
        throw new CliFailure(EXIT.unavailable, `${missing}. Nothing is lost: run the same again later`);
      }
      await sleep(LOOK_EVERY_MS);
    }
  } finally {
    await link.close();
  }
}

async function look(
  link: NatsLink,
  trust: LedgerTrust,
  is: (newest: NewestAnnouncement) => string | null,
): Promise<{ newest: NewestAnnouncement | null; missing: string | null }> {
  try {
    const newest = await newestAnnouncement(link, trust);
    return { newest, missing: newest ? is(newest) : `nothing is announced of ${trust.origin} yet` };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { newest: null, missing: `the newest announcement does not verify yet (${error.message})` };
  }
}

/** Has an order carried out, and waits until its set is in force for everybody who reads announcements. */
export async function putInForce(context: Context, order: string, options: SealersOptions): Promise<PlacedKeySet> {
  const wanted = keySetOfNote(order);
  const sets = await keySetsOf(context, order, options);
  const placed = sets.find(({ set }) => isSame(set, wanted));
  if (!placed) throw new CliFailure(EXIT.bug, 'the sealer took the order and does not name its key set');
  await announced(context, options, ({ keysIndex }) =>
    keysIndex >= placed.index ? null : `the key set of entry ${placed.index} is sealed and not cosigned yet`,
  );
  const { terminal } = context;
  terminal.note(`in force: the key set of ${wanted.time} is entry ${placed.index} of ${wanted.origin}`);
  return placed;
}

/** What the next key set follows, and its time. */
export function nextAfter(sets: readonly PlacedKeySet[], now: number): { current: PlacedKeySet; time: string } {
  return { current: sets.at(-1)!, time: formatTimestamp(now) };
}

const isSame = (one: KeySet, other: KeySet): boolean => formatKeySetText(one) === formatKeySetText(other);
