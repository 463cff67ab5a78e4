/** The examples of README.md "Send an event" run as they stand there, only at another address. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { repositoryRoot } from '@everseal/local';
import { temporaryFolder } from '@everseal/testing';
import { readReceipts } from '../../../apps/cli/src/receipt-files.js';
import { buildSources } from '../../../apps/ingest/src/build-source.fixture.js';
import { DOMAIN } from '../../../apps/ingest/src/announced-log.fixture.js';
import { IngestLab, type RunningIngest } from '../../../apps/ingest/src/ingest.fixture.js';
import { optionsOf, timesInLane } from './client.fixture.js';

const run = promisify(execFile);
const POLICY = `
domain: ${DOMAIN}
ledgers: [{ name: main, ingesters: [a, b], spoolBytes: 4194304 }]
producers: [{ name: billing, ledgers: [main], sources: ['https://billing.example.com/*'] }]
ingest: [{ name: a }, { name: b }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
`;
const built = temporaryFolder('readme-example');
const readme = readFileSync(path.join(repositoryRoot(), 'README.md'), 'utf8');
const examples = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, example]) => String(example));
let lab: IngestLab;
let ingest: RunningIngest;

beforeAll(async () => {
  buildSources(built.path, 'ingest');
  lab = await IngestLab.start(POLICY);
  ingest = await lab.run('a', await lab.settings('a', 'spool-a'));
  await ingest.ready();
}, 60_000);
afterAll(async () => {
  await ingest.stop();
  await ingest.link.close();
  await lab.stop();
  built.remove();
});

/** Runs an example as `producer.mjs` of an installation that is somewhere else. @returns what it prints */
async function printed(example: string): Promise<string> {
  const { tls, trustFile, servers } = await optionsOf(lab);
  const text = example
    .replaceAll('./dist/', './')
    .replaceAll('.everseal/pki/client/producer-billing', path.dirname(tls.certFile))
    .replaceAll('.everseal/trust/main/genesis.note', trustFile)
    .replaceAll('tls://localhost:14222', String(servers));
  writeFileSync(path.join(built.path, 'producer.mjs'), text);
  const { stdout } = await run(process.execPath, ['producer.mjs'], { cwd: built.path, timeout: 20_000 });
  return stdout;
}

describe('README.md', () => {
  it('records an event with the client, and keeps its proof as the tool reads it', async () => {
    await printed(examples[0] ?? '');
    const [kept, ...others] = readReceipts(path.join(built.path, 'proofs.ndjson'));
    expect([kept?.producer, kept?.receipt.count, others]).toEqual(['billing', 1, []]);
    expect(await timesInLane(lab, 'invoice.approve')).toBe(1);
  });

  it('sends one with any NATS client, and gets its receipt', async () => {
    expect(await printed(examples[1] ?? '')).toContain('everseal/frame/v1');
    expect(await timesInLane(lab, 'invoice.paid')).toBe(1);
  });
});
