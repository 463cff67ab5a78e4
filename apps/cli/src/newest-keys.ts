/**
 * The key sets of a ledger, as far as this machine may know it: only the operator may read announcements; without
 * that certificate, and before the first announcement, it is the first key set alone.
 */
import type { KeySet } from '@everseal/audit-core';
import type { NatsLink } from '@everseal/messaging';
import { explain } from './explain-error.js';
import { connectAsOps } from './connections.js';
import type { Context } from './context.js';
import { newestAnnouncement, type LedgerTrust, type NewestAnnouncement } from './ledger-trust.js';

/** The newest key set. @param what is done with the keys, for the note that says it is done with the first ones */
export async function newestKeys(context: Context, trust: LedgerTrust, what: string): Promise<KeySet> {
  return (await announcedKeys(context, trust, what))?.keys ?? trust.keys;
}

/** All key sets, oldest first, as far as each leads to the next. @param what as in `newestKeys` */
export async function knownKeySets(context: Context, trust: LedgerTrust, what: string): Promise<readonly KeySet[]> {
  return (await announcedKeys(context, trust, what))?.sets ?? [trust.keys];
}

async function announcedKeys(context: Context, trust: LedgerTrust, what: string): Promise<NewestAnnouncement | null> {
  const settings = context.settings();
  if (settings.ops === undefined) return null;
  let link: NatsLink | null = null;
  try {
    link = await connectAsOps(settings);
    return await newestAnnouncement(link, trust);
  } catch (error) {
    const { message } = explain(error);
    context.terminal.note(`note: ${what} with the first key set; the newest cannot be read: ${message}`);
    return null;
  } finally {
    await link?.close();
  }
}
