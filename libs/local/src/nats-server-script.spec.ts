/** scripts/nats-server.mjs against a false network: `curl` is a script that hands out an archive of ours, and there is no apt. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { repositoryRoot } from './repository-root.js';

const ARCH = { x64: 'amd64', arm64: 'arm64' }[process.arch as 'x64'];
const FOLDER = `nats-server-v2.14.6-${process.platform}-${ARCH}`;

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-fetch-'));
  for (const folder of ['bin', 'empty', FOLDER]) mkdirSync(path.join(dir, folder));
  for (const tool of ['sh', 'tar', 'gzip', 'chmod', 'cp', 'echo']) {
    const [found] = ['/bin', '/usr/bin'].map((place) => path.join(place, tool)).filter((file) => existsSync(file));
    symlinkSync(found as string, path.join(dir, 'bin', tool));
  }
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const put = (file: string, text: string, mode = 0o755) => {
  writeFileSync(path.join(dir, file), text);
  chmodSync(path.join(dir, file), mode);
};

const server = (version: string) => `#!/bin/sh\necho "nats-server: v${version}"\n`;

/** The script beside a list of its own; `curl` gives out an archive with a server of that version. */
function offer(version: string, sha256?: string): void {
  put(`${FOLDER}/nats-server`, server(version));
  spawnSync('tar', ['-czf', path.join(dir, 'archive.tar.gz'), '-C', dir, FOLDER]);
  const actual = createHash('sha256')
    .update(readFileSync(path.join(dir, 'archive.tar.gz')))
    .digest('hex');
  put('nats-server.sha256', `# comment\n${sha256 ?? actual}  ${FOLDER}.tar.gz\n`);
  put('bin/curl', `#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\ncp ${path.join(dir, 'archive.tar.gz')} "$2"\n`);
  copyFileSync(path.join(repositoryRoot(), 'scripts', 'nats-server.mjs'), path.join(dir, 'nats-server.mjs'));
}

function find(env: Record<string, string> = {}) {
  const all = {
    PATH: path.join(dir, 'bin'),
    EVERSEAL_CACHE: path.join(dir, 'cache'),
    HOME: dir,
    TMPDIR: tmpdir(),
    ...env,
  };
  return spawnSync(process.execPath, [path.join(dir, 'nats-server.mjs')], { env: all, encoding: 'utf8' });
}

const cached = () => path.join(dir, 'cache', 'bin', 'nats-server');

describe('scripts/nats-server.mjs', () => {
  it('fetches the pinned release once, then uses the cache', () => {
    offer('2.14.6');
    expect(find()).toMatchObject({ status: 0, stdout: `${cached()}\n` });
    expect(find({ PATH: path.join(dir, 'empty') })).toMatchObject({ status: 0, stdout: `${cached()}\n`, stderr: '' });
  });

  it('refuses an archive with another SHA-256 and keeps nothing of it', () => {
    offer('2.14.6', 'a'.repeat(64));
    const { status, stdout, stderr } = find();
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain('has another SHA-256');
    expect(existsSync(cached())).toBe(false);
  });

  it('refuses what is too old, from the network, from PATH and from the cache', () => {
    offer('2.14.5');
    expect(find().stderr).toContain('is version 2.14.5, below 2.14.6');
    expect(existsSync(cached())).toBe(false);
    mkdirSync(path.dirname(cached()), { recursive: true });
    put('cache/bin/nats-server', server('2.9.10'));
    put('bin/nats-server', server('1.4.1'));
    expect(find().status).toBe(1);
  });

  it('prefers NATS_SERVER_BIN, then PATH; a wrong NATS_SERVER_BIN is an error', () => {
    offer('2.14.6');
    put('bin/nats-server', server('2.15.1'));
    put('mine', server('2.14.10'));
    expect(find().stdout).toBe(`${path.join(dir, 'bin', 'nats-server')}\n`);
    expect(find({ NATS_SERVER_BIN: path.join(dir, 'mine') }).stdout).toBe(`${path.join(dir, 'mine')}\n`);
    const wrong = find({ NATS_SERVER_BIN: path.join(dir, 'nothing') });
    expect(wrong).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^NATS_SERVER_BIN=\S+ does not exist: correct it or unset it\n$/),
    });
  });

  it('says in one line how to help when every way fails', () => {
    offer('2.14.6');
    put('bin/curl', '#!/bin/sh\necho "curl: (6) could not resolve host" >&2\nexit 6\n');
    const lines = find()
      .stderr.trimEnd()
      .split('\n')
      .filter((line) => !line.startsWith('looking for nats-server'));
    expect(lines).toEqual([
      expect.stringMatching(/^no nats-server found or fetched: .*NATS_SERVER_BIN.*could not resolve host/),
    ]);
  });
});
