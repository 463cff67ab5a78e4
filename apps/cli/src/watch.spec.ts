/** The command itself where there is no installation to be heard: what it says, ends with, and keeps. */
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DevPki } from '@everseal/local';
import { identityOf } from '@everseal/policy';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { stringify } from 'yaml';
import { runProgram } from './program.js';
import { Terminal } from './terminal.js';
import { ALERT_KEYS, DOMAIN, GENESIS } from './watched.fixture.js';

let folder: TemporaryFolder;
const place = (name: string): string => path.join(folder.path, name);

beforeAll(async () => {
  folder = temporaryFolder('watch');
  const pki = await DevPki.open(place('pki'));
  const ops = await pki.ensureClient(identityOf(DOMAIN, 'ops', 'ops'));
  writeFileSync(place('genesis.note'), GENESIS);
  writeFileSync(place('alerts.vkeys'), ALERT_KEYS.map(({ verifier }) => `${verifier.vkey}\n`).join(''));
  const settings = {
    domain: DOMAIN,
    alertKeysFile: place('alerts.vkeys'),
    ledgers: [{ name: 'main', genesisFile: place('genesis.note') }],
    nats: { servers: ['tls://localhost:1'], firstConnectMs: 100 }, // nobody listens there
    ops: { name: 'ops', ...ops },
  };
  writeFileSync(place('cli.yaml'), stringify(settings));
});
afterAll(() => folder.remove());

interface Ran {
  code: number;
  out: string;
  err: string;
}

async function watch(...args: string[]): Promise<Ran> {
  let [out, err] = ['', ''];
  const terminal = new Terminal({ write: (text) => (out += text) }, { write: (text) => (err += text) }, false);
  const code = await runProgram(['--config', place('cli.yaml'), 'watch', ...args], {
    terminal,
    stdin: (async function* () {})(),
    now: Date.now,
    signal: new AbortController().signal,
    dir: undefined,
  });
  return { code, out, err };
}

describe('a watcher that cannot connect', () => {
  it('misses everybody all the same, says that it hears nobody, and tells it once', async () => {
    const first = await watch('--once', '--period', '1', '--state', place('state.json'), '--json');
    expect(first.code).toBe(7);
    const lines = first.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const raised = lines.filter(({ observed }) => observed === 'raised');
    expect(raised.map(({ code, part }) => `${String(code)} ${String(part)}`).sort()).toEqual(
      ['ingest/a', 'sealer/s1', 'verifier/v1', 'verifier/v2'].map((part) => `heartbeat.missing ${part}`),
    );
    expect(raised[0]?.['detail']).toContain('this watcher hears nobody: no connection to NATS');
    expect(lines.at(-1)).toEqual({ summary: { standing: 4, codes: ['heartbeat.missing'], whole: false } });

    const again = await watch('--once', '--period', '1', '--state', place('state.json'));
    expect(again.code).toBe(7);
    expect(again.out).toContain('4 conditions standing');
    expect(again.err).toContain('note: no connection to NATS');
  });
});

describe('what does not go together', () => {
  it('is said before anything is done', async () => {
    const urlFile = place('url');
    writeFileSync(urlFile, 'https://pager.example.com/\n');
    chmodSync(urlFile, 0o644);
    writeFileSync(place('damaged.json'), '{}');
    const cases: [string[], string][] = [
      [['--once', '--for', '60'], 'do not go together'],
      [['--for', '30'], 'too short to hear everybody'],
      [['--webhook', urlFile], 'can be read or written by others'],
      [['--webhook', place('nowhere')], 'does not exist'],
      [['--state', place('damaged.json')], 'is not a state that this tool wrote'],
      [['--period', '0'], 'whole number'],
    ];
    for (const [args, said] of cases) {
      const ran = await watch(...args);
      expect({ args, ...ran }).toMatchObject({ code: 2, out: '', err: expect.stringContaining(said) });
    }
  });
});
