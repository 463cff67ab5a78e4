/**
 * A log that has rows in every table which follows from its entries, and the looks that a verifier takes at it: the tail
 * and the three sweeps, over real pools, each on its own, so that a spec can say which look found what, and leave one out.
 */

import { randomBytes } from 'node:crypto';
import path from 'node:path';
import {
  blockEvents,
  cosign,
  formatCheckpointText,
  JsonTape,
  LogState,
  signCheckpoint,
  splitBundle,
  type Finding,
} from '@everseal/audit-core';
import {
  checkpointAt,
  DuplicateFinder,
  EventIndexWriter,
  insertAnchor,
  insertCosignature,
} from '@everseal/ledger-store';
import type { AlertBook, AlertContext } from '@everseal/process';
import { temporaryFolder, type TemporaryFolder, type TestPostgres } from '@everseal/testing';
import {
  formatTimestampRequest,
  NONCE_BYTES,
  normalToken,
  openTimestampResponse,
  parsePinnedAuthority,
} from '@everseal/timestamps';
import { ORIGIN, type LogWriter } from '../../../libs/audit-core/src/log.fixture.js';
import { BodyRing } from './body-ring.js';
import { FollowLedger } from './follow-ledger.js';
import { copyAnchor, timestampAnchor, type KnownAnchor } from './known-anchors.js';
import { LedgerCoverage } from './ledger-coverage.js';
import { LeafFile } from './leaf-file.js';
import { Pace } from './pace.js';
import { RememberedTree } from './remembered-tree.js';
import { StoredLog } from './stored-log.fixture.js';
import { hashLeaves, splitHashes } from './stored-leaves.js';
import { SweepAnchors } from './sweep-anchors.js';
import { SweepBodies } from './sweep-bodies.js';
import { SweepIndex } from './sweep-index.js';
import { SweepPlaces } from './sweep-places.js';
import { SweepStored } from './sweep-stored.js';
import { VerifyLedger } from './verify-ledger.js';

export const LOOKS = ['tail', 'bodies', 'index', 'stored'] as const;
export type Look = (typeof LOOKS)[number];

/** A finding as it goes into the alert book, and the look that has it. */
export interface Seen extends Finding {
  readonly look: Look;
  readonly eventId: string | null;
  readonly lastGoodBlock: number | null;
}

/** Another history than the one that everybody has seen: the same blocks up to a height, and what changes from there. */
export interface History {
  readonly writer?: LogWriter;
  /** Called before the block of each number is made, from 1 on. */
  readonly before?: (block: number, writer: LogWriter) => void;
  /** An event that is another one, as `<block> <place in the frame of a>`. */
  readonly changed?: string;
  readonly blocks?: number;
  /** Anchors checkpoints in a file, and at an authority where there is one. */
  readonly anchors?: { readonly authority: TimeStamps | null };
}

/** A time-stamp authority of a spec (libs/testing, TestTsa). */
export interface TimeStamps {
  readonly identity: { readonly root: string };
  respond(query: Buffer): Buffer;
}

type Reported = readonly { finding: Finding; context: AlertContext }[];

const CLOCKS = { day: Date.now, steady: () => performance.now() };
/** This verifier is never late: how it judges itself is somebody else's spec. */
const BOUNDS = { behindEntries: Infinity, behindMs: Infinity, staleMs: Infinity };

/** Blocks that follow one another, with full tiles, copies of events, a gap and a cosigned checkpoint on every third. */
const BLOCKS = 12;
const COSIGNED_AT = 1_767_225_600;
const ANCHORED_EVERY_MS = 60_000;

export class SweptLog {
  private constructor(
    readonly log: StoredLog,
    private readonly folder: TemporaryFolder,
    private readonly tree: RememberedTree,
    private readonly looks: Readonly<Record<Look, () => Promise<Reported>>>,
  ) {}

  /** A database of its own; the log is written, projected, and followed to its end by a verifier that trusts its genesis. */
  static async create(server: TestPostgres, database: string, history: History = {}): Promise<SweptLog> {
    const log = await StoredLog.create(server, database, history.writer);
    await write(log, history);
    return SweptLog.follow(log, log.writer.trust, knownAnchors(history));
  }

  /** A verifier that begins at entry 0 of a log as it stands now. What it cannot take is what its tail finds. */
  static async follow(log: StoredLog, trust = log.writer.trust, known = knownAnchors({})): Promise<SweptLog> {
    const folder = temporaryFolder('swept');
    const tree = await RememberedTree.load(LeafFile.open(path.join(folder.path, 'leaves')), 0);
    const { verifier: pool, ledgerId } = log;
    const ring = new BodyRing(path.join(folder.path, 'bodies'), 1_000_000);
    const follow = new FollowLedger(trust, pool, ledgerId, LogState.empty(trust), tree, ring);
    await follow.catchUp();
    const newest = follow.size;
    const pace = new Pace(() => Infinity);
    const keys = () => follow.memory;
    const never = new AbortController().signal;
    const bodies = new SweepBodies(pool, ledgerId, tree, keys, pace);
    const index = new SweepIndex(pool, ledgerId, ORIGIN, tree, () => follow.memory, pace);
    const anchors = new SweepAnchors(pool, ledgerId, ORIGIN, keys, known, pace);
    const stored = new SweepStored(pool, ledgerId, ORIGIN, tree, keys, () => newest, pace, anchors);
    const places = new SweepPlaces(path.join(folder.path, 'sweeps.json'));
    const coverage = new LedgerCoverage(() => follow.size, BOUNDS, CLOCKS, {});
    /** What a look reports, with a book of its own so that looks may run side by side. */
    const reported = async (run: (verify: VerifyLedger) => Promise<unknown>): Promise<Reported> => {
      let found: Reported = [];
      const book = { reconcile: (_: string, findings: Reported) => void (found = findings) } as unknown as AlertBook;
      await run(new VerifyLedger(follow, { bodies, index, stored }, ring, book, pool, coverage, places, CLOCKS));
      return found;
    };
    return new SweptLog(log, folder, tree, {
      tail: () => reported((verify) => verify.tail()),
      bodies: () => reported((verify) => verify.sweep('bodies', never)),
      index: () => reported((verify) => verify.sweep('index', never)),
      stored: () => reported((verify) => verify.sweep('stored', never)),
    });
  }

  /** What is found now, by every look or by these alone. */
  async look(looks: readonly Look[] = LOOKS): Promise<Seen[]> {
    const found = await Promise.all(
      looks.map(async (look) => {
        const findings = await this.looks[look]();
        return findings.map(({ finding, context: { eventId, lastGoodBlock } }): Seen => {
          return { ...finding, eventId: eventId ?? null, lastGoodBlock: lastGoodBlock ?? null, look };
        });
      }),
    );
    return found.flat();
  }

  /** Entries that this verifier has derived. */
  get derived(): number {
    return this.tree.size;
  }

  /** Index of the first entry of a block, by what was written. */
  firstOf(height: number): number {
    return this.log.writer.bodies.slice(0, height).reduce((sum, body) => sum + splitBundle(body).count, 0);
  }

  /** Leaves the log, and its database, to whoever made it. */
  forget(): void {
    this.tree.close();
    this.folder.remove();
  }

  async close(): Promise<void> {
    this.forget();
    await this.log.close();
  }
}

async function write(log: StoredLog, { before, changed, blocks = BLOCKS, anchors }: History): Promise<void> {
  const { writer } = log;
  await log.seal();
  for (let block = 1; block <= blocks; block++) {
    before?.(block, writer);
    const first = events(block, 5).map((event, n) =>
      changed === `${block} ${n}` ? event.replace('user-', 'User-') : event,
    );
    await log.seal(writer.frame('a', first), writer.frame('b', events(block + 100, block === 5 ? 240 : 3)));
    if (block === 3) {
      const lost = writer.heads.get('b')!.number + 1;
      writer.frame('b', ['{"id":"lost"}']);
      await log.seal(writer.gap('b', lost, lost), writer.frame('b', events(200, 2)));
    }
    if (block === 8) await log.seal(writer.frame('a', events(300, 256)));
    if (block % 3 === 0) {
      await cosigned(log);
      if (anchors) await anchored(log, anchors.authority);
    }
  }
  await project(log);
}

/** Events with every column of the index; the last of each frame but the first repeats one that is sealed before it. */
function events(seed: number, count: number): string[] {
  return Array.from({ length: count }, (_, n) => {
    const id = n === count - 1 && seed !== 1 ? 'e-1-0' : `e-${seed}-${n}`;
    const data = {
      actor: { id: `user-${n % 7}` },
      action: 'order.create',
      outcome: 'success',
      target: { id: `t-${n}` },
    };
    const source = 'https://orders.example.com/shop';
    const time = '2026-01-02T03:04:05.678Z';
    return JSON.stringify({
      specversion: '1.0',
      id,
      source,
      type: 'com.example.order',
      subject: `order/${n}`,
      time,
      data,
    });
  });
}

/** Checkpoint of all that is sealed, with our own cosignature beside it. */
async function cosigned(log: StoredLog): Promise<void> {
  const checkpoint = { origin: ORIGIN, size: log.size, root: log.writer.range.root() };
  await log.storeCheckpoint(signCheckpoint(checkpoint, log.writer.logKey));
  const { verifier: cosigner } = log.writer.keys;
  const line = cosign(formatCheckpointText(checkpoint), cosigner, COSIGNED_AT);
  const { name, verifier } = cosigner;
  const keyId = Buffer.from(verifier.idHex, 'hex');
  await insertCosignature(log.sealer, log.ledgerId, { size: log.size, signer: name, keyId, line });
}

/** What a verifier of it is told. */
function knownAnchors({ anchors }: History): KnownAnchor[] {
  if (!anchors) return [];
  const { authority } = anchors;
  const file = copyAnchor('file', 'disk', ANCHORED_EVERY_MS);
  return authority ? [file, timestampAnchor('tsa', ANCHORED_EVERY_MS, pinnedOf(authority), null)] : [file];
}

const pinnedOf = ({ identity }: TimeStamps): ReturnType<typeof parsePinnedAuthority> =>
  parsePinnedAuthority(Buffer.from(identity.root));

/** The newest checkpoint, as the sealer anchors it. */
async function anchored({ sealer, ledgerId, size }: StoredLog, authority: TimeStamps | null): Promise<void> {
  const { note } = (await checkpointAt(sealer, ledgerId, size))!;
  const message = Buffer.from(note);
  await insertAnchor(sealer, ledgerId, { kind: 'file', target: 'disk', size, evidence: message });
  if (!authority) return;
  const nonce = randomBytes(NONCE_BYTES);
  const response = authority.respond(formatTimestampRequest({ message, nonce, policy: null }));
  const trust = { pinned: pinnedOf(authority), policy: null, nonce };
  const evidence = normalToken(openTimestampResponse(response), message, trust);
  await insertAnchor(sealer, ledgerId, { kind: 'rfc3161', target: 'tsa', size, evidence });
}

/** The index as the sealer writes it, copies marked. */
async function project(log: StoredLog): Promise<void> {
  const tape = new JsonTape();
  const leaves = log.writer.bodies.flatMap((body) => splitHashes(hashLeaves(body, splitBundle(body))));
  const finder = new DuplicateFinder(log.sealer, log.ledgerId, ORIGIN, (positions) =>
    Promise.resolve(new Map(positions.map((position) => [position, leaves[position]!]))),
  );
  const writer = new EventIndexWriter(log.sealer, log.ledgerId);
  let first = 0;
  for (const body of log.writer.bodies) {
    const rows = [...blockEvents(body, first, tape)];
    await finder.mark(rows, ({ event }) => event);
    const to = first + splitBundle(body).count;
    await writer.write({ from: first, to, rows });
    first = to;
  }
}
