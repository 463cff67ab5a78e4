import { describe, expect, it } from '@jest/globals';
import { CheckpointGoals } from './checkpoint-goals.js';
import { signCheckpoint } from './checkpoint.js';
import { FormatError } from './format-error.js';
import { sha256 } from './hash.js';
import { LogReplay } from './log-replay.js';
import { forgedKeys, genesisKeys, KEYS, LogWriter, ORIGIN } from './log.fixture.js';

/** Three blocks, and the reader with the size before each. */
function threeBlocks(): { writer: LogWriter; notes: string[]; sizes: number[] } {
  const writer = new LogWriter();
  const [notes, sizes]: [string[], number[]] = [[], []];
  for (let n = 0; n < 3; n++) {
    writer.block(writer.frame('a', [`{"n":${n}}`]));
    notes.push(writer.checkpoint());
    sizes.push(writer.range.size);
  }
  return { writer, notes, sizes };
}

/** Reads all blocks; the verdicts of the goals, by height. */
function judged(writer: LogWriter, goals: CheckpointGoals): (string | null)[] {
  const replay = LogReplay.empty(writer.trust);
  return writer.bodies.map((body) => {
    const before = replay.size;
    expect(replay.read(body).ok).toBe(true);
    return goals.judge(before, replay)?.code ?? null;
  });
}

const goalsOf = (...notes: string[]): CheckpointGoals => {
  const goals = new CheckpointGoals(ORIGIN, [genesisKeys()]);
  for (const note of notes) goals.add(note, 'a spec');
  return goals;
};

describe('checkpoints that must be passed', () => {
  it('are passed by the log that they are of, in any order', () => {
    const { writer, notes, sizes } = threeBlocks();
    const goals = goalsOf(notes[2]!, notes[0]!, notes[1]!, notes[1]!);
    expect(judged(writer, goals)).toEqual([null, null, null]);
    expect(goals.newestCosigned?.checkpoint.size).toBe(sizes[2]);
    expect(goals.beyond(sizes[1]!)?.checkpoint.size).toBe(sizes[2]);
    expect(goals.beyond(sizes[2]!)).toBeNull();
  });

  it('with another root, or a size at which no block ends, are named at the block that shows it', () => {
    const { writer, sizes } = threeBlocks();
    const root = sha256(Buffer.from('another'));
    const other = (size: number): string => signCheckpoint({ origin: ORIGIN, size, root }, KEYS.log);
    expect(judged(writer, goalsOf(other(sizes[1]!)))).toEqual([null, 'checkpoint.mismatch', null]);
    expect(judged(writer, goalsOf(other(sizes[1]! + 1)))).toEqual([null, null, 'checkpoint.mismatch']);
  });

  it('that nobody cosigned count, and are not what has to be known', () => {
    const { writer, sizes } = threeBlocks();
    const root = writer.range.root();
    const goals = goalsOf(signCheckpoint({ origin: ORIGIN, size: sizes[2]!, root }, KEYS.log));
    expect(goals.newestCosigned).toBeNull();
    expect(judged(writer, goals)).toEqual([null, null, null]);
  });

  it('are refused when the log key did not sign them, or a cosignature is false', () => {
    const { notes } = threeBlocks();
    const forged = new LogWriter(forgedKeys(), forgedKeys());
    forged.block(forged.frame('a', ['{}']));
    const root = forged.range.root();
    const foreign = signCheckpoint({ origin: ORIGIN, size: forged.range.size, root }, forgedKeys().log);
    const line = notes[0]!.trimEnd().split('\n').at(-1)!;
    for (const bad of [foreign, notes[1]!.replace(/[^\n]+\n$/, `${line}\n`), '', 'no note']) {
      expect(() => goalsOf(bad)).toThrow(FormatError);
    }
  });

  it('are judged by the keys in force: one by a key that another set names is not passed', () => {
    const { writer, notes } = threeBlocks();
    const set = { ...genesisKeys(), log: forgedKeys().log.verifier };
    const goals = new CheckpointGoals(ORIGIN, [genesisKeys(), set]);
    const root = writer.range.root();
    goals.add(signCheckpoint({ origin: ORIGIN, size: writer.range.size, root }, forgedKeys().log), 'a spec');
    goals.add(notes[0]!, 'a spec');
    expect(judged(writer, goals)).toEqual([null, null, 'checkpoint.signature']);
  });
});
