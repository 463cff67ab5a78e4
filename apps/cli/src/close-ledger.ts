/**
 * `everseal restore --close`: the last resort. Blocks that were witnessed are lost, and no archive holds them: the origin must
 * never continue below its newest checkpoint, so it is closed for good, and a signed note lets its successor begin
 * (formats.md, "Successor"). The note says what was lost: the newest known checkpoint, and what survives.
 *
 *     derive what survives → prove the loss → sign the note → write it, and which frames survive → close the origin
 *
 * It closes nothing that the archives which were named bring back, and nothing that has lost nothing; unless what is lost is
 * the log key itself, which no archive has: then nobody can continue the log, and the operator says so (decision 0093).
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import {
  EMPTY_ROOT,
  formatTimestamp,
  FormatError,
  formatSurvivingHeads,
  openRestore,
  signRestore,
  SigningKey,
  successorOf,
  type Checkpoint,
  type KeySet,
  type LogReplay,
  type Restore,
} from '@everseal/audit-core';
import { closeLedger } from '@everseal/ledger-store';
import { readPrivateText } from '@everseal/tls';
import { CliFailure, usage } from './cli-failure.js';
import type { Context } from './context.js';
import { EXIT } from './exit-code.js';
import { readTrust, type LedgerTrust } from './ledger-trust.js';
import { planRestore, survivingLog, type RestoreParts } from './restore-log.js';
import { survivingFrames } from './surviving-frames.js';
import { count, printable } from './terminal.js';

export interface CloseOptions {
  /** File with the successor's log key, and one with an operator key of both ledgers. */
  logKey?: string | undefined;
  operatorKey?: string | undefined;
  reason?: string | undefined;
  /** The log key is lost, without a copy: a ledger that has all its blocks is closed, too. */
  logKeyLost?: boolean | undefined;
  /** Where the note goes. */
  out?: string | undefined;
  yes?: boolean | undefined;
  json?: boolean | undefined;
}

/** What has to be told on the command line. */
interface Orders {
  readonly log: SigningKey;
  readonly operator: SigningKey;
  readonly reason: string;
  readonly out: string;
}

/** @throws CliFailure before anything is closed; StoreError */
export async function closeForSuccessor(
  context: Context,
  trust: LedgerTrust,
  parts: RestoreParts,
  fence: number,
  options: CloseOptions,
): Promise<void> {
  const orders = readOrders(options);
  const name = successorOf(trust.origin).split('/').at(-1)!;
  const successor = readTrust(context.settings(), name);
  if (options.logKeyLost !== true) await requireLost(context, parts);
  const surviving = await survivingLog(parts);
  const closed = surviving.keySet ?? trust.keys;
  const witnessed = parts.goals.newestCosigned!.checkpoint;
  if (surviving.size >= witnessed.size && options.logKeyLost !== true) {
    throw usage(`${trust.origin} holds its newest cosigned checkpoint: it is damaged, not lost; see the runbook`);
  }
  const restore = lossOf(trust.origin, witnessed, surviving, orders.reason, formatTimestamp(context.now()));
  if (options.yes !== true) {
    const lost = `size ${count(restore.checkpoint.size)} was witnessed, ${count(restore.surviving.size)} survive`;
    throw usage(`${trust.origin} would be closed for good (${lost}), nothing was done: say --yes to do it`);
  }
  writeNote(orders, restore, successor.keys, closed);
  await writeHeads(context, parts, surviving, restore, headsFileOf(orders.out));
  // Crash here: the note is there, the origin still open; run again, it is found and kept.
  await closeLedger(parts.pool, parts.ledgerId, fence);
  tell(context, options, restore, orders.out);
}

/** Beside the note: which frames of each ingester survive. */
const headsFileOf = (out: string): string => `${out}.heads`;

/** For the ingesters, which frame the rest anew; made again by every run. */
async function writeHeads(
  { terminal }: Context,
  parts: RestoreParts,
  surviving: LogReplay,
  restore: Restore,
  file: string,
): Promise<void> {
  const { heads, unproven } = await survivingFrames(parts, surviving, restore);
  for (const { ingester, why } of unproven) {
    terminal.note(
      `note: ${ingester} will frame everything that it still holds a second time, for its newest surviving frame cannot be proven: ${printable(why)}`,
    );
  }
  writeFileSync(file, formatSurvivingHeads(heads), { flush: true });
}

function readOrders({ logKey, operatorKey, reason, out }: CloseOptions): Orders {
  if (logKey === undefined || operatorKey === undefined || reason === undefined || out === undefined) {
    throw usage('to close a ledger say --log-key (of the successor), --operator-key, --reason and --out');
  }
  const key = (file: string): SigningKey => SigningKey.fromSkey(readPrivateText(file).trim());
  return { log: key(logKey), operator: key(operatorKey), reason, out };
}

/** Closing is final: what an archive can bring back is put back instead. Says why it cannot. */
async function requireLost({ terminal }: Context, parts: RestoreParts): Promise<void> {
  try {
    await planRestore(parts);
  } catch (error) {
    if (!(error instanceof CliFailure) || error.exitCode !== EXIT.findings) throw error;
    terminal.note(`note: ${printable(error.message)}`);
    return;
  }
  throw usage('nothing is lost for good: leave --close away, and what is missing is put back');
}

function lossOf(
  closed: string,
  { size: newest, root: newestRoot }: Checkpoint,
  { size, root }: LogReplay,
  reason: string,
  time: string,
): Restore {
  const surviving = { size, root: size === 0 ? EMPTY_ROOT : root };
  const witnessed = { size: newest, root: newestRoot };
  return { origin: successorOf(closed), closed, checkpoint: witnessed, surviving, reason, time };
}

/** A note that an interrupted run left is kept, if it says the same but for its time. */
function writeNote({ log, operator, out }: Orders, restore: Restore, genesis: KeySet, closed: KeySet): void {
  try {
    if (existsSync(out)) {
      const before = openRestore(readFileSync(out), genesis, closed);
      const same = { ...restore, time: before.time };
      if (JSON.stringify(before) === JSON.stringify(same)) return;
      throw usage(`${out} holds another note of this ledger: move it away, or name another file`);
    }
    const note = signRestore(restore, log, operator);
    // As every reader of the successor will: by the operators of both.
    openRestore(note, genesis, closed);
    writeFileSync(out, note, { flag: 'wx', flush: true });
  } catch (error) {
    const isUnfit = error instanceof FormatError || error instanceof RangeError;
    if (!isUnfit) throw error;
    throw usage(`the note cannot be made with these keys and this reason: ${error.message}; nothing was closed`);
  }
}

function tell({ terminal }: Context, { json }: CloseOptions, restore: Restore, out: string): void {
  const { origin, closed, checkpoint, surviving, reason } = restore;
  if (json) {
    terminal.json({
      closed,
      successor: origin,
      witnessed: checkpoint.size,
      surviving: surviving.size,
      reason,
      note: out,
      heads: headsFileOf(out),
    });
    return;
  }
  terminal.line(
    `${closed} is closed: ${count(checkpoint.size)} entries were witnessed, ${count(surviving.size)} survive`,
  );
  terminal.line(
    `its successor is ${origin}. The note for it is ${out}: name it as successorNoteFile in its sealer's settings`,
  );
  terminal.line(
    `its ingesters frame anew what does not survive: name ${out} and ${headsFileOf(out)} under continues in their settings`,
  );
}
