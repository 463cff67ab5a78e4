import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { settingsFields } from '@everseal/process';
import { CliFailure } from './cli-failure.js';
import { explain } from './explain-error.js';
import {
  cliSettings,
  ledgerSettings,
  opsSettings,
  producerSettings,
  readSettings,
  type CliSettings,
} from './config.js';
import { EXIT } from './exit-code.js';

const document = fileURLToPath(new URL('../../../docs/operations/command-line.md', import.meta.url));
const LEAST = `domain: audit.example.com
ledgers: [{ name: main, genesisFile: genesis.note }]
nats: { servers: ['tls://localhost:4222'] }
`;

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-cli-'));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function settings(text: string): CliSettings {
  mkdirSync(path.join(dir, 'config'), { recursive: true });
  writeFileSync(path.join(dir, 'config', 'cli.yaml'), text);
  return readSettings({ dir });
}

describe('the settings of the command-line tool', () => {
  it('are found in the folder of the installation, paths made absolute', () => {
    const read = settings(LEAST);
    expect(read).toMatchObject({ producers: [], services: [], nats: { firstConnectMs: 10_000 } });
    expect(ledgerSettings(read, 'main').genesisFile).toBe(path.join(dir, 'config', 'genesis.note'));
  });

  it('say what is missing, as a mistake of usage', () => {
    const read = settings(LEAST);
    const failures = [
      () => readSettings({ dir: path.join(dir, 'none') }),
      () => readSettings({ config: path.join(dir, 'none.yaml') }),
      () => settings(`${LEAST}unknown: 1\n`),
      () => ledgerSettings(read, 'other'),
      () => producerSettings(read, undefined),
      () => opsSettings(read),
    ].map((work) => {
      try {
        return work();
      } catch (error) {
        return explain(error).exitCode;
      }
    });
    expect(failures).toEqual(failures.map(() => EXIT.usage));
  });

  it('take the only producer, and ask for a name where there are more', () => {
    const producer = (name: string): string => `{ name: ${name}, certFile: c, keyFile: k, caFile: a }`;
    const one = settings(`${LEAST}producers: [${producer('billing')}]\n`);
    expect(producerSettings(one, undefined).name).toBe('billing');
    const two = settings(`${LEAST}producers: [${producer('billing')}, ${producer('orders')}]\n`);
    expect(() => producerSettings(two, undefined)).toThrow('--producer: billing, orders');
    expect(producerSettings(two, 'orders').name).toBe('orders');
    expect(() => producerSettings(two, 'demo')).toThrow(CliFailure);
  });

  it('are all documented, as are the exit codes', () => {
    const text = readFileSync(document, 'utf8');
    const missing = settingsFields(cliSettings).filter(({ path: field }) => !text.includes(`\`${field}\``));
    expect(missing.map(({ path: field }) => field)).toEqual([]);
    for (const code of Object.values(EXIT)) expect(text).toMatch(new RegExp(`^\\| ${code} \\|`, 'm'));
  });
});
