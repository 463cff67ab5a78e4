import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { compareCatalog, deployKeyName, NOTE_KEY, openCatalog, sha256, SigningKey } from '@everseal/audit-core';
import { type Catalog, SCHEMA_CATALOG } from '@everseal/ledger-store';
import { identitiesOf, readPolicy } from '@everseal/policy';
import { agreeOnCatalog } from './agree-on-catalog.js';
import { repositoryRoot } from './repository-root.js';

const policy = readPolicy(path.join(repositoryRoot(), 'everseal.yaml'));
const keyOf = (seed: string): SigningKey =>
  SigningKey.fromSeed(deployKeyName(policy.domain), sha256(Buffer.from(seed)), NOTE_KEY);
const key = keyOf('deploy');
const NOW = Date.UTC(2026, 0, 31);

const ident = identitiesOf(policy).flatMap(({ commonName, role }) =>
  role === null ? [] : [`ident everseal: certificate ${commonName} is role ${role}, error -`],
);
const SUPERUSER = 'role postgres: superuser t';
const MALLORY = 'role mallory: superuser t';

/** A catalog as it is read, with more lines about the installation. */
function catalog(...more: string[]): Catalog {
  return { schema: [...SCHEMA_CATALOG], installation: [...ident, SUPERUSER, ...more].sort(), partitions: 2 };
}

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-agreement-'));
  file = path.join(dir, 'catalog.note');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function agree(before: Catalog | null, after: Catalog, accept = false): string[] {
  return agreeOnCatalog(policy, 'everseal', { before, after }, { file, key, accept }, NOW);
}

/** What a verifier would find, comparing the database with what was agreed on. */
function differences({ schema, installation }: Catalog): string[] {
  const { missing, unexpected } = compareCatalog(
    [...schema, ...installation],
    openCatalog(readFileSync(file), key.verifier).lines,
  );
  return [...missing, ...unexpected];
}

describe('the first agreement', () => {
  it('is over the database as the deploy step made it', () => {
    expect(agree(null, catalog())).toEqual([
      `the catalog of the database was agreed on for the first time, ${SCHEMA_CATALOG.length + ident.length + 1} lines`,
    ]);
    expect(differences(catalog())).toEqual([]);
    expect(differences(catalog(MALLORY))).toEqual([MALLORY]);
  });

  it('is not made over another schema than this release makes, unless somebody accepts it', () => {
    const changed = { ...catalog(), schema: SCHEMA_CATALOG.map((line) => line.replace('fires A', 'fires D')) };
    expect(() => agree(changed, changed)).toThrow(expect.objectContaining({ code: 'catalog-differs' }));
    expect(existsSync(file)).toBe(false);
    agree(changed, changed, true);
    expect(differences(changed)).toEqual([]);
  });

  it('is about the ways in that the policy gives, whatever stands in pg_ident.conf', () => {
    const mallory = 'ident everseal: certificate mallory is role everseal_sealer, error -';
    const notices = agree(null, catalog(mallory));
    expect(notices.at(-1)).toContain('store.catalog');
    expect(differences(catalog(mallory))).toEqual([mallory]);
  });
});

describe('a deploy step that runs again', () => {
  beforeEach(() => void agree(null, catalog()));

  it('changes nothing when nothing was changed', () => {
    const bytes = readFileSync(file);
    expect(agree(catalog(), catalog())).toEqual([]);
    expect(readFileSync(file)).toEqual(bytes);
  });

  it('agrees on what it changed itself, and says so', () => {
    const setting = 'setting for role everseal_sealer in database any: lock_timeout=1s';
    expect(agree(catalog(), catalog(setting))).toEqual([`agreed on anew: ${setting}`]);
    expect(differences(catalog(setting))).toEqual([]);
  });

  it('does not agree on what somebody else had changed before; control: what it is told to accept', () => {
    const [notice, ...more] = agree(catalog(MALLORY), catalog(MALLORY));
    expect(notice).toContain('role mallory of the database is not what was agreed on');
    expect(more).toEqual([]);
    expect(differences(catalog(MALLORY))).toEqual([MALLORY]);
    agree(catalog(MALLORY), catalog(MALLORY), true);
    expect(differences(catalog(MALLORY))).toEqual([]);
  });

  it('does not go on from an agreement that another key signed', () => {
    writeFileSync(file, readFileSync(file, 'utf8').replace(SUPERUSER, MALLORY));
    expect(() => agree(catalog(), catalog())).toThrow(expect.objectContaining({ code: 'key-mismatch' }));
    const place = { file, key: keyOf('another'), accept: false };
    expect(() => agreeOnCatalog(policy, 'everseal', { before: null, after: catalog() }, place, NOW)).toThrow(
      expect.objectContaining({ code: 'key-mismatch' }),
    );
  });
});
