/**
 * `node verify.mjs [--policy <file>] [--tsa <file>]... [--frames] [--json]`: checks the export that it stands in, offline, with nothing
 * but Node and the files beside it. Exit code 0: everything holds; 1: refused, with the reason; 2: the command line or a file that it
 * names is wrong.
 *
 * It came with the export, so it is worth as much as whoever gave you both: a verifier of your own checks the same files
 * (`everseal verify <folder> --policy <file>`, or any reader of C2SP tlog-tiles).
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  completenessWords,
  exportWords,
  FormatError,
  frameFacts,
  frameWords,
  listStamps,
  parseTlogPolicy,
  verifyExport,
  type TlogPolicy,
  type VerifiedExport,
  type Words,
} from '@everseal/audit-core';
import type { Pinned } from './exported-stamps.js';
import { FolderFiles } from './folder-files.js';

const HERE = import.meta.dirname;
const FILES = new FolderFiles(HERE);
const [PROVEN, REFUSED, USAGE] = [0, 1, 2];
const UNPRINTABLE = /[\p{Control}\p{Format}]/gu;

interface Options {
  policy: TlogPolicy;
  /** Files with certificates of time-stamp authorities. */
  tsa: string[];
  frames: boolean;
  json: boolean;
}

/** What is wrong with the command line. */
class Usage extends Error {}

async function main(args: string[]): Promise<number> {
  try {
    return await check(readOptions(args));
  } catch (error) {
    if (!(error instanceof Usage)) throw error;
    console.error(error.message);
    return USAGE;
  }
}

function readOptions(args: string[]): Options {
  const own = path.join(HERE, 'policy');
  const flags = { frames: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } } as const;
  const files = {
    policy: { type: 'string' },
    tsa: { type: 'string', multiple: true, default: [] as string[] },
  } as const;
  try {
    const { policy, ...rest } = parseArgs({ args, options: { ...files, ...flags } }).values;
    if (policy === undefined)
      console.error(
        'note: checked against the policy that came with the export; compare its keys with what you were given by another way',
      );
    return { ...rest, policy: readPolicy(policy ?? own) };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Usage('usage: node verify.mjs [--policy <file>] [--tsa <file>]... [--frames] [--json]', { cause: error });
  }
}

function readPolicy(file: string): TlogPolicy {
  try {
    return parseTlogPolicy(readFileSync(file));
  } catch (cause) {
    throw new Usage(`${file} is no policy: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

async function check({ policy, tsa, frames, json }: Options): Promise<number> {
  try {
    const checked = await verifyExport(FILES, policy, {
      onChecked: progress(),
      ...(frames && {
        onFrame: (shown) => (json ? tell({ kind: 'frame', ...frameFacts(shown) }) : line(`  ${frameWords(shown)}`)),
      }),
    });
    const stamps = await readStamps(checked, tsa);
    const words = exportWords(checked, completenessWords(checked));
    const proven = [...words.proven, ...stamps.proven];
    const notProven = [...words.notProven, ...stamps.notProven];
    if (json) tell({ verified: true, ...factsOf(checked), ...stamps.facts, proven, notProven });
    else tellWords({ proven, notProven });
    return PROVEN;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    if (json) tell({ verified: false, code: error.code, reason: error.message });
    else line(`refused: ${error.message} (${error.code})`);
    return REFUSED;
  }
}

/** What reads them comes along only where there are any. */
async function readStamps(checked: VerifiedExport, tsa: readonly string[]): Promise<Words & { facts: object }> {
  if ((await listStamps(FILES)).length === 0) return { proven: [], notProven: [], facts: {} };
  const { readPinned, stampsOfExport } = await import('./exported-stamps.js');
  const pinned: Pinned[] = tsa.map((file) => {
    try {
      return readPinned(readFileSync(file));
    } catch (cause) {
      throw new Usage(`${file} holds no certificates: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      });
    }
  });
  return stampsOfExport(FILES, checked, pinned.length === 0 ? null : pinned.flat());
}

function factsOf({ ledger, size, selection, census, evidence }: VerifiedExport): object {
  return { ledger, size, selection, events: census.events, custody: evidence?.custody ?? null };
}

function tellWords({ proven, notProven }: Words): void {
  line('proven:');
  for (const words of proven) line(`  ${words}`);
  line('not proven:');
  for (const words of notProven) line(`  ${words}`);
}

const tell = (value: object): void => console.log(JSON.stringify(value));
const line = (text: string): void => console.log(text.replace(UNPRINTABLE, '\ufffd'));

/** A line now and then where somebody watches. */
function progress(): (entries: number) => void {
  let [done, last] = [0, Date.now()];
  return (entries) => {
    done += entries;
    if (!process.stderr.isTTY || Date.now() - last < 1_000) return;
    last = Date.now();
    process.stderr.write(`\r${done.toLocaleString('en-US')} checked `);
  };
}

process.exitCode = await main(process.argv.slice(2));
