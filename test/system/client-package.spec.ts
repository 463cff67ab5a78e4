/** The npm package of the client as somebody else installs it: alone in a folder, with nothing but its dependencies. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';

const ROOT = path.resolve(import.meta.dirname, '../..');
const PACKAGE = path.join(ROOT, 'dist', 'packages', 'client');
const OURS = path.join(ROOT, 'node_modules');

let folder: TemporaryFolder;

beforeAll(() => {
  const packed = spawnSync(process.execPath, ['scripts/pack-client.mjs', '--no-tarball'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect([packed.status, packed.stderr]).toEqual([0, '']);
  folder = temporaryFolder('client-package');
  const modules = path.join(folder.path, 'node_modules');
  mkdirSync(path.join(modules, '@everseal'), { recursive: true });
  cpSync(PACKAGE, path.join(modules, '@everseal', 'client'), { recursive: true });
  for (const name of ['@nats-io', '@types', 'fs-native-extensions', 'undici-types']) {
    symlinkSync(path.join(OURS, name), path.join(modules, name));
  }
  writeFileSync(path.join(folder.path, 'package.json'), '{"type":"module"}');
}, 120_000);
afterAll(() => folder?.remove());

function run(name: string, text: string, command: string[]): { status: number | null; said: string } {
  writeFileSync(path.join(folder.path, name), text);
  const { status, stdout, stderr } = spawnSync(process.execPath, [...command, name], {
    cwd: folder.path,
    encoding: 'utf8',
  });
  return { status, said: stdout + stderr };
}

const TSC = [
  path.join(OURS, '@typescript', 'native', 'bin', 'tsc'),
  '--noEmit',
  '--strict',
  '--module',
  'nodenext',
  '--types',
  'node',
];

describe('the package', () => {
  it('runs with its dependencies alone', () => {
    const text = `import { connect, MemoryRecorder } from '@everseal/client';
      const recorder = new MemoryRecorder({ source: '/billing' });
      await recorder.record({ action: 'invoice.approve', actor: { id: 'alice' } });
      const refused = await connect({ servers: 'tls://localhost:1', tls: {}, trustFile: 'none' }).catch(({ code }) => code);
      console.log(recorder.events.length, refused);`;
    expect(run('try.mjs', text, [])).toEqual({ status: 0, said: '1 client.settings\n' });
  });

  it('tells its types. Control: what they do not allow is told', () => {
    const good = `import { MemoryRecorder, type Recorder } from '@everseal/client';
      const recorder: Recorder = new MemoryRecorder({ source: '/billing' });
      const recorded = await recorder.record({ action: 'a', actor: { id: 'alice' } });
      if (recorded.state === 'receipted') recorded.proof.appendTo('proofs.ndjson');`;
    expect(run('good.ts', good, TSC)).toEqual({ status: 0, said: '' });
    const { status, said } = run('bad.ts', good.replace("action: 'a'", 'action: 1'), TSC);
    expect([status === 0, said]).toEqual([false, expect.stringContaining('bad.ts(3,')]);
  });

  it('holds what the client reaches and nothing of the services', () => {
    expect(readdirSync(path.join(PACKAGE, 'libs')).sort()).toEqual(['audit-core', 'client', 'tls']);
  });
});
