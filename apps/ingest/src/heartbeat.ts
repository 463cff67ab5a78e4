/**
 * The signed heartbeat: the newest frame note of every ledger, every 10 s and at stop (formats.md, "Messages between
 * services"). Whoever hears it knows the newest frame number, so that a newest frame that never arrives is missed too. The
 * notes carry the signatures; the message around them needs none.
 */
import { agreedSeconds, heartbeatTime } from '@everseal/audit-core';
import type { NatsLink } from '@everseal/messaging';
import { heartbeatSubject } from '@everseal/policy';
import type { LedgerIntake } from './ledger-intake.js';

export const HEARTBEAT_EVERY_MS = 10_000;

/** Publishes one, dated by `now`; silently nothing while disconnected. */
export async function beat(
  link: NatsLink,
  ingester: string,
  intakes: readonly LedgerIntake[],
  now: () => number,
): Promise<void> {
  // Before the notes: whatever the key before has signed is in them, or in the log.
  const signs = Object.fromEntries(intakes.flatMap(({ signs: key }) => (key ? [[key.origin, key.vkey]] : [])));
  const notes = await Promise.all(intakes.map((intake) => intake.newestNote()));
  const frames = notes.filter((note) => note !== null);
  const times = heartbeatTime(now(), agreedSeconds(intakes.flatMap(({ cosigned }) => cosigned)));
  if (link.connected)
    link.nc.publish(heartbeatSubject('ingest', ingester), JSON.stringify({ ...times, frames, signs }));
}
