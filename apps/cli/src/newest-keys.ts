/**
 * The newest key set of a ledger, as far as this machine may know it: only the operator may read announcements; without
 * that certificate, and before the first announcement, it is the first key set.
 */
import type { KeySet } from '@everseal/audit-core';
import type { NatsLink } from '@everseal/messaging';
import { explain } from './cli-failure.js';
import { connectAsOps } from './connections.js';
import type { Context } from './context.js';
import { newestAnnouncement, type LedgerTrust } from './ledger-trust.js';

/** @param what is done with the keys, for the note that says it is done with the first ones */
export async function newestKeys(context: Context, trust: LedgerTrust, what: string): Promise<KeySet> {
  const settings = context.settings();
  if (settings.ops === undefined) return trust.keys;
  let link: NatsLink | null = null;
  try {
    link = await connectAsOps(settings);
    return (await newestAnnouncement(link, trust))?.keys ?? trust.keys;
  } catch (error) {
    const { message } = explain(error);
    context.terminal.note(`note: ${what} with the first key set; the newest cannot be read: ${message}`);
    return trust.keys;
  } finally {
    await link?.close();
  }
}
