/** A reader that looks at one file after the other, while certificate and key are exchanged under it. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { loadMaterial, TlsError, type MaterialFiles } from '@everseal/tls';
import { Authority, newKey, pemOfKey } from './authority.js';
import { exchangeFiles } from './pair-folder.js';

const ROUNDS = 60;
const PLAN = {
  commonName: 'sealer-s1',
  purpose: 'client',
  names: [{ type: 'url', value: 'spiffe://audit.example.com/svc/sealer/s1' }],
} as const;

let dir: string;
let authority: Authority;
let files: MaterialFiles;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-pair-'));
  mkdirSync(path.join(dir, 'pair'));
  authority = Authority.open(path.join(dir, 'root'), 'root', Date.now());
  files = { certFile: at('cert.pem'), keyFile: at('key.pem') };
  for (const [name, content, mode] of pair()) writeFileSync(at(name), content, { mode });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const at = (name: string): string => path.join(dir, 'pair', name);

function pair(): [string, string, number][] {
  const key = newKey();
  const cert = authority.issue(PLAN, key, Date.now());
  return [
    ['cert.pem', cert, 0o644],
    ['key.pem', pemOfKey(key), 0o600],
  ];
}

/** Reads without end while `change` runs `ROUNDS` times, each followed by whole reads. Counts what readers met. */
async function readWhile(change: () => Promise<void>): Promise<Record<string, number>> {
  const met: Record<string, number> = {};
  let [reads, isOver] = [0, false];
  const reader = async (): Promise<void> => {
    for (; !isOver; reads++) {
      const outcome = await loadMaterial(files, 'client', Date.now()).then(
        () => 'good',
        (error: unknown) => (error instanceof TlsError ? error.code : String(error)),
      );
      met[outcome] = (met[outcome] ?? 0) + 1;
    }
  };
  const readers = [reader(), reader(), reader()];
  for (let round = 0; round < ROUNDS; round++) {
    const before = reads;
    for (let turns = round % 7; turns > 0; turns--) await turn();
    await change();
    while (reads < before + 6) await turn();
  }
  isOver = true;
  await Promise.all(readers);
  return met;
}

it('never shows a certificate beside the key of another, nor a file missing', async () => {
  const met = await readWhile(async () => exchangeFiles(path.join(dir, 'pair'), pair()));
  expect(Object.keys(met)).toEqual(['good']);
}, 60_000);

it('control: files that are replaced one after the other do', async () => {
  const met = await readWhile(async () => {
    for (const [name, content, mode] of pair()) {
      writeFileSync(at(name), content, { mode });
      await turn();
      await turn();
    }
  });
  expect(met['tls.key-mismatch']).toBeGreaterThan(0);
}, 60_000);

it('leaves the files under their names, keys closed to others, and nothing of before', () => {
  const folder = path.join(dir, 'pair');
  writeFileSync(at('ca.pem'), authority.pem);
  exchangeFiles(folder, [...pair(), ['ca.pem', authority.pem, 0o644]]);
  exchangeFiles(folder, [...pair(), ['ca.pem', authority.pem, 0o644]]);
  expect(readdirSync(folder).filter((name) => !name.startsWith('..'))).toEqual(['ca.pem', 'cert.pem', 'key.pem']);
  expect(readdirSync(folder).filter((name) => name.startsWith('..'))).toHaveLength(2);
  expect(lstatSync(at('cert.pem')).isSymbolicLink()).toBe(true);
  expect(statSync(at('key.pem')).mode & 0o777).toBe(0o600);
  const certificate = new X509Certificate(readFileSync(at('cert.pem')));
  expect(certificate.checkPrivateKey(createPrivateKey(readFileSync(at('key.pem'))))).toBe(true);
});
