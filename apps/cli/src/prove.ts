/**
 * `everseal prove`: writes the proof of one event as files that anybody can check without us:
 *
 *     <ledger>-<index>.tlog-proof   C2SP tlog-proof: index, inclusion proof, cosigned checkpoint
 *     <ledger>-<index>.entry        the entry's exact bytes
 *     <ledger>-<index>.custody      who accepted it (audit-core, custody-file.ts); for events only
 *     <ledger>-<index>.tst          with --timestamped: an authority's time stamp (RFC 3161) over the checkpoint
 *
 * The checkpoint is the first one over the event that verifiers cosigned, which shows for how long it has stood there. What was
 * made is checked as an auditor would check it before anything is written; a proof that does not hold is never handed out.
 */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import {
  entryWords,
  formatAddCheckpoint,
  FormatError,
  indexEvent,
  JsonTape,
  openUnderPolicy,
  parseCheckpointText,
  parseEventEntry,
  parseNote,
  policyOfKeySets,
  verifyConsistency,
  verifyProofBundle,
  type TlogPolicy,
} from '@everseal/audit-core';
import { findEvents, type FoundEvent } from '@everseal/ledger-store';
import { replaceFile } from '@everseal/process';
import { AuditedLedger } from './audited-ledger.js';
import { CliFailure, usage } from './cli-failure.js';
import { openDatabase } from './connections.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { readTrust } from './ledger-trust.js';
import { storedStamps } from './stored-stamps.js';
import { readSmallFile, tellWords } from './tell-words.js';
import { count, printable } from './terminal.js';

export interface ProveOptions {
  ledger: string;
  source?: string | undefined;
  producer?: string | undefined;
  /** Entry instead of an event id. */
  index?: number | undefined;
  /** Folder for the files. */
  out: string;
  /** Under the newest cosigned checkpoint instead of the first one. */
  newest?: boolean | undefined;
  /** Under the first one that has a time stamp. */
  timestamped?: boolean | undefined;
  /** A checkpoint file: prove that the newest one extends it. */
  extends?: string | undefined;
  json?: boolean | undefined;
}

/** More candidates than these are not listed. */
const MOST_CANDIDATES = 20;

export async function prove(context: Context, eventId: string | null, options: ProveOptions): Promise<ExitCode> {
  const named = [eventId, options.index, options.extends].filter((one) => one !== null && one !== undefined);
  if (named.length !== 1) throw usage('name one thing to prove: an event id, --index, or --extends with a checkpoint');
  const settings = context.settings();
  const trust = readTrust(settings, options.ledger);
  const pool = await openDatabase(settings);
  try {
    const ledger = await AuditedLedger.open(pool, trust);
    if (options.extends !== undefined) return await proveExtension(context, ledger, options.extends, options);
    const index = options.index ?? (await findOne(ledger, eventId!, options));
    return await proveEntry(context, ledger, index, options);
  } finally {
    await pool.end();
  }
}

/** The one event that is meant. Several are listed and none is chosen, but for copies of one and the same event. */
async function findOne(
  { pool, ledgerId, size, trust }: AuditedLedger,
  eventId: string,
  options: ProveOptions,
): Promise<number> {
  const { source, producer } = options;
  const found = await findEvents(pool, ledgerId, { eventId, source, producer }, size, MOST_CANDIDATES + 1);
  const [only, ...others] = found;
  if (only === undefined) {
    throw new CliFailure(
      EXIT.refused,
      `${trust.origin} has no event ${printable(eventId)}${source === undefined ? '' : ` of source ${printable(source)}`} in its index: an event that was just accepted is not sealed yet; everseal claim says what became of a receipt`,
    );
  }
  if (others.length === 0) return only.position;
  const list = found.slice(0, MOST_CANDIDATES).map(candidate).join('\n');
  const more = found.length > MOST_CANDIDATES ? '\n  … and more' : '';
  const help = 'say which one with --source and --producer, or with --index';
  throw new CliFailure(
    EXIT.refused,
    `event ${printable(eventId)} stands in ${trust.origin} more than once: ${help}\n${list}${more}`,
  );
}

function candidate({ position, producer, source, duplicateOf }: FoundEvent): string {
  const copy = duplicateOf === null ? '' : `, a copy of entry ${duplicateOf}`;
  return printable(`  --index ${position}  source ${source ?? '(none)'}, producer ${producer}${copy}`);
}

async function proveEntry(
  context: Context,
  ledger: AuditedLedger,
  index: number,
  options: ProveOptions,
): Promise<ExitCode> {
  const stamp = options.timestamped ? await firstStamp(context, ledger, index) : null;
  const { size, note } = stamp ?? (await ledger.coveringCheckpoint(index, options.newest ? 'newest' : 'first'));
  const { proofs, trust } = ledger;
  const bundle = await proofs.bundle(index, size, note);
  const { entry, proof, custody } = bundle;
  const policy = await ledger.policyAt(size);
  const proven = ledger.checked(() => verifyProofBundle(bundle, policy));

  mkdirSync(options.out, { recursive: true });
  const base = path.join(options.out, `${trust.ledger}-${index}`);
  const files = {
    proof: `${base}.tlog-proof`,
    entry: `${base}.entry`,
    custody: custody === null ? null : `${base}.custody`,
    timestamp: stamp === null ? null : `${base}.tst`,
  };
  replaceFile(files.entry, entry, 0o644);
  if (custody !== null) replaceFile(files.custody!, custody, 0o644);
  if (stamp !== null) replaceFile(files.timestamp!, stamp.token, 0o644);
  else rmSync(`${base}.tst`, { force: true }); // of an earlier proof, under another checkpoint
  replaceFile(files.proof, proof, 0o644); // last: where it stands, the others do

  const { terminal } = context;
  const told = eventOf(entry);
  if (options.json) {
    terminal.json({
      ledger: trust.origin,
      index,
      size,
      ...told,
      files,
      cosigners: proven.believed.cosignatures.map(({ name }) => name),
    });
    return EXIT.ok;
  }
  const others = ['.entry', ...(custody === null ? [] : ['.custody']), ...(stamp === null ? [] : ['.tst'])];
  terminal.line(`wrote ${printable(files.proof)}, ${others.join(', ')}`);
  tellWords(terminal, entryWords(proven));
  terminal.line(
    `to check it anywhere: everseal verify ${printable(files.proof)} --policy <file>; everseal policy writes one`,
  );
  return EXIT.ok;
}

interface StampedCheckpoint {
  readonly size: number;
  readonly note: string;
  readonly token: Buffer;
}

/** The first cosigned checkpoint over an entry that an authority has stamped. */
async function firstStamp(context: Context, ledger: AuditedLedger, index: number): Promise<StampedCheckpoint> {
  for await (const { size, signed, token } of storedStamps(ledger, context.settings(), index, ledger.size)) {
    const note = await ledger.cosigned({ size, note: signed.toString('utf8') });
    return { size, note, token };
  }
  const help = 'is the authority named in the settings (authorities), and is one period over since?';
  throw new CliFailure(EXIT.unavailable, `no time stamp covers entry ${count(index)} of ${ledger.origin} yet: ${help}`);
}

function eventOf(entry: Buffer): { id: string | null; source: string | null } {
  try {
    const { producer, ...parsed } = parseEventEntry(entry);
    if (!('event' in parsed)) return { id: null, source: null };
    const row = indexEvent(new JsonTape(), producer, entry, parsed.event.start, parsed.event.end);
    return { id: row.eventId, source: row.source };
  } catch (error) {
    if (error instanceof FormatError) return { id: null, source: null };
    throw error;
  }
}

/** Writes the proof that the newest cosigned checkpoint extends an older one, in the form of C2SP tlog-witness add-checkpoint. */
async function proveExtension(
  context: Context,
  ledger: AuditedLedger,
  file: string,
  options: ProveOptions,
): Promise<ExitCode> {
  const { trust, proofs } = ledger;
  const sets = await ledger.keySetsAt(ledger.size);
  const older = openUnderPolicy(readSmallFile(file), logOnly(policyOfKeySets(sets)));
  const { origin, size: oldSize, root: oldRoot } = older.checkpoint;
  if (oldSize === 0) throw usage(`${file} is a checkpoint of the empty tree: every log extends it`);
  const { size, note } = await ledger.coveringCheckpoint(oldSize - 1, 'newest');
  const proof = await proofs.consistency(oldSize, size);
  const { root } = parseCheckpointText(parseNote(note).text);
  if (!verifyConsistency(oldSize, size, proof, oldRoot, root)) {
    throw new CliFailure(
      EXIT.findings,
      `${origin} does not extend ${file}: its tree of ${oldSize} entries is another one. This is evidence of a fork: keep the file`,
    );
  }
  mkdirSync(options.out, { recursive: true });
  const written = path.join(options.out, `${trust.ledger}-${oldSize}-${size}.add-checkpoint`);
  replaceFile(written, formatAddCheckpoint({ old: oldSize, proof, checkpoint: note }), 0o644);
  if (options.json) context.terminal.json({ ledger: origin, old: oldSize, size, file: written });
  else
    context.terminal.line(
      `wrote ${printable(written)}: the tree of ${count(size)} entries extends that of ${count(oldSize)}`,
    );
  return EXIT.ok;
}

/** An older checkpoint is what it is with the log's signature alone. */
function logOnly({ logs }: TlogPolicy): TlogPolicy {
  return { logs, witnesses: [], groups: [], quorum: 'none' };
}
