/**
 * `npm run demo`: the promise in one minute, on a throw-away installation of its own. Events go in, come back with
 * receipts, are sealed and cosigned; then the database superuser changes one byte, and the alert names it.
 *
 *   npm run demo                      this clone's git history as audit events
 *   npm run demo -- --file F          CloudEvents (JSON, NDJSON) or CloudTrail records
 *   npm run demo -- --json            the last line is one JSON object
 */

import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { describeFailure, freePorts, LocalInstallation } from '@everseal/local';
import { readPolicy } from '@everseal/policy';
import { AlertEar } from './alerts.js';
import { gitEvents } from './git-events.js';
import { LedgerView } from './ledger-view.js';
import { Story } from './story.js';
import { flipOneByte } from './tamper.js';

const { values: options } = parseArgs({ options: { file: { type: 'string' }, json: { type: 'boolean' } } });
const WAIT_MS = 60_000;
const LEDGER = 'main';

const root = path.resolve(import.meta.dirname, '../../..');
const dir = path.join(root, '.everseal', 'demo');
const story = new Story((line) => (options.json ? process.stderr : process.stdout).write(`${line}\n`));

let installation: LocalInstallation | null = null;
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void end(1));
try {
  const result = await demo();
  if (options.json) console.log(JSON.stringify(result));
  await end(0);
} catch (error) {
  story.bad(describeFailure(error));
  await end(1);
}

async function end(code: number): Promise<never> {
  await installation?.stop();
  process.exit(code);
}

async function demo(): Promise<object> {
  story.step('Start: nats-server, Postgres, ingest, sealer, verifier, all on TLS 1.3 with certificates of their own');
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const policyFile = path.join(root, 'everseal.yaml');
  const ports = await freePorts(readPolicy(policyFile));
  installation = LocalInstallation.open({ dir, policyFile, ports, say: (line) => story.line(line) });
  await installation.start();
  const ops = installation.logins.nats('ops', 'ops');
  const ear = await AlertEar.open(ops, installation.keys.alertKeys());
  const ledger = await LedgerView.open(await installation.logins.postgres('ops', 'ops'), ops, LEDGER);

  const file = options.file ? path.resolve(options.file) : writeGitEvents();
  story.step(`Submit ${options.file ?? "this clone's git history"} as producer demo`);
  const accepted = await submit(file);
  story.good(`${accepted} events accepted, each with a receipt that was checked against ingest's key`);

  story.step('Seal and cosign');
  const sealed = await ledger.waitForEvents(accepted, WAIT_MS);
  story.good(`${sealed} events stand in hash-chained blocks in Postgres`);
  const cosigned = await ledger.waitForCosigned(WAIT_MS);
  story.good(`a checkpoint of size ${cosigned.size} covers them; the verifier derived its root again and cosigned it`);

  story.step('Tamper: as database superuser, triggers off, one bit of one stored event');
  const start = performance.now();
  const tampering = await flipOneByte(await installation.logins.superuser(), LEDGER);
  story.line(`before  …${tampering.before}…`);
  story.line(`after   …${tampering.after}…`);
  const raised = await ear.wait(({ state, first }) => state === 'raised' && first?.index === tampering.index, WAIT_MS);
  const seconds = Math.round(performance.now() - start) / 1_000;
  story.bad(`alert ${raised.code} after ${seconds} s: ${raised.detail}`);
  story.line(`event ${raised.first?.eventId}, last good block ${raised.lastGoodBlock}`);

  story.step('Restore the byte');
  await tampering.restore();
  await ear.wait(({ state, clears }) => state === 'cleared' && clears === raised.number, WAIT_MS);
  story.good('the verifier found it good again and cleared the alert');
  const others = ear.count - 2;
  if (others > 0) throw new Error(`${others} other alerts were raised`);
  await ledger.close();
  await ear.close();
  story.step(`Done. Next: npm start, and npm run everseal -- --help`);
  return { accepted, sealed, cosigned: cosigned.events, tamper: { verdict: raised.code, seconds, cleared: true } };
}

function writeGitEvents(): string {
  const events = gitEvents(root);
  if (events.length === 0) throw new Error('this is no git clone with commits: name a file of events with --file');
  const file = path.join(dir, 'git-events.ndjson');
  writeFileSync(file, `${events.join('\n')}\n`);
  return file;
}

/** Runs `everseal submit` as a user would; its last line is the summary. */
function submit(file: string): Promise<number> {
  const cli = path.join(root, 'dist', 'apps', 'cli', 'src', 'main.js');
  const args = [cli, 'submit', '--dir', dir, '--ledger', LEDGER, '--producer', 'demo', '--file', file, '--json'];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      const last = output.trim().split('\n').at(-1) ?? '';
      if (code !== 0) reject(new Error(`everseal submit ended with code ${code}: ${last}`));
      else resolve((JSON.parse(last) as { summary: { receipted: number } }).summary.receipted);
    });
  });
}
