/**
 * `everseal keys rotate`: a new key for the log, an ingester, a verifier or an operator, and the old one out of force, in
 * steps that each say what they did (audit-core, key-rotation.ts). What is left to do is read from the key file and the log,
 * so that running it again goes on where it stopped, whatever stopped it.
 *
 * The key file is that of the service; the order is signed by an operator key. Where those are on different machines, the new
 * key is made on one (`keys new`), the order on another (`--new-key`, `--out`), and sent from a third (`keys send`).
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  addKey,
  FormatError,
  formatKeyFile,
  ingestSays,
  isSameChange,
  keepKey,
  keyNameOf,
  keysOfHolder,
  keySetOfNote,
  keyTypeOf,
  openKeyOrder,
  parseKeyFile,
  parseVkey,
  rotationStep,
  signKeyOrder,
  SigningKey,
  type IngestSays,
  type KeyHolder,
  type KeySet,
  type VerifierKey,
} from '@everseal/audit-core';
import { heartbeatSubject } from '@everseal/policy';
import { replaceFile } from '@everseal/process';
import { readPrivateText } from '@everseal/tls';
import { usage } from './cli-failure.js';
import { ledgerSettings } from './config.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { isSignedBy } from './keys.js';
import { announced, keySetsOf, nextAfter, putInForce, type PlacedKeySet, type SealersOptions } from './ledger-keys.js';
import { readTrust, type NewestAnnouncement } from './ledger-trust.js';

export interface RotateOptions extends SealersOptions {
  /** Key file of the service: the new key is put into its first line. */
  keyFile?: string | undefined;
  /** Public key (vkey) of a key that was made elsewhere, instead. */
  newKey?: string | undefined;
  /** Operator key (skey), of the set in force. */
  operatorKey: string;
  /** Folders of the key sets that verifiers are told of. */
  keySets?: string[] | undefined;
  /** Write the next order there, and go no further. */
  out?: string | undefined;
  /** The old keys go at once. */
  revoke?: boolean | undefined;
}

/** Makes a new key in a key file, and prints its public half. */
export function newKey(context: Context, holder: KeyHolder, options: { ledger: string; keyFile: string }): ExitCode {
  const { origin } = readTrust(context.settings(), options.ledger);
  const keys = readKeys(options.keyFile, holder, origin);
  if (keys.length > 1) throw usage(`${options.keyFile} holds two keys already: finish that rotation first`);
  context.terminal.line(makeKey(options.keyFile, holder, origin, keys)[0]!.verifier.vkey);
  return EXIT.ok;
}

export async function rotateKey(context: Context, holder: KeyHolder, options: RotateOptions): Promise<ExitCode> {
  if ((options.keyFile === undefined) === (options.newKey === undefined)) {
    throw usage('give the key file of the service (--key-file), or the public key that was made there (--new-key)');
  }
  const { terminal } = context;
  const { origin } = readTrust(context.settings(), options.ledger);
  for (let isBegun = false; ; isBegun = true) {
    const sets = await keySetsOf(context, null, options);
    const { current } = nextAfter(sets, context.now());
    const keys = keysAtHand(holder, origin, options);
    const step = rotationStep(current.set, holder, keys);
    if (step === 'clean') return await clean(context, holder, options);
    if (step === 'make') {
      if (isBegun || options.keyFile === undefined) return done(context, holder);
      const made = makeKey(options.keyFile, holder, origin, readKeys(options.keyFile, holder, origin));
      terminal.note(`made: ${made[0]!.verifier.vkey}, in the first line of ${options.keyFile}`);
      continue;
    }
    if (step === 'drop' && !options.revoke) await isUsed(context, holder, keys[0]!, options);
    const { time } = nextAfter(sets, context.now());
    const set =
      step === 'drop'
        ? keepKey(current, holder, keys[0]!, time)
        : addKey(current, holder, keys[0]!, { instead: options.revoke === true, time });
    const order = place(context, set, current, options);
    if (options.out !== undefined) {
      replaceFile(options.out, order, 0o644);
      terminal.note(`the order is in ${options.out}: tell every verifier of it (keySetsDir), then keys send it`);
      return EXIT.ok;
    }
    await putInForce(context, order, options);
  }
}

function done({ terminal }: Context, { role, name }: KeyHolder): ExitCode {
  terminal.note(`the ${role} key${name === '' ? '' : ` of ${name}`} is rotated`);
  return EXIT.ok;
}

/** Public halves, the newest first. */
function keysAtHand(holder: KeyHolder, origin: string, { keyFile, newKey: vkey }: RotateOptions): VerifierKey[] {
  if (keyFile !== undefined) return readKeys(keyFile, holder, origin).map(({ verifier }) => verifier);
  const key = parseVkey(vkey!);
  if (key.name === keyNameOf(holder, origin) && key.type === keyTypeOf(holder.role)) return [key];
  throw usage(`${vkey} is no ${holder.role} key of ${keyNameOf(holder, origin)}`);
}

function readKeys(file: string, holder: KeyHolder, origin: string): SigningKey[] {
  if (!existsSync(file)) return [];
  try {
    return parseKeyFile(readPrivateText(file), keyNameOf(holder, origin), keyTypeOf(holder.role));
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw usage(`${file} is not the key file of ${keyNameOf(holder, origin)}: ${cause.message}`);
  }
}

function makeKey(file: string, holder: KeyHolder, origin: string, keys: readonly SigningKey[]): SigningKey[] {
  const made = SigningKey.fromSeed(keyNameOf(holder, origin), randomBytes(32), keyTypeOf(holder.role));
  const both = [made, ...keys];
  replaceFile(file, formatKeyFile(both), 0o600);
  return both;
}

/**
 * The signed order, in every folder from which verifiers learn of key sets. One that lies there already for the same change
 * is taken again: verifiers must know the set that is sealed in the end, to the byte.
 */
function place(context: Context, set: KeySet, current: PlacedKeySet, options: RotateOptions): string {
  const folders = options.keySets ?? [ledgerSettings(context.settings(), options.ledger).keySetsDir ?? []].flat();
  const order = folders.map((folder) => placedOrder(folder, set, current)).find((one) => one !== null);
  const note = order ?? signKeyOrder(set, operatorKey(options.operatorKey, current.set));
  const name = `${keySetOfNote(note).time.replaceAll(/[^0-9]/g, '')}.note`;
  for (const folder of folders) {
    mkdirSync(folder, { recursive: true });
    replaceFile(path.join(folder, name), note, 0o644);
    context.terminal.note(`told: ${path.join(folder, name)}`);
  }
  return note;
}

function placedOrder(folder: string, set: KeySet, current: PlacedKeySet): string | null {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.note')) : [];
  for (const file of files) {
    const note = readFileSync(path.join(folder, file), 'utf8');
    try {
      if (isSameChange(openKeyOrder(note, current), set)) return note;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error; // an order for another place, long carried out
    }
  }
  return null;
}

/** The key of the file that is an operator's in the set in force. */
function operatorKey(file: string, set: KeySet): SigningKey {
  const lines = readPrivateText(file).trimEnd().split('\n');
  const keys = lines.map((line) => SigningKey.fromSkey(line));
  const found = keys.find(({ verifier }) => set.operators.some(({ vkey }) => vkey === verifier.vkey));
  if (found) return found;
  throw usage(`${file} holds no operator key that the key set in force names`);
}

/** Waits until the new key does the work: before that the old one must not go. */
async function isUsed(
  context: Context,
  { role, name }: KeyHolder,
  key: VerifierKey,
  options: RotateOptions,
): Promise<void> {
  if (role !== 'ingest' && role !== 'verifier') return;
  if (role === 'verifier') await announced(context, options, verifierUses(key));
  else await ingestUses(context, name, key, options);
  context.terminal.note(`used: ${key.vkey} signs now`);
}

/** By its newest sealed frame; an idle one by its heartbeat, once nothing of it is unsealed. */
async function ingestUses(context: Context, ingester: string, key: VerifierKey, options: RotateOptions): Promise<void> {
  const { origin } = readTrust(context.settings(), options.ledger);
  let says: IngestSays = { signs: null, newest: 0 };
  const is = ({ heads }: NewestAnnouncement): string | null => {
    const head = heads.find((one) => one.ingester === ingester);
    if (head && head.debts.length > 0) return `ingester ${ingester} owes frames that the old key has signed`;
    if (head?.note !== undefined && isSignedBy(head.note, key, origin)) return null;
    if (says.signs === key.vkey && says.newest <= (head?.number ?? 0)) return null;
    return `ingester ${ingester} does not sign with the new key yet: is it in its key file, and does it run?`;
  };
  await announced(context, options, is, {
    subject: heartbeatSubject('ingest', ingester),
    message: (data) => (says = ingestSaid(data, origin) ?? says),
  });
}

function ingestSaid(heartbeat: Buffer, origin: string): IngestSays | null {
  try {
    return ingestSays(heartbeat, origin);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function verifierUses(key: VerifierKey) {
  return ({ cosignatures }: NewestAnnouncement): string | null =>
    cosignatures.some((one) => one.key.vkey === key.vkey)
      ? null
      : `the newest checkpoint is not cosigned with the new key yet: is it in the key file of the verifier?`;
}

/** The old key leaves the key file, once no ledger of the settings goes by it any more. */
async function clean(context: Context, holder: KeyHolder, options: RotateOptions): Promise<ExitCode> {
  const { terminal } = context;
  if (options.keyFile === undefined) return done(context, holder);
  const settings = context.settings();
  const { origin } = readTrust(settings, options.ledger);
  const [newest, ...others] = readKeys(options.keyFile, holder, origin);
  const ledgers = holder.role === 'log' ? [] : settings.ledgers.map(({ name }) => name);
  for (const ledger of ledgers) {
    const sets = await keySetsOf(context, null, { ...options, ledger });
    const named = keysOfHolder(sets.at(-1)!.set, holder);
    if (!named.some(({ vkey }) => others.some(({ verifier }) => verifier.vkey === vkey))) continue;
    terminal.note(
      `the old key stays in ${options.keyFile}: ledger ${ledger} goes by it; rotate it there, too (--ledger)`,
    );
    return EXIT.ok;
  }
  replaceFile(options.keyFile, formatKeyFile([newest!]), 0o600);
  terminal.note(`the old key is no longer in ${options.keyFile}`);
  return done(context, holder);
}
