/**
 * The keys that a ledger goes by, against what this verifier was told by its operators rather than by the log:
 *
 * - `key.unknown`  the newest key set of the log is properly signed, but nobody has told this verifier of it. A stolen
 *                  operator's key makes such a set.
 * - `key.changed`  the genesis file of the settings is not any more what this verifier started with: at its next start it
 *                  would believe another ledger.
 *
 * Both are alerts and nothing else: they never withhold a cosignature. Only the newest set is compared. The ones before it
 * follow from it, each names the hash of the one before. What is compared is its text: verifiers are told of a set by the
 * operators' order for it, before the log key has put its line under it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  encodeBase64,
  equalHash,
  FormatError,
  formatKeySetText,
  keySetOfNote,
  leafHash,
  type Finding,
  type Hash,
  type KeySet,
  type LogMemory,
  type LogTrust,
} from '@everseal/audit-core';
import type { AlertBook } from '@everseal/process';

export interface KeyGuardOptions {
  readonly trust: LogTrust;
  readonly genesisFile: string;
  /** Folder of the later key sets that this verifier was told of, a note a file; null when there is none. */
  readonly keySetsDir: string | null;
  /** What this verifier has derived so far. */
  readonly memory: () => Pick<LogMemory, 'keys' | 'keysHash' | 'keysIndex'>;
}

export class KeyGuard {
  constructor(
    private readonly alerts: AlertBook,
    private readonly options: KeyGuardOptions,
  ) {}

  look(): void {
    const { trust, genesisFile, keySetsDir, memory } = this.options;
    const { keys, keysHash, keysIndex } = memory();
    const told = keySetsDir === null ? [] : setsIn(keySetsDir);
    const isFirst = equalHash(keysHash, trust.genesis);
    const findings = [
      changedGenesis(genesisFile, readOrNull(genesisFile), trust),
      keys && !isFirst && unknownKeySet(keys, { hash: keysHash, index: keysIndex }, told),
    ];
    this.alerts.reconcile(
      `the keys of ${trust.origin}`,
      findings.flatMap((finding) => (finding ? [{ finding, context: { ledger: trust.origin } }] : [])),
    );
  }
}

/** Whether the log goes by a key set that is none of those told (their texts). */
export function unknownKeySet(
  keys: KeySet,
  inForce: { hash: Hash; index: number },
  told: readonly string[],
): Finding | null {
  if (told.includes(formatKeySetText(keys))) return null;
  const detail = `the log goes by the key set of entry ${inForce.index}, of which this verifier was not told`;
  return { code: 'key.unknown', index: inForce.index, height: null, detail, found: encodeBase64(inForce.hash) };
}

function changedGenesis(file: string, note: Buffer | null, { genesis }: LogTrust): Finding | null {
  if (note && equalHash(leafHash(note), genesis)) return null;
  return {
    code: 'key.changed',
    index: null,
    height: null,
    detail: note
      ? `${file} holds another key set than the one that this verifier started with`
      : `${file}, the key set that this verifier trusts, is gone`,
    expected: encodeBase64(genesis),
    ...(note ? { found: encodeBase64(leafHash(note)) } : {}),
  };
}

/** The texts of the key sets in a folder; what is no note holds none. */
function setsIn(folder: string): string[] {
  const files = orNull(() => readdirSync(folder)) ?? [];
  return files.filter((name) => name.endsWith('.note')).flatMap((name) => textOf(path.join(folder, name)) ?? []);
}

function textOf(file: string): string | null {
  const note = readOrNull(file);
  try {
    return note && formatKeySetText(keySetOfNote(note));
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

const readOrNull = (file: string): Buffer | null => orNull(() => readFileSync(file));

/** Null for what is not there. */
function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
