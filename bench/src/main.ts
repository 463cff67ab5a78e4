/**
 * `npm run bench`: the whole system on this machine, everything on (TLS 1.3 on every hop, sync_interval always, fsync,
 * three secondary indexes, the verifier running), 386-byte CloudEvents; and in the same run what people do today.
 *
 *   npm run bench                  all figures, about four minutes
 *   npm run bench -- --quick       one short run of each, for a look
 *   npm run bench -- --reads       the read API alone, on a log of --events 200000; searches in an index of --rows 1000000
 *   npm run bench -- --json        one JSON object a figure
 *   npm run bench -- --markdown    the table of README.md
 *
 * Throughput figures are medians of three runs; the floors are those of the project's plan for a machine with two cores.
 */

import { rmSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { LocalInstallation, freePorts } from '@everseal/local';
import { readPolicy } from '@everseal/policy';
import { baselines } from './baseline-figures.js';
import { Bench } from './bench.js';
import { asJson, asMarkdown, asTable } from './figures.js';
import { load } from './load-figures.js';
import { fill, reads, searches } from './read-figures.js';
import { stored } from './storage-figures.js';
import { sweeps } from './sweep-figures.js';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    markdown: { type: 'boolean' },
    quick: { type: 'boolean' },
    reads: { type: 'boolean' },
    events: { type: 'string', default: '200000' },
    rows: { type: 'string', default: '1000000' },
    keep: { type: 'boolean' },
  },
});

const root = path.resolve(import.meta.dirname, '../../..');
const dir = path.join(root, '.everseal', 'bench');
rmSync(dir, { recursive: true, force: true });
const policyFile = path.join(root, 'everseal.yaml');
const ports = await freePorts(readPolicy(policyFile));
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const installation = LocalInstallation.open({ dir, policyFile, ports, say });
const [runs, seconds] = options.quick ? [1, 3] : [3, 8];
const bench = new Bench(installation, ports, dir, 'main', runs, seconds, say, (figure) => {
  if (options.json) console.log(asJson(figure));
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void stop().then(() => process.exit(1)));
let exitCode = 0;
try {
  await installation.start();
  if (options.reads) {
    await fill(bench, Number(options.events));
    await reads(bench);
  } else {
    await baselines(bench);
    await load(bench);
    await stored(bench);
    await reads(bench);
    await sweeps(bench);
  }
  await searches(bench, Number(options.rows));
  if (!options.json) console.log(`\n${options.markdown ? asMarkdown(bench.figures) : asTable(bench.figures)}`);
} catch (error) {
  console.error(error);
  exitCode = 1;
}
await stop();
process.exit(exitCode);

async function stop(): Promise<void> {
  await installation.stop();
  if (!options.keep) rmSync(dir, { recursive: true, force: true });
}
