/**
 * A log of nine blocks, databases that hold the first so many of them, and archives of them, good and not, for specs of
 * `everseal restore`. Real Postgres; a database is a copy of one that was filled once.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CheckpointGoals, LogReplay } from '@everseal/audit-core';
import { acquireLease, createLedger, readHead, restoreBlock } from '@everseal/ledger-store';
import { temporaryFolder, TestPostgres, writeTilesFolder, type TemporaryFolder } from '@everseal/testing';
import type { Pool } from 'pg';
import { genesisKeys, LogWriter, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { CURSOR, SpecStore } from '../../../libs/ledger-store/src/store.fixture.js';
import { ArchiveList, openArchive } from './open-archive.js';
import type { RestoreParts } from './restore-log.js';

export const BLOCKS = 9;
const ROWS = `SELECT concat_ws(E'\\n',
  (SELECT string_agg(concat_ws(',', height, first, next, entries, hash, sealed), ' ' ORDER BY height) FROM everseal.block),
  (SELECT string_agg(height || ' ' || md5(body), ' ' ORDER BY height) FROM everseal.block_body),
  (SELECT string_agg(concat_ws(',', level, number, md5(data), root), ' ' ORDER BY level, number) FROM everseal.tile),
  (SELECT string_agg(concat_ws(',', ingester, number, hash, position), ' ' ORDER BY ingester, number) FROM everseal.frame),
  (SELECT string_agg(concat_ws(',', ingester, first, last, cause, position), ' ' ORDER BY ingester, first) FROM everseal.gap),
  (SELECT concat_ws(',', height, size, previous, frontier, sealed, keys_index, state) FROM everseal.ledger_head)) AS rows`;

/** What is given to a restore. */
export interface Given {
  from: string[];
  goals?: readonly string[];
  onlyKnown?: boolean;
  signal?: AbortSignal;
}

/** How a verifier names the file of a block. */
export const nameOf = (height: number): string => String(height).padStart(16, '0');

export class RestoreLab {
  readonly writer = new LogWriter();
  /** The note over the log at the end of each block. */
  readonly checkpoints: string[] = [];
  readonly folder: TemporaryFolder = temporaryFolder('archives');
  /** Names of databases to copy, by how many blocks they have. */
  private readonly templates = new Map<number, string>();
  private databases = 0;
  private current: { store: SpecStore; pool: Pool } | null = null;

  private constructor(private readonly server: TestPostgres) {
    for (let block = 0; block < BLOCKS; block++) this.makeBlock(block);
  }

  static async start(): Promise<RestoreLab> {
    return new RestoreLab(await TestPostgres.start());
  }

  async close(): Promise<void> {
    await this.current?.store.close();
    await this.server.stop();
    this.folder.remove();
  }

  get store(): SpecStore {
    return this.current!.store;
  }

  /** As the sealer's role, which holds the lease. */
  get pool(): Pool {
    return this.current!.pool;
  }

  async fence(): Promise<number> {
    return (await readHead(this.pool, 1)).fence;
  }

  /** A database with so many blocks, as sealing leaves it: what a backup is that was taken then. */
  async setBack(blocks: number): Promise<void> {
    await this.current?.store.close();
    const template = this.templates.get(blocks) ?? (await this.fill(blocks));
    this.templates.set(blocks, template);
    const name = await this.server.createDatabase(`restore${this.databases++}`, template);
    const store = SpecStore.reopen(this.server, name);
    this.current = { store, pool: await store.sealer() };
    await acquireLease(this.pool, 1, 'everseal-restore', 600_000);
  }

  /** What a restore has to bring back. */
  async rows(): Promise<string> {
    return String((await this.store.sql(ROWS))[0]!.rows);
  }

  /** As superuser, past every trigger and foreign key. */
  async lose(sql: string): Promise<void> {
    const tables = ['block', 'block_body', 'tile', 'frame', 'gap'];
    const switched = (how: string): string =>
      tables.map((table) => `ALTER TABLE ${table} ${how} TRIGGER append_only;`).join('\n');
    await this.store.sql(`BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL search_path = everseal;
      ${switched('DISABLE')} ${sql}; ${switched('ENABLE ALWAYS')} COMMIT`);
  }

  /** A verifier's folder with these blocks. */
  ring(name: string, heights: readonly number[], change: (body: Buffer, height: number) => Buffer = (b) => b): string {
    const to = this.fresh(name);
    const bodies = path.join(to, 'main', 'bodies');
    mkdirSync(bodies, { recursive: true });
    for (const height of heights) {
      writeFileSync(path.join(bodies, nameOf(height)), change(Buffer.from(this.writer.bodies[height]!), height));
    }
    writeFileSync(path.join(bodies, `${nameOf(99)}.new`), 'half written');
    return to;
  }

  /** A copy in tlog-tiles layout. */
  mirror(name: string, blocks = BLOCKS): string {
    const to = this.fresh(name);
    writeTilesFolder(to, this.writer.bodies.slice(0, blocks), this.checkpoints[blocks - 1]!);
    return to;
  }

  async partsOf({ from, goals, onlyKnown = false, signal }: Given): Promise<RestoreParts> {
    const known = new CheckpointGoals(ORIGIN, [genesisKeys()]);
    for (const note of goals ?? [this.checkpoints.at(-1)!]) known.add(note, 'a test');
    return {
      pool: this.pool,
      ledgerId: 1,
      trust: this.writer.trust,
      archive: new ArchiveList(await Promise.all(from.map((one) => openArchive(one, 'main')))),
      goals: known,
      headHeight: (await readHead(this.pool, 1)).height,
      onlyKnown,
      signal: signal ?? new AbortController().signal,
      onChecked: () => undefined,
    };
  }

  private fresh(name: string): string {
    const to = path.join(this.folder.path, name);
    rmSync(to, { recursive: true, force: true });
    return to;
  }

  /** Sixty events a block; block 1 has a frame of b as well, block 3 a gap record of b. */
  private makeBlock(block: number): void {
    const { writer } = this;
    const events = Array.from({ length: 60 }, (_, i) => `{"id":"${block}-${i}"}`);
    if (block === 3) {
      const { number } = writer.frame('b', ['{"id":"missing"}']).frame;
      writer.block(writer.gap('b', number, number), writer.frame('b', events));
    } else writer.block(writer.frame('a', events), ...(block === 1 ? [writer.frame('b', ['{}'])] : []));
    this.checkpoints.push(writer.checkpoint());
  }

  private async fill(blocks: number): Promise<string> {
    const made = await SpecStore.create(this.server, `blocks${blocks}`);
    const pool = await made.sealer();
    const ledgerId = await createLedger(pool, ORIGIN, CURSOR);
    await acquireLease(pool, ledgerId, 's1', 1);
    const replay = LogReplay.empty(this.writer.trust);
    for (const body of this.writer.bodies.slice(0, blocks)) {
      const result = replay.read(body);
      if (!result.ok) throw new Error(result.finding.detail);
      await restoreBlock(pool, ledgerId, 1, { ...result.block, block: result.block });
    }
    await made.close();
    return made.database;
  }
}
