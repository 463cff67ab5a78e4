/** Everything at once, from the build in dist/: services that become ready, an owner that is killed, a restart on what it left behind. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readPolicy } from '@everseal/policy';
import { Client } from 'pg';
import { freePorts, type Ports, servicesOf } from './installation-layout.js';
import { LocalInstallation } from './local-installation.js';
import { identify, type ProcessIdentity } from './process-identity.js';
import { repositoryRoot } from './repository-root.js';
import { waitUntil } from './wait-until.js';

const BOUND_MS = 180_000;

let dir: string;
let policyFile: string;
let ports: Ports;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-whole-'));
  policyFile = path.join(repositoryRoot(), 'everseal.yaml');
  ports = await freePorts(readPolicy(policyFile));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The installation, owned by a process of its own; resolves when everything is ready. */
async function startElsewhere(): Promise<ChildProcess> {
  const index = path.join(repositoryRoot(), 'dist', 'libs', 'local', 'src', 'index.js');
  const program = `
    import { LocalInstallation } from ${JSON.stringify(index)};
    await LocalInstallation.open(${JSON.stringify({ dir, policyFile, ports })}).start();
    console.log('everything is ready');
  `;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    owner.stdout.once('data', () => resolve());
    owner.once('exit', () => reject(new Error('the owner ended')));
  });
  return owner;
}

/** What the pid files in the folder say. */
function recorded(): ProcessIdentity[] {
  const files = (readdirSync(dir, { recursive: true }) as string[]).filter((file) =>
    /^[a-z]+\/[a-z0-9-]+\.pid$/.test(file),
  );
  return files.map(
    (file) => (JSON.parse(readFileSync(path.join(dir, file), 'utf8')) as { child: ProcessIdentity }).child,
  );
}

describe('a whole installation', () => {
  it(
    'ends with its owner, killed or not, and goes on from what is left behind',
    async () => {
      const owner = await startElsewhere();
      const children = recorded();
      expect(children).toHaveLength(2 + servicesOf(readPolicy(policyFile)).length);
      owner.kill('SIGKILL');

      // At once, while the watchdogs are still at it: the new owner waits for them, or ends what is left itself.
      const said: string[] = [];
      await waitUntil(() => identify(owner.pid as number) === null, { what: 'the owner is gone' });
      const installation = LocalInstallation.open({ dir, policyFile, ports, say: (line) => said.push(line) });
      await installation.start();
      expect(children.filter(({ pid, started }) => identify(pid)?.started === started)).toEqual([]);

      installation.service('ingest', 'a').kill('SIGKILL');
      await waitUntil(() => said.some((line) => line.startsWith('ingest-a ended (SIGKILL)')), {
        what: 'its end is told',
      });
      await installation.startService('ingest', 'a');

      const reader = new Client(await installation.logins.postgres('ops', 'ops'));
      await reader.connect();
      await expect(reader.query('select count(*) from everseal.block')).resolves.toBeDefined();
      await expect(reader.query("insert into everseal.ledger (origin) values ('x')")).rejects.toMatchObject({
        code: expect.any(String),
      });
      await reader.end();

      const last = recorded();
      await installation.stop();
      expect(last.filter(({ pid }) => identify(pid) !== null)).toEqual([]);
      expect(recorded()).toEqual([]);
    },
    BOUND_MS,
  );

  it(
    'says which service is not ready, why, and stops the rest',
    async () => {
      const installation = LocalInstallation.open({ dir, policyFile, ports });
      await installation.prepare();
      await installation.startInfra();
      const settings = installation.layout.configFile('sealer-s1');
      writeFileSync(settings, readFileSync(settings, 'utf8').replace('name: s1', 'name: s1\nnonsense: 1'));
      await expect(installation.startServices()).rejects.toMatchObject({
        code: 'process-exited',
        message: expect.stringMatching(/sealer-s1 ended \(code \d+\) before it was ready: .*nonsense/),
      });
      expect(recorded()).toEqual([]);
    },
    BOUND_MS,
  );
});
