/**
 * Writes the files of an export so that a file that stands is whole, also after a power cut: written beside its place, synced,
 * renamed. Folders are synced once, at `settle`: a rename that was lost by then is a file that is missing, and is written again by
 * the run that goes on.
 */
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { syncFolder } from '@everseal/process';
import { FolderFiles } from './folder-files.js';

/** Files that are written at a time: a sync waits for the disk, others can go on meanwhile. */
const AT_A_TIME = 16;

export class ExportFolder extends FolderFiles {
  private readonly made = new Set<string>();
  private readonly pending = new Set<Promise<void>>();
  private failed: { error: unknown } | null = null;

  async has(name: string): Promise<boolean> {
    return stat(path.join(this.folder, name)).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
        throw error;
      },
    );
  }

  /** Writes a file by and by; a failure is thrown by a later call. The bytes must not change meanwhile. */
  async write(name: string, bytes: Uint8Array | string): Promise<void> {
    this.throwFailure();
    while (this.pending.size >= AT_A_TIME) await Promise.race(this.pending);
    const writing = this.writeNow(name, bytes).catch((error: unknown) => void (this.failed ??= { error }));
    this.pending.add(writing);
    void writing.finally(() => this.pending.delete(writing));
  }

  private async writeNow(name: string, bytes: Uint8Array | string): Promise<void> {
    const file = path.join(this.folder, name);
    await this.makeFolder(path.dirname(file));
    const handle = await open(`${file}.new`, 'w', 0o644);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.new`, file);
  }

  private async makeFolder(folder: string): Promise<void> {
    if (this.made.has(folder)) return;
    await mkdir(folder, { recursive: true });
    this.made.add(folder);
  }

  /** Waits until everything that was written is on the disk. */
  async settle(): Promise<void> {
    await Promise.all(this.pending);
    this.throwFailure();
    // A folder that was made lives in the one above it.
    const folders = new Set([...this.made].flatMap((folder) => [folder, path.dirname(folder)]));
    for (const folder of folders) syncFolder(folder);
    this.made.clear();
  }

  async remove(name: string): Promise<void> {
    await rm(path.join(this.folder, name), { recursive: true, force: true });
  }

  private throwFailure(): void {
    if (this.failed) throw this.failed.error;
  }
}
