/**
 * `everseal restore`: puts lost blocks of a ledger back byte for byte, so that the sealer goes on with the same log and every
 * receipt stays true. For a database that was restored from a backup and lacks the newest blocks (log.rolled-back), or that
 * lost some (log.truncated, block.missing).
 *
 * Done with the rights of a sealer, the lowest that may add to a ledger: what stands cannot be changed with them. The signer's
 * memory is never touched: the log key goes on from what it signed last.
 */
import { formatNote, type CheckpointGoals } from '@everseal/audit-core';
import { findLedger, insertCheckpoint, insertCosignature, readHead } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { CliFailure, noLedger, usage } from './cli-failure.js';
import { closeForSuccessor, type CloseOptions } from './close-ledger.js';
import { openAsSealer } from './connections.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { knownCheckpoints } from './known-checkpoints.js';
import { readTrust, type LedgerTrust } from './ledger-trust.js';
import { ArchiveList, openArchive } from './open-archive.js';
import { Progress } from './progress.js';
import { RestoreLease } from './restore-lease.js';
import { planRestore, writeRestore, type RestoreParts, type RestorePlan } from './restore-log.js';
import { count, counted } from './terminal.js';

export interface RestoreOptions extends CloseOptions {
  /** Folders of archives. */
  from: string[];
  /** Files with checkpoints that somebody kept. */
  checkpoint?: string[] | undefined;
  /** Leave out what an archive holds beyond the newest known checkpoint. */
  onlyCheckpointed?: boolean | undefined;
  /** Close the ledger for a successor, because nobody has what it lost. */
  close?: boolean | undefined;
}

export async function restore(context: Context, ledger: string, options: RestoreOptions): Promise<ExitCode> {
  const settings = context.settings();
  const trust = readTrust(settings, ledger);
  if (options.from.length === 0 && !options.close) throw usage('say where the lost blocks are, with --from');
  const archive = new ArchiveList(await Promise.all(options.from.map((folder) => openArchive(folder, ledger))));
  const pool = await openAsSealer(settings, 'everseal-restore');
  try {
    const ledgerId = await findLedger(pool, trust.origin);
    if (ledgerId === null) throw noLedger(trust.origin);
    const files = options.checkpoint ?? [];
    const goals = await knownCheckpoints(context, { trust, archive, pool, ledgerId, files });
    await underLease(context, options, { trust, archive, pool, ledgerId, goals });
    return EXIT.ok;
  } finally {
    await pool.end();
  }
}

type Prepared = Pick<RestoreParts, 'archive' | 'pool' | 'ledgerId' | 'goals'> & { readonly trust: LedgerTrust };

/** From here on no sealer seals. */
async function underLease(context: Context, options: RestoreOptions, prepared: Prepared): Promise<void> {
  const { trust, pool, ledgerId, goals } = prepared;
  const lease = await RestoreLease.take(pool, ledgerId);
  try {
    const { height, size, state } = await readHead(pool, ledgerId);
    if (state !== 'open')
      throw usage(`${trust.origin} is closed, and its successor goes on: nothing is done to it any more`);
    const total = goals.newestCosigned!.checkpoint.size;
    const progress = new Progress(context.terminal.progressOutput, 'checking entries', total);
    const parts: RestoreParts = {
      ...prepared,
      headHeight: height,
      onlyKnown: options.onlyCheckpointed === true,
      signal: context.signal,
      onChecked: (entries) => progress.add(entries),
    };
    if (options.close) {
      await closeForSuccessor(context, trust, parts, lease.fence, options).finally(() => progress.end());
      return;
    }
    const plan = await planRestore(parts).finally(() => progress.end());
    await carryOut(context, parts, plan, lease.fence);
    tell(context, options, { origin: trust.origin, plan, goals, before: { height, size } });
  } finally {
    await lease.release();
  }
}

/** Blocks first, then what was signed about them; a run that is killed in between is completed by the next. */
async function carryOut(context: Context, parts: RestoreParts, plan: RestorePlan, fence: number): Promise<void> {
  const { pool, ledgerId, goals } = parts;
  const progress = new Progress(context.terminal.progressOutput, 'putting blocks back', plan.lost.size);
  await writeRestore(parts, plan, fence, () => progress.add(1)).finally(() => progress.end());
  const head = await readHead(pool, ledgerId);
  if (head.size !== plan.size || head.height !== plan.height) {
    const stands = `the head row names block ${head.height} and size ${head.size}`;
    const message = `every block up to ${plan.height} stands, but ${stands}, not ${plan.size}: see log.truncated in the runbook`;
    throw new CliFailure(EXIT.findings, message);
  }
  await insertCheckpoints(pool, ledgerId, fence, goals);
}

/** Every checkpoint that was passed, as its signer made it, and what verifiers signed about it. */
async function insertCheckpoints(pool: Pool, ledgerId: number, fence: number, goals: CheckpointGoals): Promise<void> {
  for (const { checkpoint, cosignatures } of goals.all) {
    const { size, text, verified, signatures } = checkpoint;
    await insertCheckpoint(pool, ledgerId, fence, {
      size,
      note: formatNote(
        text,
        verified.map(({ line }) => line),
      ),
    });
    for (const { key } of cosignatures) {
      const { line } = signatures.find(({ name, keyId }) => key.matches(name, keyId))!;
      await insertCosignature(pool, ledgerId, { size, signer: key.name, keyId: Buffer.from(key.idHex, 'hex'), line });
    }
  }
}

interface Told {
  readonly origin: string;
  readonly plan: RestorePlan;
  readonly goals: CheckpointGoals;
  readonly before: { height: number; size: number };
}

function tell({ terminal }: Context, { json }: RestoreOptions, { origin, plan, goals, before }: Told): void {
  const { size, height, lost } = plan;
  const newest = goals.newestCosigned!;
  if (json) {
    const checkpoint = { size: newest.checkpoint.size, from: newest.from };
    terminal.json({ origin, restored: lost.size, heights: [...lost.keys()], size, height, before, checkpoint });
    return;
  }
  const reached = `the newest cosigned checkpoint, size ${count(newest.checkpoint.size)} (${newest.from}), is reached`;
  if (lost.size === 0) {
    terminal.line(`nothing to do: ${origin} holds ${counted(size, 'entry', 'entries')}; ${reached}`);
    return;
  }
  const [first] = lost.keys();
  terminal.line(
    terminal.colors.green(
      `put back ${counted(lost.size, 'block')} of ${origin}, from block ${count(first!)} to ${count(height)}: size ${count(before.size)} became ${count(size)}`,
    ),
  );
  terminal.line(`${reached}. Start the sealer again, then restart the verifiers one after another`);
}
