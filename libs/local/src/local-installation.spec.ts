import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openGenesis } from '@everseal/audit-core';
import { readPolicy } from '@everseal/policy';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Client } from 'pg';
import { freePorts, type Ports } from './installation-layout.js';
import { LocalInstallation } from './local-installation.js';
import { identify } from './process-identity.js';

const POLICY = `
domain: audit.example.com
ledgers: [{ name: main, ingesters: [a] }]
producers: [{ name: billing, ledgers: [main], sources: ['*'] }]
ingest: [{ name: a }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
`;

let dir: string;
let policyFile: string;
let ports: Ports;
const said: string[] = [];

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-local-'));
  policyFile = path.join(dir, 'everseal.yaml');
  writeFileSync(policyFile, POLICY);
  ports = await freePorts(readPolicy(policyFile));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const open = (more: { policyFile?: string; ports?: Ports } = {}) =>
  LocalInstallation.open({
    dir: path.join(dir, 'installation'),
    policyFile,
    ports,
    say: (line) => said.push(line),
    ...more,
  });

async function rows(installation: LocalInstallation, sql: string): Promise<unknown[]> {
  const client = new Client(await installation.logins.superuser());
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('LocalInstallation', () => {
  it('brings up the engines with streams, roles and schema; a second start changes nothing; stop leaves nothing running', async () => {
    const first = open();
    await first.prepare();
    await first.startInfra();
    const pids = [first.nats.pid, first.postgres.pid];
    expect(await rows(first, `select count(*)::int as blocks from everseal.block`)).toEqual([{ blocks: 0 }]);
    const provisioner = await connect({ ...first.logins.nats('provisioner', 'deploy') });
    const { streams } = await jetstreamManager(provisioner, { checkAPI: false });
    const epoch = (await streams.info('FRAMES_main')).config.metadata;
    await provisioner.close();
    await first.stop();
    expect(pids.map(identify)).toEqual([null, null]);
    expect(said.join('\n')).toMatch(/new: migration .*stream FRAMES_main, stream ANNOUNCEMENTS, stream ALERTS/);

    const genesis = readFileSync(first.keys.genesis('main'));
    const second = open();
    await second.prepare();
    await second.startInfra();
    expect(said.at(-1)).toBe('database and streams are as they should be');
    expect(readFileSync(second.keys.genesis('main'))).toEqual(genesis);
    const again = await connect({ ...second.logins.nats('provisioner', 'deploy') });
    expect(
      (await (await jetstreamManager(again, { checkAPI: false })).streams.info('FRAMES_main')).config.metadata,
    ).toEqual(epoch);
    await again.close();
    await second.stop();
  });

  it("takes in a ledger that came later; control: a limit that is lowered is somebody's to decide", async () => {
    const more = path.join(dir, 'more.yaml');
    const two = '[{ name: main, ingesters: [a] }, { name: system, ingesters: [a] }]\nsystemLedger: system';
    writeFileSync(more, POLICY.replace('[{ name: main, ingesters: [a] }]', two));
    const installation = open({ policyFile: more });
    await installation.prepare();
    await installation.startInfra();
    await installation.stop();
    expect(said.at(-1)).toBe('new: stream FRAMES_system');
    const back = open();
    await back.prepare();
    await expect(back.startInfra()).rejects.toMatchObject({ code: 'config-invalid' });
    rmSync(path.join(dir, 'installation', 'nats', 'store'), { recursive: true });
  });

  it('makes one key a use, closed to others, and a genesis that names them', async () => {
    const installation = open();
    await installation.prepare();
    const keys = installation.keys;
    const set = openGenesis(readFileSync(keys.genesis('main')), 'audit.example.com/main');
    expect(set.operators.map(({ name }) => name)).toEqual(['audit.example.com/operator/local']);
    expect(set.ingest.map(({ name }) => name)).toEqual(['audit.example.com/ingest/a']);
    expect(set.verifiers.map(({ name }) => name)).toEqual(['audit.example.com/verifier/v1']);
    const files = [
      keys.log('main'),
      keys.operator('local'),
      keys.ingest('a'),
      keys.verifier('v1'),
      keys.alerts('sealer', 's1'),
    ];
    expect(files.map((file) => statSync(file).mode & 0o777)).toEqual(files.map(() => 0o600));
    expect(new Set(files.map((file) => readFileSync(file, 'utf8'))).size).toBe(files.length);
    const alerts = readFileSync(keys.alertKeys(), 'utf8').trimEnd().split('\n');
    expect(alerts.map((vkey) => vkey.split('+')[0])).toEqual(
      ['ingest/a', 'sealer/s1', 'verifier/v1'].map((id) => `audit.example.com/${id}/alerts`),
    );
    await installation.stop();
  });

  it('makes no new key in place of one that the ledger began with', async () => {
    const installation = open();
    const file = installation.keys.log('main');
    const key = readFileSync(file);
    rmSync(file);
    await expect(installation.prepare()).rejects.toMatchObject({ code: 'key-mismatch' });
    writeFileSync(file, readFileSync(installation.keys.ingest('a')), { mode: 0o600 });
    const second = open();
    await expect(second.prepare()).rejects.toMatchObject({ code: 'key-mismatch' });
    writeFileSync(file, key, { mode: 0o600 });
  });

  it('says which services came too late for the first key set', async () => {
    const later = path.join(dir, 'later.yaml');
    writeFileSync(later, POLICY.replace('verifiers: [{ name: v1 }]', 'verifiers: [{ name: v1 }, { name: v2 }]'));
    const installation = open({ policyFile: later, ports: await freePorts(readPolicy(later)) });
    await installation.prepare();
    expect(said.filter((line) => line.startsWith('note:'))).toEqual([
      expect.stringContaining('audit.example.com/verifier/v2 was added after ledger main began'),
    ]);
    await installation.stop();
  });

  it('names a port in use, stops what it had started, and gives the folder free', async () => {
    const other = createServer().listen(ports.postgres, '127.0.0.1');
    const installation = open();
    await installation.prepare();
    await expect(installation.startInfra()).rejects.toMatchObject({
      code: 'port-in-use',
      message: expect.stringContaining(`port ${ports.postgres} at 127.0.0.1, wanted by postgres, is in use`),
    });
    other.close();
    const next = open();
    await next.prepare();
    await next.startInfra();
    await next.stop();
  });

  it('belongs to one process at a time', async () => {
    const installation = open();
    expect(() => open()).toThrow(expect.objectContaining({ code: 'already-running' }));
    await installation.stop();
    const owner = path.join(dir, 'installation', 'owner.json');
    writeFileSync(owner, JSON.stringify({ owner: { pid: process.pid, started: 'another time' } }));
    await open().stop();
  });
});
