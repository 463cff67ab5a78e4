/**
 * What says how far a log must reach, without a broker: files that somebody kept. (With one, announcements and heartbeats:
 * test/system/restore.spec.ts.)
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { signCheckpoint } from '@everseal/audit-core';
import { insertCheckpoint } from '@everseal/ledger-store';
import { DOMAIN, genesisKeys, KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { cliSettings } from './config.js';
import type { Context } from './context.js';
import { knownCheckpoints } from './known-checkpoints.js';
import { ArchiveList } from './open-archive.js';
import { RestoreLab } from './restore-lab.fixture.js';
import { openTilesArchive } from './tiles-archive.js';
import { Terminal } from './terminal.js';

let lab: RestoreLab;

beforeAll(async () => {
  lab = await RestoreLab.start();
  await lab.setBack(3);
}, 60_000);

afterAll(() => lab?.close());

function kept(name: string, note: string): string {
  const file = path.join(lab.folder.path, name);
  writeFileSync(file, note);
  return file;
}

/** Sizes of the checkpoints that are known, and the newest cosigned one. */
async function known(files: string[], archives: string[] = []): Promise<{ sizes: number[]; newest: number }> {
  const settings = cliSettings.parse({
    domain: DOMAIN,
    ledgers: [{ name: 'main', genesisFile: 'unused' }],
    nats: { servers: ['tls://localhost:1'] },
  });
  const context: Context = {
    terminal: new Terminal({ write: () => true }, { write: () => true }, false),
    stdin: (async function* () {})(),
    now: () => 0,
    signal: new AbortController().signal,
    settings: () => settings,
  };
  const trust = { ledger: 'main', keys: genesisKeys(), witnesses: null, ...lab.writer.trust };
  const archive = new ArchiveList(await Promise.all(archives.map(openTilesArchive)));
  const goals = await knownCheckpoints(context, { trust, archive, pool: lab.pool, ledgerId: 1, files });
  return {
    sizes: goals.all.map(({ checkpoint }) => checkpoint.size),
    newest: goals.newestCosigned!.checkpoint.size,
  };
}

const sizeOf = (note: string): number => Number(note.split('\n')[1]);

describe('checkpoints that are known', () => {
  it('are those of files, of the archive and of the database', async () => {
    const [, , third, , fifth, sixth] = lab.checkpoints as [string, string, string, string, string, string];
    const fence = await lab.fence();
    const note = `${third.split('\n').slice(0, 5).join('\n')}\n`;
    await insertCheckpoint(lab.pool, 1, fence, { size: sizeOf(third), note });
    const found = await known([kept('fifth', fifth)], [lab.mirror('sixth', 6)]);
    expect(found).toEqual({ sizes: [third, fifth, sixth].map(sizeOf), newest: sizeOf(sixth) });
  });

  it('must be known from outside the archive', async () => {
    await expect(known([], [lab.mirror('m')])).rejects.toThrow('needs the operator certificate');
    const size = sizeOf(lab.checkpoints[4]!);
    const alone = signCheckpoint({ origin: ORIGIN, size, root: lab.writer.range.root() }, KEYS.log);
    await expect(known([kept('alone', alone)], [lab.mirror('m')])).rejects.toThrow('no verifier says');
  });

  it('are named when they are not of this log', async () => {
    const other = lab.checkpoints[4]!.replace(ORIGIN, `${DOMAIN}/other`);
    const good = kept('good', lab.checkpoints[4]!);
    await expect(known([good, kept('other', other)])).rejects.toThrow('other is not good');
    await expect(known([good, kept('empty', '')])).rejects.toThrow('empty is not good');
    const spoiled = lab.checkpoints[4]!.replace(/\n(\d+)\n/, (_, size: string) => `\n${Number(size) + 1}\n`);
    await expect(known([good, kept('spoiled', spoiled)])).rejects.toThrow('spoiled is not good');
  });
});
