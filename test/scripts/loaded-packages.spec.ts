import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { repositoryRoot } from '@everseal/local';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';

const ROOT = repositoryRoot();
/** Says at the end which CommonJS packages the process has loaded, required or imported. */
const TELL = `process.on('exit', () => {
  const named = Object.keys(require.cache).map((file) => /.*node_modules.((?:@[^/]+.)?[^/]+)/.exec(file)?.[1]);
  process.stdout.write('loaded ' + JSON.stringify([...new Set(named)]));
});`;

let folder: TemporaryFolder;

beforeAll(() => {
  folder = temporaryFolder('loaded');
  writeFileSync(path.join(folder.path, 'tell.cjs'), TELL);
});
afterAll(() => folder.remove());

function loadedBy(...program: string[]): string[] {
  const { stdout } = spawnSync('node', ['--require', path.join(folder.path, 'tell.cjs'), ...program], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  });
  return JSON.parse(stdout.slice(stdout.lastIndexOf('loaded ') + 'loaded '.length)) as string[];
}

describe('the packages that a service loads at its start', () => {
  it.each(['ingest', 'sealer', 'verifier', 'reader', 'follower'])('%s: no ORM, which costs 29 MB', (service) => {
    // Without settings it ends once everything is loaded.
    const packages = loadedBy(`dist/apps/${service}/src/main.js`);
    expect(packages).toContain('pino');
    expect(packages).not.toContain('typeorm');
  });

  it('control: an import of it is told', () => {
    expect(loadedBy('--input-type=module', '--eval', `import 'typeorm'`)).toContain('typeorm');
  });
});
