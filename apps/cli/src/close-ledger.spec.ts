/**
 * Closing a ledger for its successor: only with a proven loss, with the keys of operators of both, once; and what comes out is
 * a note that begins the successor's log.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  formatTimestamp,
  logKeyName,
  openRestore,
  operatorKeyName,
  originOf,
  parseCheckpointText,
  parseNote,
  parseSurvivingHeads,
  signKeySet,
  survivingHead,
  type KeySet,
} from '@everseal/audit-core';
import { commitBlock, readHead } from '@everseal/ledger-store';
import { DOMAIN, genesisKeys, KEYS, ORIGIN, testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { blockAfterHead } from '../../../libs/ledger-store/src/store.fixture.js';
import { closeForSuccessor, type CloseOptions } from './close-ledger.js';
import { cliSettings } from './config.js';
import type { Context } from './context.js';
import { BLOCKS, RestoreLab, type Given } from './restore-lab.fixture.js';
import { Terminal } from './terminal.js';

const SUCCESSOR = originOf(DOMAIN, 'main-r1');
const LOG = testKey(logKeyName(SUCCESSOR));
const NOW = Date.UTC(2026, 5, 1);

let lab: RestoreLab;
let notes = 0;
let said: string[];

beforeAll(async () => {
  lab = await RestoreLab.start();
  for (const [name, key] of [
    ['log', LOG],
    ['operator', KEYS.operator],
    ['stranger', testKey(operatorKeyName(DOMAIN, 'stranger'))],
  ] as const) {
    writeFileSync(file(`${name}.skey`), key.skey);
  }
  writeFileSync(file('genesis.note'), signKeySet(successorKeys(), LOG, KEYS.operator));
}, 60_000);

beforeEach(async () => {
  said = [];
  await lab.setBack(3);
});

afterAll(() => lab?.close());

const file = (name: string): string => path.join(lab.folder.path, name);
const successorKeys = (): KeySet => ({ ...genesisKeys(), origin: SUCCESSOR, log: LOG.verifier });

async function close(over: Partial<CloseOptions> = {}, given: Given = { from: [] }): Promise<Record<string, unknown>> {
  const terminal = new Terminal({ write: (text) => said.push(text) }, { write: (text) => said.push(text) }, false);
  const settings = cliSettings.parse({
    domain: DOMAIN,
    ledgers: [{ name: 'main-r1', genesisFile: file('genesis.note') }],
    nats: { servers: ['tls://localhost:4222'] },
  });
  const context: Context = {
    terminal,
    stdin: (async function* () {})(),
    now: () => NOW,
    signal: new AbortController().signal,
    settings: () => settings,
  };
  const trust = { witnesses: null, ledger: 'main', keys: genesisKeys(), ...lab.writer.trust };
  const options = {
    logKey: file('log.skey'),
    operatorKey: file('operator.skey'),
    reason: 'both disks of the database and of the verifier burnt',
    out: file(`successor-${notes++}.note`),
    yes: true,
    json: true,
    ...over,
  };
  await closeForSuccessor(context, trust, await lab.partsOf(given), await lab.fence(), options);
  return JSON.parse(said.at(-1)!) as Record<string, unknown>;
}

const state = async (): Promise<string> => (await readHead(lab.pool, 1)).state;

describe('closing a ledger', () => {
  it('makes the note that says what was witnessed and what survives, and then closes it for good', async () => {
    const { size } = await readHead(lab.pool, 1);
    const told = await close();
    const note = readFileSync(String(told.note));
    const witnessed = parseCheckpointText(parseNote(lab.checkpoints.at(-1)!).text);
    expect(openRestore(note, successorKeys(), genesisKeys())).toEqual({
      origin: SUCCESSOR,
      closed: ORIGIN,
      checkpoint: { size: witnessed.size, root: witnessed.root },
      surviving: { size, root: parseCheckpointText(parseNote(lab.checkpoints[2]!).text).root },
      reason: 'both disks of the database and of the verifier burnt',
      time: formatTimestamp(NOW),
    });
    expect(await state()).toBe('closed');
    const next = commitBlock(lab.pool, await blockAfterHead(lab.pool, 1));
    await expect(next).rejects.toMatchObject({ code: 'store.ledger-closed' });
  });

  it('says beside the note, proven, which frames of each ingester survive, so that the others are framed anew', async () => {
    await lab.setBack(5);
    const told = await close();
    const restore = openRestore(readFileSync(String(told.note)), successorKeys(), genesisKeys());
    const heads = parseSurvivingHeads(readFileSync(String(told.heads)));
    // Block 3 brought a gap record of b and the frame behind it.
    expect(survivingHead(restore, heads, 'a')).toMatchObject({ number: 4, debts: [] });
    expect(survivingHead(restore, heads, 'b')).toMatchObject({ number: 3, debts: [[2, 2]] });

    // Stored tiles give no proof: the ingester is left out, and will frame too much and not too little.
    await lab.setBack(5);
    await lab.lose(`UPDATE tile SET data = decode(repeat('00', length(data)), 'hex')`);
    const without = await close();
    expect(parseSurvivingHeads(readFileSync(String(without.heads)))).toEqual([]);
    expect(said.join('')).toContain('a will frame everything that it still holds a second time');
  });

  it('is completed by the next run when it was killed after the note was written', async () => {
    const out = file('killed.note');
    await close({ out });
    const note = readFileSync(out, 'utf8');
    await lab.setBack(3); // as if the last step had not been done
    await close({ out });
    expect(readFileSync(out, 'utf8')).toBe(note);
    expect(await state()).toBe('closed');
    await lab.setBack(2);
    await expect(close({ out })).rejects.toThrow('holds another note');
    expect(await state()).toBe('open');
  });

  it('is refused while an archive has what is lost, or nothing is lost; the control is the same without it', async () => {
    await expect(close({}, { from: [lab.mirror('whole')] })).rejects.toThrow('nothing is lost for good');
    await lab.setBack(BLOCKS);
    await expect(close()).rejects.toThrow('nothing is lost for good');
    await lab.setBack(3);
    expect(await state()).toBe('open');
    await close({}, { from: [lab.mirror('too-old', 4)] });
    expect(said.join('')).toContain('is nowhere');
    expect(await state()).toBe('closed');
  });

  it('is done with every block in its place when the log key is lost, and says that nothing else is', async () => {
    await lab.setBack(BLOCKS);
    const { size } = await readHead(lab.pool, 1);
    await expect(close({ logKeyLost: true, operatorKey: file('stranger.skey') })).rejects.toThrow('nothing was closed');
    // Control: without saying so it is refused.
    await expect(close()).rejects.toThrow('nothing is lost for good');
    expect(await state()).toBe('open');
    const told = await close({ logKeyLost: true, reason: 'the log key is lost' });
    const { surviving, checkpoint } = openRestore(readFileSync(String(told.note)), successorKeys(), genesisKeys());
    expect([surviving.size, checkpoint.size <= size]).toEqual([size, true]);
    expect(await state()).toBe('closed');
  });

  it('is refused without being told so plainly, with keys of others, or a reason that no note can hold', async () => {
    await expect(close({ yes: undefined })).rejects.toThrow('would be closed for good');
    await expect(close({ reason: undefined })).rejects.toThrow('--reason');
    await expect(close({ operatorKey: file('stranger.skey') })).rejects.toThrow('nothing was closed');
    await expect(close({ logKey: file('operator.skey') })).rejects.toThrow('nothing was closed');
    await expect(close({ reason: 'two\nlines' })).rejects.toThrow('nothing was closed');
    expect(await state()).toBe('open');
  });

  it('counts what survives up to the first block that is not good', async () => {
    await lab.lose(`UPDATE block_body SET body = set_byte(body, 700, get_byte(body, 700) # 1) WHERE height = 1`);
    const told = await close();
    expect(told.surviving).toBe(Number(lab.checkpoints[0]!.split('\n')[1]));
  });
});
