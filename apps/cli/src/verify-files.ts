/**
 * `everseal verify <file…> --policy <file>`: checks offline what somebody was given: proofs of entries, receipts, checkpoints, and
 * whole exports. No settings, no network, no database: the files, and the policy that says whom to believe.
 *
 * Each is told on its own, in words: what is proven, what is not. One that does not hold is refused, and the exit code is 1.
 */
import { existsSync, statSync } from 'node:fs';
import {
  checkpointWords,
  completenessWords,
  entryWords,
  EXPORT_FILES,
  exportWords,
  extensionWords,
  frameFacts,
  frameWords,
  FormatError,
  formatTimestamp,
  indexEvent,
  JsonTape,
  openFrame,
  openUnderPolicy,
  parseAddCheckpoint,
  parseKeySetText,
  parseNote,
  parseTlogPolicy,
  receiptWords,
  verifyExport,
  verifyExportExtends,
  verifyGrowth,
  verifyProofBundle,
  verifyReceipt,
  witnessDoubts,
  type Believed,
  type Hash,
  type KeySet,
  type ProvenEntry,
  type ShownFrame,
  type TlogPolicy,
  type Words,
} from '@everseal/audit-core';
import { CliFailure, usage } from './cli-failure.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { stampsOfExport } from './exported-stamps.js';
import { FolderFiles } from './folder-files.js';
import { Progress } from './progress.js';
import { readEvents } from './read-events.js';
import { readReceipts, type KeptReceipt } from './receipt-files.js';
import { readSmallFile, tellWords } from './tell-words.js';
import { readAuthorities, stampBeside } from './time-stamps.js';
import { printable } from './terminal.js';

export interface VerifyFilesOptions {
  policy?: string | undefined;
  /** The entry of the one proof file that is named, when it is not beside it. */
  entry?: string | undefined;
  /** An older checkpoint, which the named one has to extend. */
  extends?: string | undefined;
  /** Certificates of time-stamp authorities, PEM. */
  tsa?: string[] | undefined;
  /** Of exports: also tell which ingester signed which entries. */
  frames?: boolean | undefined;
  /** Key-set note whose ingest keys receipts are checked with. */
  keys?: string | undefined;
  /** Files with the events of receipts. */
  events?: string[] | undefined;
  /** Who sent them, for receipts that do not say so. */
  producer?: string | undefined;
  json?: boolean | undefined;
}

/** What became of one thing that was checked. */
interface Checked extends Words {
  what: string;
  facts: object;
}

export async function verifyFiles(
  context: Context,
  paths: readonly string[],
  options: VerifyFilesOptions,
): Promise<ExitCode> {
  const checks = await plan(context, paths, options);
  let refused = 0;
  for (const { what, check } of checks) {
    if (context.signal.aborted) return EXIT.unavailable;
    try {
      tellProven(context, await check(), options.json === true);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      refused += 1;
      tellRefused(context, what, error, options.json === true);
    }
  }
  return refused === 0 ? EXIT.ok : EXIT.findings;
}

interface Check {
  what: string;
  check: () => Checked | Promise<Checked>;
}

/** What the arguments ask for. Everything that has to be there is looked for before anything is checked. */
async function plan(context: Context, paths: readonly string[], options: VerifyFilesOptions): Promise<Check[]> {
  if (options.extends !== undefined) {
    if (paths.length !== 1) throw usage('with --extends name one newer checkpoint');
    return [planExtension(paths[0]!, options.extends, policyOf(options))];
  }
  const checks: Check[] = [];
  for (const base of new Set(paths.map(baseOf))) {
    if (isFolder(base)) checks.push(planExport(context, base, options));
    else if (isBundle(base, paths)) checks.push(planBundle(base, paths.length, options));
    else if (isReceipt(base)) for (const check of await planReceipts(context, base, options)) checks.push(check);
    else checks.push(planCheckpoint(base, options));
  }
  return checks;
}

const PARTS = /\.(?:tlog-proof|entry|custody)$/;

/** The parts of one proof have one name: however many of them are named, it is checked once. */
function baseOf(file: string): string {
  return file.replace(PARTS, '');
}

function isBundle(base: string, paths: readonly string[]): boolean {
  return paths.some((file) => file !== base && baseOf(file) === base);
}

function policyOf({ policy }: VerifyFilesOptions): TlogPolicy {
  if (policy === undefined)
    throw usage('say whom to believe, with --policy: a C2SP tlog-policy file (everseal policy writes one)');
  try {
    return parseTlogPolicy(readSmallFile(policy));
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new CliFailure(EXIT.usage, `${policy} is no policy (${cause.code}): ${cause.message}`, { cause });
  }
}

function planBundle(base: string, named: number, options: VerifyFilesOptions): Check {
  const policy = policyOf(options);
  if (options.entry !== undefined && named > 1) throw usage('--entry goes with one proof file');
  const proof = `${base}.tlog-proof`;
  const entry = options.entry ?? `${base}.entry`;
  if (!existsSync(entry))
    throw usage(`${entry} is missing: a proof is checked with the bytes of its entry beside it, or --entry`);
  const custody = existsSync(`${base}.custody`) ? `${base}.custody` : null;
  const pinned = readAuthorities(options.tsa);
  const check = (): Checked => {
    const files = {
      proof: readSmallFile(proof),
      entry: readSmallFile(entry),
      custody: custody === null ? null : readSmallFile(custody),
    };
    const proven = verifyProofBundle(files, policy);
    const stamp = stampBeside(base, proven.believed, pinned);
    const words = together(entryWords(proven), stamp);
    return { what: proof, ...words, facts: { ...entryFacts(proven, files.entry), ...stamp.facts } };
  };
  return { what: proof, check };
}

/** What `--json` says of a proven entry. */
export function entryFacts({ index, leaf, believed, event, custody }: ProvenEntry, entry: Buffer): object {
  const producer = event?.producer ?? null;
  const said =
    event && 'event' in event
      ? indexEvent(new JsonTape(), event.producer, entry, event.event.start, event.event.end)
      : null;
  const frame = custody && {
    ingester: custody.frame.ingester,
    number: custody.frame.number,
    genesis: custody.genesis.toString('base64'),
  };
  return {
    kind: 'entry',
    ...checkpointFacts(believed),
    index,
    leaf: leaf.toString('base64'),
    producer,
    accepted: event?.accepted ?? null,
    id: said?.eventId ?? null,
    source: said?.source ?? null,
    type: said?.type ?? null,
    custody: frame,
  };
}

export function checkpointFacts({ checkpoint, cosignatures }: Believed): object {
  const { origin, size, root } = checkpoint;
  const witnesses = cosignatures.map(({ name, key, seconds }) => ({ witness: name, key: key.vkey, seconds }));
  return { ledger: origin, size, root: root.toString('base64'), cosignatures: witnesses };
}

function planCheckpoint(file: string, options: VerifyFilesOptions): Check {
  const policy = policyOf(options);
  const pinned = readAuthorities(options.tsa);
  const check = (): Checked => {
    const believed = openUnderPolicy(readSmallFile(file), policy);
    const stamp = stampBeside(file, believed, pinned);
    const notProven = ['what the entries say: a checkpoint holds none', ...witnessDoubts(believed)];
    const words = together({ proven: [checkpointWords(believed)], notProven }, stamp);
    return { what: file, ...words, facts: { kind: 'checkpoint', ...checkpointFacts(believed), ...stamp.facts } };
  };
  return { what: file, check };
}

function together(one: Words, other: Words): Words {
  return { proven: [...one.proven, ...other.proven], notProven: [...one.notProven, ...other.notProven] };
}

/** `newer` is an add-checkpoint request (C2SP tlog-witness), which brings the proof, or a checkpoint of the same size. */
function planExtension(newer: string, older: string, policy: TlogPolicy): Check {
  const check = async (): Promise<Checked> => {
    const before = openUnderPolicy(readSmallFile(older), policy);
    if (isFolder(newer)) return checkFolderExtends(newer, before, policy);
    const bytes = readSmallFile(newer);
    const request = bytes.subarray(0, 4).toString() === 'old ' ? parseAddCheckpoint(bytes) : null;
    const after = openUnderPolicy(request?.checkpoint ?? bytes, policy);
    requireExtension(before, after, request?.proof ?? []);
    return {
      what: newer,
      ...extensionWords(before, after),
      facts: { kind: 'extension', old: before.checkpoint.size, ...checkpointFacts(after) },
    };
  };
  return { what: newer, check };
}

/** The proof comes from the tiles of the export; the entries are not read. */
async function checkFolderExtends(folder: string, before: Believed, policy: TlogPolicy): Promise<Checked> {
  const files = new FolderFiles(folder);
  const note = await files.read(EXPORT_FILES.checkpoint);
  if (note === null) throw usage(`${folder} is no export: it has no checkpoint`);
  const after = openUnderPolicy(note, policy);
  await verifyExportExtends(files, after.checkpoint, before.checkpoint);
  const facts = { kind: 'extension', old: before.checkpoint.size, ...checkpointFacts(after) };
  return { what: folder, ...extensionWords(before, after), facts };
}

function requireExtension({ checkpoint: old }: Believed, { checkpoint }: Believed, proof: readonly Hash[]): void {
  if (old.origin !== checkpoint.origin) {
    throw new FormatError(
      'extension.ledger',
      `the older checkpoint is one of ${old.origin}, the newer of ${checkpoint.origin}`,
    );
  }
  if (verifyGrowth(old.size, checkpoint.size, proof, old.root, checkpoint.root)) return;
  const detail = `it is not proven that the tree of ${checkpoint.size} entries begins with that of ${old.size}`;
  throw new FormatError(
    'extension.proof',
    `${detail}; where both are signed for one size, that is a fork: keep both files`,
  );
}

function planExport(context: Context, folder: string, options: VerifyFilesOptions): Check {
  const policy = policyOf(options);
  const pinned = readAuthorities(options.tsa);
  const check = async (): Promise<Checked> => {
    const progress = new Progress(context.terminal.progressOutput, 'verifying entries', null);
    const files = new FolderFiles(folder);
    const checking = verifyExport(files, policy, {
      onChecked: (entries) => progress.add(entries),
      ...(options.frames && { onFrame: (shown) => tellFrame(context, folder, shown, options.json === true) }),
    });
    const checked = await checking.finally(() => progress.end());
    const { selection, census, believed, evidence } = checked;
    const stamps = await stampsOfExport(files, checked, pinned);
    const custody = evidence?.custody ?? null;
    const read = { selection, events: census.events, custody };
    const facts = { kind: 'export', ...checkpointFacts(believed), ...read, ...stamps.facts };
    return { what: folder, ...together(exportWords(checked, completenessWords(checked)), stamps), facts };
  };
  return { what: folder, check };
}

/** On its way, before the whole export is checked: it counts when that holds. */
function tellFrame({ terminal }: Context, what: string, shown: ShownFrame, asJson: boolean): void {
  if (asJson) return terminal.json({ file: what, kind: 'frame', ...frameFacts(shown) });
  terminal.line(printable(`  ${frameWords(shown)}`));
}

function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** A receipt is JSON; a checkpoint never begins with a brace. */
function isReceipt(file: string): boolean {
  return readSmallFile(file)[0] === 0x7b;
}

async function planReceipts(context: Context, file: string, options: VerifyFilesOptions): Promise<Check[]> {
  if (options.keys === undefined)
    throw usage(`${file} is a receipt: give the key set that names its ingester, with --keys (e.g. the genesis note)`);
  const keysFile = options.keys;
  const keys = readKeys(keysFile);
  const events = options.events === undefined ? null : await eventsById(context, options.events);
  return readReceipts(file).map((kept) => ({
    what: kept.place,
    check: () => {
      const sent = eventsOf(kept, events);
      const frame = sent
        ? verifyReceipt(
            kept.receipt,
            { origin: kept.receipt.ledger, producer: producerOf(kept, options), events: sent },
            keys.ingest,
          )
        : openFrame(kept.receipt.frame, keys.ingest, kept.receipt.ledger);
      const { ingester, number, accepted, origin } = frame;
      const facts = {
        kind: 'receipt',
        ledger: origin,
        ingester,
        frame: number,
        accepted,
        events: sent?.length ?? null,
      };
      return { what: kept.place, ...receiptWords(frame, sent?.length ?? null, keysFile), facts };
    },
  }));
}

function producerOf({ producer, place }: KeptReceipt, options: VerifyFilesOptions): string {
  const name = producer ?? options.producer;
  if (name === undefined) throw usage(`${place} does not say who sent its events: say so with --producer`);
  return name;
}

/** The key set alone, as a list of keys: it is as trusted as the file. */
function readKeys(file: string): KeySet {
  try {
    return parseKeySetText(parseNote(readSmallFile(file)).text);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new CliFailure(EXIT.usage, `${file} is no key set (${cause.code}): ${cause.message}`, { cause });
  }
}

interface GivenEvents {
  all: Buffer[];
  byId: ReadonlyMap<string, Buffer[]>;
}

async function eventsById(context: Context, files: readonly string[]): Promise<GivenEvents> {
  const tape = new JsonTape();
  const all: Buffer[] = [];
  const byId = new Map<string, Buffer[]>();
  for (const file of files) {
    for (const { bytes } of await readEvents(file, null, context.stdin)) {
      all.push(bytes);
      const id = indexEvent(tape, '', bytes, 0, bytes.length).eventId ?? '';
      const same = byId.get(id) ?? [];
      if (!same.some((other) => other.equals(bytes))) byId.set(id, [...same, bytes]);
    }
  }
  return { all, byId };
}

/** The bytes of a receipt's events: as kept with it, by the ids that its file names, else all that were given. */
function eventsOf({ event, ids, place }: KeptReceipt, given: GivenEvents | null): Buffer[] | null {
  if (event !== null) return [event];
  if (given === null) return null;
  const { all, byId } = given;
  if (ids === null) return all;
  return ids.map((id) => {
    const [bytes, ...others] = byId.get(id) ?? [];
    if (bytes === undefined)
      throw usage(`${place} is for event ${printable(id)}, which is in none of the --events files`);
    if (others.length > 0)
      throw usage(`the --events files hold several events ${printable(id)}: give those of ${place} alone`);
    return bytes;
  });
}

function tellProven({ terminal, now }: Context, { what, proven, notProven, facts }: Checked, asJson: boolean): void {
  if (asJson)
    return terminal.json({ file: what, verified: true, ...facts, proven, notProven, checked: formatTimestamp(now()) });
  terminal.line(terminal.colors.green(`proven: ${printable(what)}`));
  tellWords(terminal, { proven, notProven });
}

function tellRefused({ terminal }: Context, what: string, { code, message }: FormatError, asJson: boolean): void {
  if (asJson) return terminal.json({ file: what, verified: false, code, reason: message });
  terminal.line(terminal.colors.red(printable(`refused: ${what}: ${message} (${code})`)));
}
