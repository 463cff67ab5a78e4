import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { alertEventVectors } from './make/alert-event.js';
import { anchorFileVectors } from './make/anchor-file.js';
import { alertNoteVectors } from './make/alert-note.js';
import { announcementVectors } from './make/announcement.js';
import { blockVectors } from './make/block.js';
import { claimAnswerVectors } from './make/claim-answer.js';
import { claimVectors } from './make/claim.js';
import { custodyFileVectors } from './make/custody-file.js';
import { eventEntryVectors } from './make/event-entry.js';
import { frameMessageVectors } from './make/frame-message.js';
import { frameVectors } from './make/frame.js';
import { gapVectors } from './make/gap.js';
import { keySetVectors } from './make/key-set.js';
import { receiptVectors } from './make/receipt.js';
import { refusalVectors } from './make/refusal.js';
import { restoreVectors } from './make/restore.js';
import { tlogPolicyVectors } from './make/tlog-policy.js';
import { witnessJudgementVectors } from './make/witness-judgement.js';
import { vectorPath, type VectorFile } from './vector-file.js';

/**
 * The vector files are what `make/` gives, byte by byte. After a format changed in formats.md:
 * `EVERSEAL_UPDATE_VECTORS=1 npm test -- libs/audit-core/vectors`, and read the difference before it goes in.
 */
const update = process.env.EVERSEAL_UPDATE_VECTORS === '1';

describe('vector files', () => {
  it.each<[string, () => VectorFile<unknown>]>([
    ['event-entry', eventEntryVectors],
    ['key-set', keySetVectors],
    ['frame', frameVectors],
    ['frame-message', frameMessageVectors],
    ['gap', gapVectors],
    ['block', blockVectors],
    ['restore', restoreVectors],
    ['receipt', receiptVectors],
    ['refusal', refusalVectors],
    ['claim', claimVectors],
    ['claim-answer', claimAnswerVectors],
    ['announcement', announcementVectors],
    ['custody-file', custodyFileVectors],
    ['tlog-policy', tlogPolicyVectors],
    ['alert-note', alertNoteVectors],
    ['alert-event', alertEventVectors],
    ['anchor-file', anchorFileVectors],
    ['witness-judgement', witnessJudgementVectors],
  ])('%s.json is what its maker gives', (format, make) => {
    const file = make();
    const text = `${JSON.stringify(file, null, 2)}\n`;
    if (update) writeFileSync(vectorPath(format), text);
    expect(file.format).toBe(format);
    expect(readFileSync(vectorPath(format), 'utf8')).toBe(text);
    expect(new Set(file.cases.map(({ name }) => name)).size).toBe(file.cases.length);
  });
});
