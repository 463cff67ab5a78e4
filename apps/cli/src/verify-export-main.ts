/**
 * `node verify.mjs [--policy <file>] [--json]`: checks the export that it stands in, offline, with nothing but Node and the files
 * beside it. Exit code 0: everything holds; 1: refused, with the reason; 2: the command line or the policy file is wrong.
 *
 * It came with the export, so it is worth as much as whoever gave you both: a verifier of your own checks the same files
 * (`everseal verify <folder> --policy <file>`, or any reader of C2SP tlog-tiles).
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  completenessWords,
  EXPORT_FOLDERS,
  exportWords,
  FormatError,
  numbersIn,
  parseTlogPolicy,
  verifyExport,
  type TlogPolicy,
} from '@everseal/audit-core';
import { FolderFiles } from './folder-files.js';

const HERE = import.meta.dirname;
const [PROVEN, REFUSED, USAGE] = [0, 1, 2];

async function main(args: string[]): Promise<number> {
  const at = args.indexOf('--policy');
  const own = at < 0;
  const policyFile = own ? path.join(HERE, 'policy') : args[at + 1];
  const others = args.filter((arg, i) => arg !== '--json' && (own || (i !== at && i !== at + 1)));
  if (others.length > 0 || policyFile === undefined) {
    console.error('usage: node verify.mjs [--policy <file>] [--json]');
    return USAGE;
  }
  const policy = readPolicy(policyFile);
  if (policy === null) return USAGE;
  if (own)
    console.error(
      'note: checked against the policy that came with the export; compare its keys with what you were given by another way',
    );
  return check(policy, args.includes('--json'));
}

function readPolicy(file: string): TlogPolicy | null {
  try {
    return parseTlogPolicy(readFileSync(file));
  } catch (error) {
    console.error(`${file} is no policy: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

async function check(policy: TlogPolicy, asJson: boolean): Promise<number> {
  try {
    const checked = await verifyExport(new FolderFiles(HERE), policy, progress());
    const { proven, notProven: open } = exportWords(checked, completenessWords(checked));
    const notProven = [...open, ...(await stampsLeftOut())];
    const { ledger, size, selection, census } = checked;
    if (asJson)
      console.log(
        JSON.stringify({ verified: true, ledger, size, selection, events: census.events, proven, notProven }),
      );
    else
      console.log(
        [
          'proven:',
          ...proven.map((words) => `  ${words}`),
          'not proven:',
          ...notProven.map((words) => `  ${words}`),
        ].join('\n'),
      );
    return PROVEN;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    if (asJson) console.log(JSON.stringify({ verified: false, code: error.code, reason: error.message }));
    else console.log(`refused: ${error.message} (${error.code})`);
    return REFUSED;
  }
}

/** Time stamps need more than Node to be read; the checkpoints that they are about were compared. */
async function stampsLeftOut(): Promise<string[]> {
  const { length } = await numbersIn(new FolderFiles(HERE), EXPORT_FOLDERS.timestamps);
  if (length === 0) return [];
  return [
    `what the ${length} time stamps say, this program does not read them: everseal verify does, or for each size ` +
      'openssl ts -verify -data timestamps/<size>/checkpoint -in timestamps/<size>/<name>.tst -token_in -CAfile authorities/<name>.pem',
  ];
}

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
