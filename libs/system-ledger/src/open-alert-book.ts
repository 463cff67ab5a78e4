/** Wires the alerts of a service: kept on its disk, stored by the broker in the stream ALERTS, and sealed into the system ledger. */
import path from 'node:path';
import { alertKeyName, FormatError, NOTE_KEY, type SigningKey } from '@everseal/audit-core';
import { publishStored, type NatsLink } from '@everseal/messaging';
import { ALERTS, alertSubject, type AlertingService, type Policy } from '@everseal/policy';
import { AlertBook, KeyFile, StopProcess } from '@everseal/process';
import type { SystemLedger } from './system-ledger.js';

const STORED_WITHIN_MS = 5_000;

export interface AlertBookPlace {
  policy: Policy;
  service: AlertingService;
  /** Name of the instance in the policy. */
  name: string;
  key: SigningKey;
  /** Where alerts.json is kept. */
  folder: string;
  link: NatsLink;
  /** Null where the policy names none. */
  systemLedger: SystemLedger | null;
  /** Wall clock, ms since 1970. */
  now: () => number;
  /** A failure of the disk while alerts are sent in the background. */
  onFault: (error: Error) => void;
}

/** @throws StopProcess when what is kept cannot be read; system errors of the folder */
export function openAlertBook(place: AlertBookPlace): AlertBook {
  const { policy, service, name, key, folder, link, systemLedger, now, onFault } = place;
  const send = async (code: string, message: Buffer): Promise<boolean> => {
    const at = { stream: ALERTS, timeoutMs: STORED_WITHIN_MS };
    return (await publishStored(link, alertSubject(code), message, at)).outcome === 'stored';
  };
  return new AlertBook(
    path.join(folder, 'alerts.json'),
    `${policy.domain}/${service}/${name}`,
    key,
    now,
    send,
    (message) => systemLedger?.sealAlert(message) ?? true,
    onFault,
  );
}

/** The key that a service signs its alerts with. @throws StopProcess key.changed */
export function readAlertKey(file: string, { domain }: Policy, service: AlertingService, name: string): SigningKey {
  const own = alertKeyName(domain, service, name);
  try {
    return KeyFile.only(file, own, NOTE_KEY);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new StopProcess('key.changed', `${file} is not the key of ${own}: ${cause.message}`, { cause });
  }
}
