/**
 * `everseal keys show`: which keys a ledger goes by, since when, which of them are used, and what a rotation still has to do.
 * `everseal keys send`: brings an order that an operator signed elsewhere to the sealer. Whoever may ask the sealers can send
 * one, nobody but an operator can make it.
 */
import { readFileSync } from 'node:fs';
import { FormatError, keySetOfNote, openFrame, type KeySet, type VerifierKey } from '@everseal/audit-core';
import { replaceFile } from '@everseal/process';
import { usage } from './cli-failure.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { announced, keySetsOf, putInForce, type PlacedKeySet, type SealersOptions } from './ledger-keys.js';
import type { NewestAnnouncement } from './ledger-trust.js';
import { count, printable } from './terminal.js';

export interface ShowKeysOptions extends SealersOptions {
  json?: boolean | undefined;
  /** File to write the newest key set to, as a note. */
  out?: string | undefined;
}

/** One key in force. */
interface KeyRow {
  readonly role: string;
  readonly name: string;
  readonly id: string;
  /** Entry of the first key set that names it. */
  readonly since: number;
  readonly state: string;
}

export async function showKeys(context: Context, options: ShowKeysOptions): Promise<ExitCode> {
  const { terminal } = context;
  const sets = await keySetsOf(context, null, options);
  const newest = sets.at(-1)!;
  const said = await announced(context, options, () => null);
  const rows = rowsOf(sets, said);
  if (options.json) for (const row of rows) terminal.json(row);
  else {
    const head = ['role', 'key', 'id', 'since entry', 'state'];
    const cells = rows.map(({ role, name, id, since, state }) => [role, name, id, count(since), state].map(printable));
    terminal.table(head, cells);
  }
  if (said.keysIndex < newest.index) terminal.note(`the key set of entry ${newest.index} is not announced yet`);
  if (options.out !== undefined) {
    replaceFile(options.out, newest.note, 0o644);
    terminal.note(`the key set in force is in ${options.out}`);
  }
  return EXIT.ok;
}

export async function sendOrder(context: Context, file: string, options: SealersOptions): Promise<ExitCode> {
  const order = readFileSync(file, 'utf8');
  try {
    keySetOfNote(order);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw usage(`${file} is no order for a key set (${cause.message})`);
  }
  await putInForce(context, order, options);
  return EXIT.ok;
}

function rowsOf(sets: readonly PlacedKeySet[], said: NewestAnnouncement): KeyRow[] {
  const { set } = sets.at(-1)!;
  const row = (role: string, key: VerifierKey, state: string): KeyRow => {
    const since = sets.find((one) => allKeys(one.set).some(({ vkey }) => vkey === key.vkey))!.index;
    return { role, name: key.name, id: key.idHex, since, state };
  };
  return [
    row('log', set.log, 'signs'),
    ...set.operators.map((key) => row('operator', key, 'kept offline')),
    ...set.ingest.map((key) => row('ingest', key, ingestState(key, set, said))),
    ...set.verifiers.map((key) => row('verifier', key, verifierState(key, set, said))),
  ];
}

function ingestState(key: VerifierKey, set: KeySet, said: NewestAnnouncement): string {
  const others = set.ingest.filter(({ name }) => name === key.name);
  const ingester = key.name.slice(key.name.lastIndexOf('/') + 1);
  const head = said.heads.find((one) => one.ingester === ingester);
  if (head?.note === undefined) return 'has signed no frame yet';
  if (isSignedBy(head.note, key, set.origin)) return 'signs';
  return others.length > 1
    ? 'does not sign now: the one that does not may go once nothing is owed'
    : 'signs no newer frame yet';
}

function verifierState(key: VerifierKey, set: KeySet, said: NewestAnnouncement): string {
  if (said.cosignatures.some((one) => one.key.vkey === key.vkey)) return 'cosigns';
  const others = set.verifiers.filter(({ name }) => name === key.name);
  return others.length > 1
    ? 'does not cosign now: the one that does not may go'
    : 'has not cosigned the newest checkpoint';
}

export function isSignedBy(note: string, key: VerifierKey, origin: string): boolean {
  try {
    openFrame(note, [key], origin);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

const allKeys = (set: KeySet): VerifierKey[] => [set.log, ...set.operators, ...set.ingest, ...set.verifiers];
