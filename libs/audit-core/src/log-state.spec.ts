import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeBundle, splitBundle } from './entry-bundle.js';
import { signBlock } from './block.js';
import { leafHash, ZERO_HASH } from './hash.js';
import { genesisKeys, KEYS, LogWriter, ORIGIN, testKey, type MadeFrame } from './log.fixture.js';
import { LogState } from './log-state.js';
import { signKeySet } from './key-set.js';
import { operatorKeyName, ingestKeyName } from './names.js';
import { verifyLog } from './verify-log.js';

function read(
  log: LogWriter,
  bodies: readonly Buffer[] = log.bodies,
): { state: LogState; code: string | null; index: number | null } {
  const state = LogState.empty(log.trust);
  for (const body of bodies) {
    const result = state.readBlock(body);
    if (!result.ok) return { state, code: result.finding.code, index: result.finding.index };
  }
  return { state, code: null, index: null };
}

function entriesOf(body: Buffer): Buffer[] {
  const offsets = splitBundle(body);
  return Array.from({ length: offsets.count }, (_, i) => body.subarray(offsets.start(i), offsets.end(i)));
}

function goodLog(): LogWriter {
  const log = new LogWriter();
  log.block();
  log.block(log.frame('a', ['{"n":1}', '{"n":2}', '{"n":3}']), log.frame('b', ['{"n":4}']));
  log.block(log.frame('a', ['{"n":5}']));
  log.block();
  return log;
}

describe('LogState', () => {
  it('reads a good log and ends where the writer ended', () => {
    const log = goodLog();
    const { state, code } = read(log);
    expect(code).toBeNull();
    expect(state.size).toBe(log.range.size);
    expect(state.root.equals(log.range.root())).toBe(true);
    expect([...state.heads].map(([ingester, head]) => [ingester, head.number])).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
  });

  it('goes on from its memory as if it had never stopped', () => {
    const log = goodLog();
    for (let stop = 0; stop <= log.bodies.length; stop++) {
      const { state } = read(log, log.bodies.slice(0, stop));
      const recalled = LogState.recall(log.trust, state.memory());
      for (const body of log.bodies.slice(stop)) expect(recalled.readBlock(body).ok).toBe(true);
      expect(recalled.root.equals(log.range.root())).toBe(true);
    }
  });

  it('leaves body and state untouched when it refuses a block', () => {
    const log = goodLog();
    const { state } = read(log, log.bodies.slice(0, 1));
    const bad = Buffer.from(log.bodies[1]!);
    bad[40]! ^= 1;
    const before = Buffer.from(bad);
    expect(state.readBlock(bad).ok).toBe(false);
    expect(bad.equals(before)).toBe(true);
    expect(state.readBlock(log.bodies[1]!).ok).toBe(true);
  });

  it('finds every flipped bit of every stored byte', () => {
    const log = new LogWriter();
    log.block();
    log.block(log.frame('a', ['{"n":1}', '{"n":2}']));
    const { state } = read(log, log.bodies.slice(0, 1));
    const body = log.bodies[1]!;
    for (let at = 0; at < body.length; at++) {
      const bad = Buffer.from(body);
      bad[at]! ^= 1 << (at % 8);
      expect(state.clone().readBlock(bad).ok).toBe(false);
    }
  });

  it('finds random mutations of random logs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(), async (block, mask, at) => {
        const log = goodLog();
        const bodies = log.bodies.map((body) => Buffer.from(body));
        const target = bodies[block % bodies.length]!;
        target[at % target.length]! ^= mask;
        const report = await verifyLog({ trust: log.trust, bodies });
        expect(report.findings).toHaveLength(1);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the verdict names what was done', () => {
  const sealed = (change: (log: LogWriter) => void): { code: string | null; index: number | null } => {
    const log = new LogWriter();
    log.block();
    log.block(log.frame('a', ['{"n":1}', '{"n":2}', '{"n":3}']));
    change(log);
    return read(log);
  };
  const edited = (edit: (entries: Buffer[]) => Buffer[]): { code: string | null; index: number | null } =>
    sealed((log) => void (log.bodies[1] = encodeBundle(edit(entriesOf(log.bodies[1]!)))));

  it('entry.altered, entry.missing, entry.inserted', () => {
    expect(edited(([f, , ...rest]) => [f!, Buffer.from('{"n":9}'), ...rest]).code).toBe('entry.altered');
    expect(edited(([f, , ...rest]) => [f!, ...rest]).code).toBe('entry.missing');
    expect(edited(([f, e, ...rest]) => [f!, e!, e!, ...rest]).code).toBe('entry.inserted');
    expect(edited(([f, e, g, ...rest]) => [f!, g!, e!, ...rest]).code).toBe('entry.altered');
  });

  it('block.signature for a block that another key signed', () => {
    const forged = (log: LogWriter): void => {
      const entries = entriesOf(log.bodies[1]!).slice(0, -1);
      log.bodies.pop();
      const thief = testKey('stolen');
      const first = read(log, log.bodies).state;
      const range = first.frontier();
      for (const entry of entries) range.append(leafHash(entry));
      const block = {
        origin: ORIGIN,
        height: 1,
        previous: first.previous,
        first: first.size,
        entries: entries.length,
        root: range.root(),
        sealed: log.time(),
      };
      const genuine = signBlock(block, KEYS.log);
      const signature = thief.sign(Buffer.from(genuine.slice(0, genuine.indexOf('\n\n') + 1)));
      const id = Buffer.from(KEYS.log.verifier.idHex, 'hex');
      const line = `— ${ORIGIN} ${Buffer.concat([id, signature]).toString('base64')}\n`;
      const note = Buffer.from(`${genuine.slice(0, genuine.indexOf('\n\n') + 2)}${line}`);
      log.bodies.push(encodeBundle([...entries, note]));
    };
    expect(sealed(forged).code).toBe('block.signature');
  });

  it('block.chain for blocks that change places', () => {
    const log = goodLog();
    const [zero, one, two, three] = log.bodies as [Buffer, Buffer, Buffer, Buffer];
    expect(read(log, [zero, two, one, three]).code).toBe('block.chain');
    expect(read(log, [zero, two, three]).code).toBe('block.chain');
  });

  it('key.changed for another genesis and for a key set without an operator', () => {
    const log = goodLog();
    const stranger = { origin: ORIGIN, genesis: leafHash(Buffer.from('another')) };
    expect(LogState.empty(stranger).readBlock(log.bodies[0]!)).toMatchObject({ finding: { code: 'key.changed' } });
    const thief = testKey(operatorKeyName('audit.example.com', 'root2'));
    const own = testKey(ingestKeyName('audit.example.com', 'c'));
    const set = signKeySet(
      {
        ...genesisKeys(),
        previous: leafHash(log.genesis),
        operators: [thief.verifier],
        ingest: [own.verifier],
      },
      KEYS.log,
      thief,
    );
    expect(sealed((l) => void l.block(Buffer.from(set))).code).toBe('key.changed');
  });

  it('custody.forged for a frame that its ingester did not sign, sealed by the genuine log key', () => {
    const forge = (log: LogWriter): void => {
      const made = log.frame('a', ['{"n":4}']);
      const note = Buffer.from(made.note);
      note[note.length - 3]! ^= 2;
      log.block({ ...made, note });
    };
    expect(sealed(forge).code).toBe('custody.forged');
  });

  it('custody.altered for events that are not under their frame', () => {
    const swap = (log: LogWriter): void => {
      const made = log.frame('a', ['{"n":4}', '{"n":5}']);
      log.block({ ...made, entries: made.entries.toReversed() });
    };
    expect(sealed(swap).code).toBe('custody.altered');
  });

  it('custody.gap, custody.conflict for frames that do not continue their lane', () => {
    expect(sealed((log) => void log.block(log.frame('a', ['{}'], { number: 3 }))).code).toBe('custody.gap');
    expect(sealed((log) => void log.block(log.frame('a', ['{}'], { number: 1, previous: ZERO_HASH }))).code).toBe(
      'custody.conflict',
    );
    const other = { previous: leafHash(Buffer.from('x')) };
    expect(sealed((log) => void log.block(log.frame('a', ['{}'], other))).code).toBe('custody.conflict');
    const early = { accepted: '2025-01-01T00:00:00.000Z' };
    expect(sealed((log) => void log.block(log.frame('a', ['{}'], early))).code).toBe('custody.altered');
  });

  it('entry.inserted for what is neither note nor event', () => {
    expect(sealed((log) => void log.block(Buffer.from('{"n":1}'))).code).toBe('entry.inserted');
  });
});

describe('gap records', () => {
  const lane = (): { log: LogWriter; lost: MadeFrame[]; after: MadeFrame } => {
    const log = new LogWriter();
    log.block();
    log.block(log.frame('a', ['{"n":1}']));
    const lost = [log.frame('a', ['{"n":2}']), log.frame('a', ['{"n":3}'])];
    return { log, lost, after: log.frame('a', ['{"n":4}']) };
  };

  it('let the lane go on and keep the debt open until late frames pay it', () => {
    const { log, lost, after } = lane();
    log.block(log.gap('a', 2, 3), after);
    expect(read(log).state.debts.ranges('a')).toEqual([[2, 3]]);
    log.block(lost[1]!);
    expect(read(log).state.debts.ranges('a')).toEqual([[2, 2]]);
    log.block(lost[0]!, log.frame('a', ['{"n":5}']));
    const { state, code } = read(log);
    expect(code).toBeNull();
    expect(state.debts.ranges('a')).toEqual([]);
    expect(state.heads.get('a')?.number).toBe(5);
  });

  it('refuse a frame that pays twice, or does not fit its neighbours', () => {
    const twice = lane();
    twice.log.block(twice.log.gap('a', 2, 3), twice.after);
    twice.log.block(twice.lost[0]!);
    twice.log.block(twice.lost[0]!);
    expect(read(twice.log).code).toBe('custody.conflict');
    const other = lane();
    other.log.block(other.log.gap('a', 2, 3), other.after);
    other.log.block(other.log.frame('a', ['{"n":9}'], { number: 3, previous: other.lost[0]!.hash }));
    expect(read(other.log).code).toBe('custody.conflict');
  });

  it('are false when they do not start at the head or no frame follows', () => {
    const far = lane();
    far.log.block(far.log.gap('a', 3, 3), far.after);
    expect(read(far.log).code).toBe('custody.gap-false');
    const alone = lane();
    alone.log.block(alone.log.gap('a', 2, 3));
    expect(read(alone.log).code).toBe('custody.gap-false');
  });
});

describe('verifyLog', () => {
  it('counts what is there and accepts the cosigned checkpoint', async () => {
    const log = goodLog();
    const seen: number[] = [];
    const report = await verifyLog({
      trust: log.trust,
      bodies: log.bodies,
      checkpoints: [log.checkpoint()],
      onEvent: ({ index }) => seen.push(index),
    });
    expect(report).toMatchObject({ size: log.range.size, blocks: 4, frames: 3, events: 5, findings: [] });
    expect(report.checkpoint).toEqual({ size: log.range.size, cosigners: ['audit.example.com/verifier/v1'] });
    expect(seen).toHaveLength(5);
  });

  it('reports a checkpoint beyond the log, over another root, or signed by nobody', async () => {
    const log = goodLog();
    const codes = async (note: string, bodies = log.bodies): Promise<string[]> =>
      (await verifyLog({ trust: log.trust, bodies, checkpoints: [note] })).findings.map((f) => f.code);
    expect(await codes(log.checkpoint(), log.bodies.slice(0, 3))).toEqual(['log.rolled-back']);
    expect(await codes('no checkpoint')).toEqual(['checkpoint.signature']);
    const other = goodLog();
    other.block(other.frame('b', ['{"x":1}']));
    log.block(log.frame('b', ['{"x":2}']));
    expect(await codes(other.checkpoint())).toEqual(['checkpoint.mismatch']);
    expect(await codes(log.checkpoint().replace(/— audit\.example\.com\/main [^\n]+\n/, ''))).toEqual([
      'checkpoint.signature',
    ]);
  });
});
