/**
 * `everseal reindex`: makes the event index again what the log says, after somebody deleted, altered or doubled rows of it
 * (index.missing, index.altered, index.extra). A sealer may run meanwhile.
 *
 * Rows that are missing are added with the rights of a sealer, which cannot change what stands. To take out rows that stand is more
 * than any service may: it is asked for with --replace, done as the owner of the tables through the login of the deploy step, and what
 * is taken out is kept in a file, for it is evidence. A dry run reads with the reader's rights.
 */
import { findLedger } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { noLedger, usage } from './cli-failure.js';
import { openAsMigrator, openAsSealer, openDatabase } from './connections.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { KeptRows } from './kept-rows.js';
import { knownCheckpoints } from './known-checkpoints.js';
import { readTrust } from './ledger-trust.js';
import { ArchiveList } from './open-archive.js';
import { Progress } from './progress.js';
import { reindexLog, type Hand } from './reindex-log.js';
import type { ReindexReport } from './reindex-report.js';
import { count, counted, printable, type Terminal } from './terminal.js';

export interface ReindexOptions {
  /** Files with checkpoints that somebody kept. */
  checkpoint?: string[] | undefined;
  /** File for the rows that are taken out; without it those that stand are left. */
  replace?: string | undefined;
  dryRun?: boolean | undefined;
  json?: boolean | undefined;
}

const NAME = 'everseal-reindex';
/** Rows that are named on a terminal; --json has more. */
const MOST_LINES = 20;

export async function reindex(context: Context, ledger: string, options: ReindexOptions): Promise<ExitCode> {
  const settings = context.settings();
  if (options.dryRun && options.replace !== undefined) throw usage('--dry-run changes nothing: leave --replace out');
  const trust = readTrust(settings, ledger);
  const pool = await (options.dryRun ? openDatabase(settings) : openAsSealer(settings, NAME));
  const owner = options.replace === undefined ? null : await openAsMigrator(settings, NAME);
  const kept = options.replace === undefined ? null : new KeptRows(options.replace);
  try {
    const ledgerId = await findLedger(pool, trust.origin);
    if (ledgerId === null) throw noLedger(trust.origin);
    const files = options.checkpoint ?? [];
    const sources = { trust, archive: new ArchiveList([]), pool, ledgerId, files };
    const goals = await knownCheckpoints(context, sources);
    const hand = handOf(options, owner, kept);
    const reach = goals.newestCosigned!.checkpoint.size;
    const report = await withProgress(context, reach, (steps) =>
      reindexLog({ pool, ledgerId, trust, goals, signal: context.signal, hand, ...steps }),
    );
    const { checkpoint, from } = goals.newestCosigned!;
    tell(context.terminal, options, report, { origin: trust.origin, checkpoint: { size: checkpoint.size, from } });
    return report.isGood ? EXIT.ok : EXIT.findings;
  } finally {
    kept?.close();
    await owner?.end();
    await pool.end();
  }
}

function handOf({ dryRun }: ReindexOptions, pool: Pool | null, kept: KeptRows | null): Hand {
  if (dryRun) return { as: 'dry' };
  return pool && kept ? { as: 'owner', pool, kept } : { as: 'sealer' };
}

interface Steps {
  readonly onChecked: (entries: number) => void;
  readonly onCompared: (entries: number) => void;
}

/** One bar after the other. @param total entries, about */
async function withProgress<T>({ terminal }: Context, total: number, work: (steps: Steps) => Promise<T>): Promise<T> {
  const checking = new Progress(terminal.progressOutput, 'checking entries', total);
  let comparing: Progress | null = null;
  const onCompared = (entries: number): void => {
    if (comparing === null) checking.end();
    comparing ??= new Progress(terminal.progressOutput, 'comparing entries with the index', total);
    comparing.add(entries);
  };
  return work({ onChecked: (entries) => checking.add(entries), onCompared }).finally(() => {
    checking.end();
    comparing?.end();
  });
}

interface About {
  readonly origin: string;
  readonly checkpoint: { readonly size: number; readonly from: string };
}

function tell(terminal: Terminal, options: ReindexOptions, report: ReindexReport, about: About): void {
  const { size, head, blocks, events, missing, altered, extra, left, findings } = report;
  const { origin, checkpoint } = about;
  if (options.json) {
    const dryRun = options.dryRun === true;
    const found = { blocks, events, missing, altered, extra, left, head, findings };
    terminal.json({ origin, good: report.isGood, dryRun, size, checkpoint, ...found });
    return;
  }
  const { green, red } = terminal.colors;
  for (const { code, detail, expected, found, fate } of findings.slice(0, MOST_LINES)) {
    const values = expected === undefined ? '' : ` (expected ${expected}, found ${found})`;
    terminal.line(printable(`${code}: ${detail}${values}: ${fate}`));
  }
  if (findings.length > MOST_LINES) terminal.line('and more: the counts below are of all');
  const reached = `the newest cosigned checkpoint, size ${count(checkpoint.size)} (${checkpoint.from}), is reached`;
  terminal.line(
    `${origin}: ${counted(events, 'event')} in ${counted(blocks, 'block')} compared with the index; ${reached}`,
  );
  if (missing + altered + extra === 0)
    terminal.line(green('good: the index is what the log says; nothing was written'));
  else if (left === 0) terminal.line(green(`the index is what the log says again: ${report.told()}, all dealt with`));
  else terminal.line(red(`${report.told()}; ${counted(left, 'finding')} left as they are: ${helpOf(options)}`));
}

function helpOf({ dryRun, replace }: ReindexOptions): string {
  if (dryRun) return 'this was a dry run';
  return replace === undefined
    ? 'to take rows out that stand, say where they are kept, with --replace <file>'
    : 'run this again';
}
