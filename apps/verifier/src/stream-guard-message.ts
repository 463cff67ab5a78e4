/**
 * A message of the stream, for custody: the signed note in it shows that the frame was made; the events beside it show
 * whether the stream holds it whole. What is no frame of this ledger is left to the sealer, which puts it aside and says so.
 */

import { checkFrameMessage, FormatError, parseFrameMessage, type FrameMessage } from '@everseal/audit-core';
import type { StoredMessage } from '@everseal/messaging';
import type { CustodyLedger } from './custody-ledger.js';

/** Takes a message apart; null when it is no frame message. */
export function openMessage({ data }: StoredMessage): FrameMessage | null {
  try {
    return parseFrameMessage(data);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

/** Tells custody of the frame in a message. */
export function hearMessage(message: StoredMessage, custody: CustodyLedger): void {
  const opened = openMessage(message);
  if (!opened) return;
  const note = opened.note.toString();
  const heard = custody.hear(note, 'stream, with other events');
  if (!heard || heard.sealed || heard.where === 'stream') return;
  try {
    checkFrameMessage(heard.frame, opened);
    custody.hear(note, 'stream');
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}
