/**
 * Backups of an installation's Postgres as an operator makes them (docs/operations/backup.md): WAL archiving, a base backup
 * while everything runs, and going back to it, as it was or at a point in time.
 *
 * The low-level way (pg_backup_start, a copy of the files, pg_backup_stop), because the embedded build has no pg_basebackup;
 * what comes out is the same.
 */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { waitUntil, type LocalInstallation } from '@everseal/local';
import { Client } from 'pg';

/** Files of a running cluster may vanish while they are copied: then the copy is made again. */
const TRIES = 5;
const ARCHIVED_WITHIN_MS = 60_000;
const RECOVERY = [
  'restore_command',
  'recovery_target',
  'recovery_target_time',
  'recovery_target_action',
  'recovery_target_timeline',
] as const;

export class BaseBackups {
  private readonly archive: string;
  private count = 0;

  private constructor(private readonly installation: LocalInstallation) {
    this.archive = path.join(installation.layout.postgres, 'wal-archive');
  }

  /** Switches WAL archiving on, which needs a restart of Postgres. */
  static async begin(installation: LocalInstallation): Promise<BaseBackups> {
    const backups = new BaseBackups(installation);
    mkdirSync(backups.archive);
    backups.give(backups.archive);
    const at = backups.archive;
    await backups.asSuperuser(async (client) => {
      await client.query(`ALTER SYSTEM SET archive_mode = 'on'`);
      await client.query(`ALTER SYSTEM SET archive_command = 'test ! -f "${at}/%f" && cp "%p" "${at}/%f"'`);
    });
    await backups.whileStopped(() => undefined);
    return backups;
  }

  private get data(): string {
    return path.join(this.installation.layout.postgres, 'data');
  }

  /** A base backup, made while the cluster works. @returns its folder */
  async take(): Promise<string> {
    const to = `${this.data}-backup-${++this.count}`;
    await this.asSuperuser(async (client) => {
      await client.query(`SELECT pg_backup_start('everseal', true)`);
      copy(this.data, to);
      const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop()');
      writeFileSync(path.join(to, 'backup_label'), rows[0]!.labelfile);
    });
    this.give(path.join(to, 'backup_label'));
    for (const file of ['postmaster.pid', 'postmaster.opts']) rmSync(path.join(to, file), { force: true });
    for (const file of readdirSync(path.join(to, 'pg_wal'))) {
      if (/^[0-9A-F]{24}/.test(file)) rmSync(path.join(to, 'pg_wal', file));
    }
    return to;
  }

  /** The time by the database's clock; everything that is committed before is archived when this returns. */
  async timeOfAll(): Promise<string> {
    return this.asSuperuser(async (client) => {
      const { rows } = await client.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
      return rows[0]!.now;
    });
  }

  /** Waits until the WAL that was written so far is in the archive. */
  async archived(): Promise<void> {
    const file = await this.asSuperuser(async (client) => {
      const { rows } = await client.query<{ file: string }>('SELECT pg_walfile_name(pg_current_wal_lsn()) AS file');
      await client.query('SELECT pg_switch_wal()');
      return rows[0]!.file;
    });
    await waitUntil(() => existsSync(path.join(this.archive, file)), {
      what: `WAL file ${file} archived`,
      timeoutMs: ARCHIVED_WITHIN_MS,
    });
  }

  /**
   * Stops Postgres and starts it with a backup in place of its data, recovered to a point in time, or no further than it is
   * consistent. The backup is used up; the data that stood there are kept beside it.
   */
  async goBackTo(backup: string, time: string | null): Promise<void> {
    await this.whileStopped(() => {
      renameSync(this.data, `${backup}-replaced`);
      renameSync(backup, this.data);
      // One target at most may be named, not even an empty one beside it.
      const target = time === null ? { recovery_target: 'immediate' } : { recovery_target_time: time };
      const settings: Partial<Record<(typeof RECOVERY)[number], string>> = {
        ...target,
        restore_command: `cp "${this.archive}/%f" "%p"`,
        recovery_target_action: 'promote',
        recovery_target_timeline: 'current',
      };
      const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
      appendFileSync(path.join(this.data, 'postgresql.auto.conf'), lines.join(''));
      writeFileSync(path.join(this.data, 'recovery.signal'), '');
      this.give(path.join(this.data, 'recovery.signal'));
    });
    // They would stand in the next base backup, where another target collides with them.
    await this.asSuperuser(async (client) => {
      for (const name of RECOVERY) await client.query(`ALTER SYSTEM RESET ${name}`);
    });
  }

  private async whileStopped(act: () => void): Promise<void> {
    await this.installation.postgres.stop();
    act();
    await this.installation.startPostgres();
  }

  /** Postgres may run as another user than this process. */
  private give(file: string): void {
    const { uid, gid } = statSync(this.data);
    chownSync(file, uid, gid);
  }

  private async asSuperuser<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client(await this.installation.logins.superuser());
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
}

function copy(from: string, to: string): void {
  for (let left = TRIES; ; left--) {
    const { status, stderr } = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' });
    if (status === 0) return;
    if (left === 0) throw new Error(`cp: ${stderr}`);
    rmSync(to, { recursive: true, force: true });
  }
}
