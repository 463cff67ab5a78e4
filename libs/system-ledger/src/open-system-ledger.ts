/** Wires a service's way into the system ledger: read this to know what it is made of. */
import { readFileSync } from 'node:fs';
import { FormatError, originOf } from '@everseal/audit-core';
import { StreamReader, submit, type NatsLink } from '@everseal/messaging';
import {
  ANNOUNCEMENTS,
  announceSubject,
  submitSubject,
  systemProducers,
  type SystemService,
  type Policy,
} from '@everseal/policy';
import { StopProcess, type Health, type Logger, type Registry } from '@everseal/process';
import { AnnouncedKeys } from './announced-keys.js';
import { Outbox } from './outbox.js';
import { SystemLedger } from './system-ledger.js';
import { SystemLedgerWriter } from './system-ledger-writer.js';

/** Longer than ingest lets a request wait, so that a late receipt is still heard. */
const ANSWER_WITHIN_MS = 10_000;

export interface SystemLedgerPlace {
  policy: Policy;
  service: SystemService;
  /** Name of the instance in the policy. */
  name: string;
  /** The system ledger's genesis note; needed where the policy names a system ledger. */
  genesisFile: string | undefined;
  /** Where what waits is kept. */
  folder: string;
  link: NatsLink;
  health: Health;
  metrics: Registry;
  logger: Logger;
}

/**
 * Null where the policy names no system ledger.
 * @throws StopProcess `settings.system-ledger`: the genesis note is not given or not that ledger's; system errors of the folder
 */
export function openSystemLedger(place: SystemLedgerPlace): SystemLedger | null {
  const { policy, service, name, folder, link, health, metrics, logger } = place;
  const { systemLedger } = policy;
  const own = systemProducers(policy).find((one) => one.service === service && one.name === name);
  if (systemLedger === undefined || own === undefined) return null;
  const origin = originOf(policy.domain, systemLedger);
  const newest = new StreamReader(link, ANNOUNCEMENTS);
  const announced = async (): Promise<Buffer | null> =>
    (await newest.lastBySubject(announceSubject(systemLedger)))?.data ?? null;
  const keys = openKeys(place.genesisFile, origin, announced);
  const subject = submitSubject(systemLedger, own.producer);
  const outbox = Outbox.open(folder);
  const writer = new SystemLedgerWriter({
    outbox,
    origin,
    producer: own.producer,
    keys,
    submit: (event) => submit(link, subject, event, { timeoutMs: ANSWER_WITHIN_MS }),
    logger,
    now: () => performance.now(),
  });
  return new SystemLedger({ origin, outbox, writer, health, metrics, logger });
}

function openKeys(file: string | undefined, origin: string, newest: () => Promise<Buffer | null>): AnnouncedKeys {
  if (file === undefined) {
    const message = `the policy names the system ledger ${origin}: give its genesis note as systemGenesisFile`;
    throw new StopProcess('settings.system-ledger', message);
  }
  try {
    return new AnnouncedKeys(readFileSync(file), origin, newest);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    const message = `${file} is not the first key set of ${origin} (${cause.message}): put the right file there`;
    throw new StopProcess('settings.system-ledger', message, { cause });
  }
}
