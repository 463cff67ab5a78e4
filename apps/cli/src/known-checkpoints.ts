/**
 * The checkpoints of a ledger that are known outside of what is to be put back: what verifiers cosigned. They say how far the
 * log must reach. From the newest announcement, from a fresh heartbeat of every verifier, and from files that somebody kept.
 *
 * The archive's own ones and the database's are taken in as well, but never alone: an archive that ends early would say of
 * itself that it is whole.
 */
import { readFileSync } from 'node:fs';
import {
  appendSignatures,
  CheckpointGoals,
  FormatError,
  heartbeatOrigin,
  openVerifierHeartbeat,
  type KeySet,
} from '@everseal/audit-core';
import { cosignaturesAt, newestCheckpoint } from '@everseal/ledger-store';
import { listen, type NatsLink } from '@everseal/messaging';
import { heartbeatSubject } from '@everseal/policy';
import type { Pool } from 'pg';
import { badRecord, type Archive } from './archive.js';
import { CliFailure, usage } from './cli-failure.js';
import { explain } from './explain-error.js';
import { connectAsOps } from './connections.js';
import type { Context } from './context.js';
import { EXIT } from './exit-code.js';
import { newestAnnouncement, type LedgerTrust } from './ledger-trust.js';

/** Verifiers say what they cosigned every 10 s. */
const HEARTBEAT_WITHIN_MS = 15_000;

export interface CheckpointSources {
  readonly trust: LedgerTrust;
  readonly archive: Archive;
  readonly pool: Pool;
  readonly ledgerId: number;
  /** Files with checkpoints that somebody kept. */
  readonly files: readonly string[];
}

/** @throws CliFailure when nothing outside the archive says how far the log reached, or a note is not this log's */
export async function knownCheckpoints(context: Context, sources: CheckpointSources): Promise<CheckpointGoals> {
  const { trust, archive, files } = sources;
  const heard = await heardCheckpoints(context, trust, files.length > 0);
  const goals = new CheckpointGoals(trust.origin, heard.keys);
  for (const { note, from } of heard.notes) goals.add(note, from);
  for (const file of files) add(goals, readFileSync(file), file);
  if (goals.newestCosigned === null) {
    throw new CliFailure(
      EXIT.unavailable,
      `no verifier says what it has cosigned of ${trust.origin}: bring one back, or name a checkpoint that was kept (--checkpoint)`,
    );
  }
  for (const { note, from } of archive.checkpoints) add(goals, note, from);
  await addStored(goals, sources);
  return goals;
}

function add(goals: CheckpointGoals, note: Buffer | string, from: string): void {
  try {
    goals.add(note, from);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw badRecord(from, error.message, error);
  }
}

/** The newest row, with its cosignatures: what a backup remembers. One that is spoiled is the verifier's business. */
async function addStored(goals: CheckpointGoals, { pool, ledgerId }: CheckpointSources): Promise<void> {
  const row = await newestCheckpoint(pool, ledgerId);
  if (row === null) return;
  const lines = (await cosignaturesAt(pool, ledgerId, row.size)).map(({ line }) => line);
  try {
    goals.add(appendSignatures(row.note, lines), 'the database');
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}

interface Heard {
  readonly keys: readonly KeySet[];
  readonly notes: readonly { note: string; from: string }[];
}

/** @param mayBeSilent whether a broker that cannot be asked is only told of, not refused */
async function heardCheckpoints(context: Context, trust: LedgerTrust, mayBeSilent: boolean): Promise<Heard> {
  const settings = context.settings();
  if (settings.ops === undefined && mayBeSilent) return { keys: [trust.keys], notes: [] };
  let link: NatsLink | null = null;
  try {
    link = await connectAsOps(settings);
    const newest = await newestAnnouncement(link, trust);
    const keys = newest ? [newest.keys, ...newest.sets] : [trust.keys];
    const notes = newest ? [{ note: newest.note, from: 'the newest announcement' }] : [];
    return { keys, notes: [...notes, ...(await heartbeats(context, link, trust, keys))] };
  } catch (error) {
    if (error instanceof CliFailure) throw error;
    const { message } = explain(error);
    if (!mayBeSilent) {
      throw usage(`nobody can be asked for the newest checkpoint (${message}): name one that was kept (--checkpoint)`);
    }
    context.terminal.note(`note: only the checkpoints of files are known, the broker cannot be asked: ${message}`);
    return { keys: [trust.keys], notes: [] };
  } finally {
    await link?.close();
  }
}

/** The newest checkpoint of every verifier of the key set that is heard within a little more than a period. */
async function heartbeats(
  { signal, terminal }: Context,
  link: NatsLink,
  { origin }: LedgerTrust,
  sets: readonly KeySet[],
): Promise<Heard['notes']> {
  const [keys, logKeys] = [sets[0]!, sets.map(({ log }) => log)];
  const expected = new Set(keys.verifiers.map((key) => key.name.split('/').at(-1)!));
  const heard = new Map<string, string>();
  const [done, finish] = deferred();
  const listening = listen(link, heartbeatSubject('verifier', '*'), {
    onMessage: ({ subject, data }) => {
      const name = subject.slice(subject.lastIndexOf('.') + 1);
      const verifier = keys.verifiers.filter((key) => key.name.endsWith(`/${name}`));
      const note = expected.has(name) && noteOf(Buffer.from(data), { origin, logKeys, verifier });
      if (note) heard.set(name, note);
      if (heard.size === expected.size) finish();
    },
    onFault: finish,
  });
  const timer = setTimeout(finish, HEARTBEAT_WITHIN_MS);
  signal.addEventListener('abort', finish, { once: true });
  await done;
  clearTimeout(timer);
  signal.removeEventListener('abort', finish);
  await listening.stop();
  const silent = [...expected].filter((name) => !heard.has(name));
  if (silent.length > 0)
    terminal.note(`note: verifier ${silent.join(', ')} was not heard, what it has cosigned is not known`);
  return [...heard].map(([name, note]) => ({ note, from: `verifier ${name}` }));
}

/** Of a heartbeat of this ledger; null for others, and for what proves nothing. */
function noteOf(data: Buffer, trust: Parameters<typeof openVerifierHeartbeat>[1]): string | null {
  try {
    return heartbeatOrigin(data) === trust.origin ? openVerifierHeartbeat(data, trust).note : null;
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function deferred(): [Promise<void>, () => void] {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return [promise, resolve];
}
