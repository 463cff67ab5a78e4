/**
 * A file system of its own for one folder, in memory, that can be made full and be given room again: `mount -t tmpfs`, which takes root.
 * The suite runs in a mount namespace of its own (scripts/faults.mjs), so nothing of it is left, however it ends.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, statfsSync } from 'node:fs';
import { temporaryFolder } from '@everseal/testing';

export class SmallFileSystem {
  private constructor(
    readonly folder: string,
    private readonly bytes: number,
  ) {}

  /** Over a folder, which is made if missing; what is in it is hidden meanwhile. */
  static mount(folder: string, bytes: number): SmallFileSystem {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'tmpfs', folder]);
    return new SmallFileSystem(folder, bytes);
  }

  /** Whether this machine lets us. */
  static get isPossible(): boolean {
    const folder = temporaryFolder('mount');
    try {
      SmallFileSystem.mount(folder.path, 65_536).unmount();
      return true;
    } catch {
      return false;
    } finally {
      folder.remove();
    }
  }

  /** Leaves room for so many bytes and no more. */
  leave(bytes: number): void {
    const { blocks, bfree, bsize } = statfsSync(this.folder);
    this.resize((blocks - bfree) * bsize + bytes);
  }

  /** All the room that there was. */
  makeRoom(): void {
    this.resize(this.bytes);
  }

  /** Nothing may have a file open for writing when it is made read-only. */
  allowWrites(isAllowed: boolean): void {
    run('mount', ['-o', `remount,${isAllowed ? 'rw' : 'ro'}`, this.folder]);
  }

  unmount(): void {
    run('umount', ['--lazy', this.folder]); // something may still be closing its files
  }

  private resize(bytes: number): void {
    run('mount', ['-o', `remount,size=${bytes}`, this.folder]);
  }
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr?.trim() || error?.message}`);
}
