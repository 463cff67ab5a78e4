/** Frames as they come from the stream, and as they are once they were checked. */

import { encodeFrameMessage, leafHash } from '@everseal/audit-core';
import type { StoredMessage } from '@everseal/messaging';
import type { MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import type { CheckedFrame } from './open-block.js';

export const subjectOf = (ingester: string): string => `audit.frames.main.${ingester}`;

export function messageOf({ frame, note, entries }: MadeFrame, sequence = 1): StoredMessage {
  const data = Buffer.from(encodeFrameMessage(note, entries));
  return { sequence, subject: subjectOf(frame.ingester), time: '2026-01-01T00:00:00Z', data };
}

/** Not through checkFrame: what that does is tested by itself. */
export function checkedOf(made: MadeFrame, sequence = 1): CheckedFrame {
  const { frame, note, hash, entries } = made;
  const events = messageOf(made).data.subarray(4 + note.length);
  return { frame, note, hash, leaves: entries.map((entry) => leafHash(entry)), events, sequence };
}
