/**
 * Certificates as other tools lay them out and renew them: Kubernetes (cert-manager and its CSI driver), SPIRE's spiffe-helper, step. The
 * layouts are made here the way those tools make them; the tools themselves are not run (docs/operations/certificates.md).
 */
import { chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Authority, CertificateFolder, type Leaf } from './certificates.fixture.js';
import type { Material, MaterialFiles } from './material.js';
import { MaterialWatch } from './watch.js';

let root: CertificateFolder;
let clients: Authority;
let servers: Authority;
let folder: string;
let runs = 0;
beforeAll(async () => {
  root = await CertificateFolder.create();
  clients = await Authority.create('clients root');
  servers = await Authority.create('servers root');
});
afterAll(() => root.remove());
beforeEach(async () => {
  folder = path.join(root.path, `run-${runs++}`);
  await mkdir(folder);
});

/** What the watch of a service makes of a renewal. */
async function watched(files: MaterialFiles) {
  const watch = await MaterialWatch.open(files, 'client', Date.now);
  const renewed: Material[] = [];
  const problems: string[] = [];
  watch.listen({
    onRenewed: (material) => void renewed.push(material),
    onProblem: (error) => void problems.push(error.message),
  });
  return { watch, renewed, problems };
}

const at = (...names: string[]): string => path.join(folder, ...names);

describe('a volume of Kubernetes', () => {
  /** kubelet: a new folder, the link `..data` renamed over, the old folder removed. The files are links through it. */
  async function project(leaf: Leaf, version: string): Promise<void> {
    await mkdir(at(version));
    const contents = { 'tls.crt': leaf.cert, 'tls.key': leaf.key, 'ca.crt': servers.pem };
    for (const [name, text] of Object.entries(contents)) {
      await writeFile(at(version, name), text);
      await chmod(at(version, name), 0o400);
    }
    await symlink(version, at('..data_tmp'));
    await rename(at('..data_tmp'), at('..data'));
  }

  it('is read through its links, and a renewed one is taken up', async () => {
    const [first, second] = [await clients.issue(), await clients.issue()];
    await project(first, '..2026_11_29_10_00_00.1');
    for (const name of ['tls.crt', 'tls.key', 'ca.crt']) await symlink(`..data/${name}`, at(name));
    const files = { certFile: at('tls.crt'), keyFile: at('tls.key'), caFile: at('ca.crt') };
    const { watch, renewed, problems } = await watched(files);
    expect(watch.current.facts.serial).toBe(first.serial);
    await project(second, '..2026_11_29_11_00_00.2');
    await rm(at('..2026_11_29_10_00_00.1'), { recursive: true });
    await watch.check();
    expect({ serials: renewed.map(({ facts }) => facts.serial), problems }).toEqual({
      serials: [second.serial],
      problems: [],
    });
  });
});

describe('the files of spiffe-helper', () => {
  /** One file after the other. An SVID is for both ends, and its bundle may hold several roots. */
  const svid = (): Promise<Leaf> => clients.issue({ purposes: ['server', 'client'], commonName: 'ingest-a' });

  it('are taken up when the last of them is there', async () => {
    const [first, second] = [await svid(), await svid()];
    const files = { certFile: at('svid.pem'), keyFile: at('svid_key.pem'), caFile: at('bundle.pem') };
    await writeFile(files.certFile, first.cert, { mode: 0o644 });
    await writeFile(files.keyFile, first.key, { mode: 0o600 });
    await writeFile(files.caFile, `${servers.pem}${clients.pem}`, { mode: 0o644 });
    const { watch, renewed, problems } = await watched(files);
    await writeFile(files.certFile, second.cert);
    await watch.check();
    expect(watch.current.facts.serial).toBe(first.serial);
    expect(problems).toEqual([expect.stringContaining('is not the key of')]);
    await writeFile(files.keyFile, second.key);
    await watch.check();
    expect(renewed.map(({ facts }) => facts.serial)).toEqual([second.serial]);
  });
});

describe('the files of step', () => {
  it('hold the intermediate behind the leaf; renewed in place, with the key that was there', async () => {
    const first = await clients.issue();
    const intermediate = await Authority.create('clients intermediate');
    const files = { certFile: at('sealer-s1.crt'), keyFile: at('sealer-s1.key'), caFile: at('root_ca.crt') };
    await writeFile(files.certFile, `${first.cert}${intermediate.pem}`, { mode: 0o600 });
    await writeFile(files.keyFile, first.key, { mode: 0o600 });
    await writeFile(files.caFile, servers.pem, { mode: 0o600 });
    const { watch, renewed, problems } = await watched(files);
    const second = await clients.issue();
    // `step ca rekey` exchanges both; a look between the two finds half of it and waits.
    await writeFile(files.certFile, `${second.cert}${intermediate.pem}`);
    await watch.check();
    await writeFile(files.keyFile, second.key);
    await watch.check();
    expect(renewed.map(({ facts }) => facts.serial)).toEqual([second.serial]);
    expect(problems).toHaveLength(1);
  });
});
