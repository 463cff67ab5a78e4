/**
 * The events of a query as an export: the proof of each, as files of its own, all under one checkpoint. Which events fit is asked of
 * the event index; that each of them does is checked by its own bytes, and a row that says something else stops the export.
 */
import {
  eventFile,
  fitsQuery,
  parseCustodyFile,
  parseFrameText,
  parseNote,
  parseTlogProof,
  verifyProofBundle,
  type ExportSelection,
  type Frame,
  type TlogPolicy,
} from '@everseal/audit-core';
import { eventPositions, readIndexHead } from '@everseal/ledger-store';
import { CliFailure } from './cli-failure.js';
import { EXIT } from './exit-code.js';
import { Interrupted, type ExportJob } from './export-job.js';
import { altered } from './stored-proofs.js';

const EVENTS_A_READ = 1_000;

type Query = Extract<ExportSelection, { kind: 'query' }>;

/** @param note the checkpoint with its cosignatures, the same in every proof */
export async function exportEvents(job: ExportJob, query: Query, note: string, policy: TlogPolicy): Promise<void> {
  const { ledger, size } = job;
  const to = Math.min(query.to, size);
  if ((await readIndexHead(ledger.pool, ledger.ledgerId)) < to) {
    throw new CliFailure(
      EXIT.unavailable,
      `the event index of ${ledger.origin} is behind its checkpoint: try again in a moment`,
    );
  }
  for (let from = query.from; ;) {
    const bounds = {
      source: query.source ?? undefined,
      since: query.since ?? undefined,
      until: query.until ?? undefined,
    };
    const positions = await eventPositions(ledger.pool, ledger.ledgerId, { from, to, ...bounds }, EVENTS_A_READ);
    for (const index of positions) {
      if (job.signal.aborted) throw new Interrupted();
      await exportEvent(job, query, index, note, policy);
    }
    if (positions.length < EVENTS_A_READ) return;
    from = positions.at(-1)! + 1;
  }
}

async function exportEvent(
  job: ExportJob,
  query: Query,
  index: number,
  note: string,
  policy: TlogPolicy,
): Promise<void> {
  const { ledger, folder, size, census, tally, progress } = job;
  const name = eventFile(index);
  const standing = await standingEntry(job, name, note);
  const bundle = standing ?? (await ledger.proofs.bundle(index, size, note));
  const event = ledger.checked(() => census.add(index, bundle.entry));
  if (event === null || !fitsQuery(query, index, { accepted: event.accepted, source: event.said?.source ?? null })) {
    throw altered(`the event index of ${ledger.origin} says of entry ${index} what it does not say`);
  }
  ledger.checked(() => tally.add(frameOf(bundle.custody!), 1));
  progress.add(1);
  if (standing) return;
  ledger.checked(() => verifyProofBundle(bundle, policy));
  await folder.write(`${name}.entry`, bundle.entry);
  await folder.write(`${name}.custody`, bundle.custody!);
  await folder.write(`${name}.tlog-proof`, bundle.proof);
}

const frameOf = (custody: Buffer): Frame => parseFrameText(parseNote(parseCustodyFile(custody).frame.note).text);

type Standing = { entry: Buffer; custody: Buffer | null; proof: Buffer };

/** The files of an event that an interrupted run wrote under the same checkpoint; else null. */
async function standingEntry({ folder }: ExportJob, name: string, note: string): Promise<Standing | null> {
  const [entry, custody, proof] = await Promise.all(
    ['entry', 'custody', 'tlog-proof'].map((part) => folder.read(`${name}.${part}`)),
  );
  if (!entry || !custody || !proof || parseTlogProof(proof).checkpoint !== note) return null;
  return { entry, custody, proof };
}
