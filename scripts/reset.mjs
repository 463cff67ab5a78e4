/**
 * `npm run reset`: removes the one-machine installation (.everseal, or the folder given) with its ledger, keys and certificates.
 * Asks first; `-- --yes` answers. Refuses while it runs.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { ROOT, runScript, SetupFailure } from './setup.mjs';

await runScript(async () => {
  const args = process.argv.slice(2);
  const dir = path.resolve(args.find((arg) => !arg.startsWith('-')) ?? path.join(ROOT, '.everseal'));
  if (!existsSync(dir)) return console.log(`nothing to remove: ${dir} does not exist`);
  if (!existsSync(path.join(dir, 'installation.json')))
    throw new SetupFailure(`${dir} is not an Everseal installation: nothing removed`);
  const owner = ownerOf(dir);
  if (owner) throw new SetupFailure(`${dir} is in use by pid ${owner}: stop it first (Ctrl-C in its terminal)`);
  if (!args.includes('--yes')) await confirm(dir);
  rmSync(dir, { recursive: true, force: true });
  console.log(`removed ${dir}; npm start begins a new ledger`);
});

/** The pid that runs the installation, or null; a pid that is alive counts, to be on the safe side. */
function ownerOf(dir) {
  try {
    const { owner } = JSON.parse(readFileSync(path.join(dir, 'owner.json'), 'utf8'));
    process.kill(owner.pid, 0);
    return owner.pid;
  } catch {
    return null;
  }
}

async function confirm(dir) {
  if (!process.stdin.isTTY)
    throw new SetupFailure('npm run reset removes the ledger and its keys for good: add -- --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`Remove ${dir} with its ledger, keys and certificates for good? Type yes: `);
  terminal.close();
  if (answer.trim() !== 'yes') throw new SetupFailure('nothing removed');
}
