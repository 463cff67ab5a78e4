import { describe, expect, it } from '@jest/globals';
import { leafHash, sha256 } from './hash.js';
import { signKeySet, type KeySet } from './key-set.js';
import { NOTE_KEY, SigningKey } from './key.js';
import { formatLogMemory, parseLogMemory } from './log-memory.js';
import { LogState } from './log-state.js';
import { genesisKeys, KEYS, LogWriter, ORIGIN } from './log.fixture.js';
import { logKeyAt, logKeysOf, verifierKeysOf } from './retired-keys.js';

const logKey = (seed: string): SigningKey => SigningKey.fromSeed(ORIGIN, sha256(Buffer.from(seed)), NOTE_KEY);
const fresh = (key: SigningKey, seed: string): SigningKey =>
  SigningKey.fromSeed(key.name, sha256(Buffer.from(seed)), key.verifier.type);

/** A log under three key sets: its state, and the log key by which each checkpoint is signed. */
function rotated(): { state: LogState; signers: Map<number, string>; log: LogWriter } {
  const log = new LogWriter();
  const state = LogState.empty(log.trust);
  const signers = new Map<number, string>();
  let previous = leafHash(log.genesis);
  let set = genesisKeys();
  const block = (...parts: Parameters<LogWriter['block']>): void => {
    expect(state.readBlock(log.block(...parts)).ok).toBe(true);
    signers.set(log.range.size, log.logKey.verifier.vkey);
  };
  const change = (over: Partial<KeySet>, next: SigningKey): void => {
    const after: KeySet = { ...set, previous, time: log.time(), ...over };
    const note = Buffer.from(signKeySet(after, log.logKey, KEYS.operator));
    log.logKey = next;
    block(note);
    [set, previous] = [after, leafHash(note)];
  };
  block();
  block(log.frame('a', ['{}']));
  const [second, third] = [logKey('second'), logKey('third')];
  change({ log: second.verifier }, second);
  block(log.frame('a', ['{}']));
  change({ verifiers: [fresh(KEYS.verifier, 'v').verifier] }, second);
  change({ log: third.verifier, ingest: [KEYS.a.verifier] }, third);
  block(log.frame('a', ['{}', '{}']));
  return { state, signers, log };
}

describe('the keys of a log', () => {
  it('say of every checkpoint which log key signs it, also after the memory was written and read', () => {
    const { state, signers } = rotated();
    for (const memory of [state.memory(), parseLogMemory(formatLogMemory(state.memory()))]) {
      for (const [size, vkey] of signers) expect([size, logKeyAt(memory, size)?.vkey]).toEqual([size, vkey]);
      // Sizes that are not derived yet are signed by the key in force, as far as is known.
      expect(logKeyAt(memory, 1_000_000)?.vkey).toBe([...signers.values()].at(-1));
      expect(logKeysOf(memory)).toHaveLength(3);
      expect(verifierKeysOf(memory)).toHaveLength(2);
    }
    expect(new Set(signers.values()).size).toBe(3);
  });

  it('are all there is before the first rotation; an older memory says nothing of others', () => {
    const log = new LogWriter();
    const state = LogState.empty(log.trust);
    expect(logKeyAt(state.memory(), 1)).toBeNull();
    state.readBlock(log.block());
    expect(logKeyAt(state.memory(), 2)?.vkey).toBe(KEYS.log.verifier.vkey);
    const { retired: _, ...older } = JSON.parse(formatLogMemory(state.memory())) as Record<string, unknown>;
    expect(parseLogMemory(JSON.stringify(older))).toEqual(state.memory());
  });

  it('sign entries up to and including the next set, and the block that covers it not any more', () => {
    const { log, state } = rotated();
    const [before, after] = [log.logKey, logKey('fourth')];
    const set: KeySet = { ...state.keySet!, previous: state.memory().keysHash, time: log.time(), log: after.verifier };
    const note = Buffer.from(signKeySet(set, before, KEYS.operator));
    const wrong = state.clone();
    const copy = Object.assign(new LogWriter(), { range: log.range.clone(), previous: log.previous, clock: log.clock });
    copy.bodies.push(...log.bodies);
    copy.logKey = before;
    expect(wrong.readBlock(copy.block(note))).toMatchObject({ ok: false, finding: { code: 'block.signature' } });
    log.logKey = after;
    expect(state.readBlock(log.block(note)).ok).toBe(true);
  });
});
