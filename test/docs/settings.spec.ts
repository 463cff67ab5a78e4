/**
 * docs/operations/settings.md holds every setting of the services: the parts that all share once, and what each has of its
 * own. The tables are made from the schemas that read the settings, so a change there that is not in the document fails
 * here, and the failure shows the table to paste.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { settingsFields, type SettingsField } from '@everseal/process';
import { ingestSettings } from '../../apps/ingest/src/config.js';
import { followerSettings } from '../../apps/follower/src/config.js';
import { readerSettings } from '../../apps/reader/src/config.js';
import { sealerSettings } from '../../apps/sealer/src/config.js';
import { verifierSettings } from '../../apps/verifier/src/config.js';

const document = readFileSync(new URL('../../docs/operations/settings.md', import.meta.url), 'utf8');
const SHARED = /^(?:nats|postgres|operations|log)\./;
const PATH = 'Path, relative to this file. ';

const fields = {
  ingest: settingsFields(ingestSettings),
  sealer: settingsFields(sealerSettings),
  verifier: settingsFields(verifierSettings),
  reader: settingsFields(readerSettings),
  follower: settingsFields(followerSettings),
};

function table(rows: readonly SettingsField[]): string {
  const lines = rows.map(({ path, type, required, default: value, description }) => {
    const isPath = description.startsWith(PATH);
    const fallback = required ? 'required' : value === undefined ? 'none' : `\`${value}\``;
    return `| \`${path}\` | ${isPath ? 'path' : type} | ${fallback} | ${isPath ? description.slice(PATH.length) : description} |`;
  });
  return ['| field | type | default | meaning |', '| --- | --- | --- | --- |', ...lines].join('\n');
}

describe('docs/operations/settings.md', () => {
  it.each(Object.entries(fields))('holds what %s has of its own', (_service, all) => {
    expect(document).toContain(table(all.filter(({ path }) => !SHARED.test(path))));
  });

  it('holds what all have', () => {
    expect(document).toContain(table(fields.sealer.filter(({ path }) => SHARED.test(path))));
  });

  it('need not tell the shared parts apart', () => {
    const shared = new Map(fields.sealer.map((field) => [field.path, field]));
    for (const field of [...fields.ingest, ...fields.verifier, ...fields.reader, ...fields.follower].filter(
      ({ path }) => SHARED.test(path),
    )) {
      expect(field).toEqual(shared.get(field.path));
    }
  });
});
