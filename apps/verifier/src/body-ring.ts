/**
 * The newest block bodies, kept on this verifier's own disk: the second place where sealed bytes stand before a
 * checkpoint is signed over them, and the source from which lost blocks come back byte for byte.
 *
 * One file a block, named by its height; the oldest go when the bound is passed. A file is written beside its name,
 * fsynced and renamed, so what is there is whole.
 */

import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import path from 'node:path';
import { syncFolder } from '@everseal/process';

const NAME = /^[0-9]{16}$/;
/** Light traffic makes many small blocks; a folder of more files than this is no pleasure to anybody. */
const MOST_FILES = 16_384;

export class BodyRing {
  private readonly heights: number[];
  private readonly sizes = new Map<number, number>();
  private bytes = 0;

  constructor(
    private readonly folder: string,
    /** Bytes of bodies to keep. */
    private readonly bound: number,
  ) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.heights = readdirSync(folder)
      .filter((name) => NAME.test(name))
      .map(Number)
      .sort((a, b) => a - b);
    for (const height of this.heights) this.count(height, statSync(this.file(height)).size);
  }

  /** Keeps a body; durable once `sync` was called. */
  async keep(height: number, body: Buffer): Promise<void> {
    const file = this.file(height);
    const handle = await open(`${file}.new`, 'w', 0o600);
    try {
      await handle.writeFile(body);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.new`, file);
    if (!this.sizes.has(height)) this.heights.push(height);
    this.count(height, body.length);
    this.forgetOldest();
  }

  /** Names of kept bodies survive a crash from here on. */
  sync(): void {
    syncFolder(this.folder);
  }

  /** The body of a block, or null when it is not kept (any more). */
  read(height: number): Buffer | null {
    if (!this.sizes.has(height)) return null;
    try {
      return readFileSync(this.file(height));
    } catch {
      return null; // taken away by somebody, or a bad disk: it is one copy of several
    }
  }

  private forgetOldest(): void {
    while ((this.bytes > this.bound || this.heights.length > MOST_FILES) && this.heights.length > 1) {
      const oldest = this.heights.shift()!;
      rmSync(this.file(oldest), { force: true });
      this.bytes -= this.sizes.get(oldest)!;
      this.sizes.delete(oldest);
    }
  }

  private count(height: number, size: number): void {
    this.bytes += size - (this.sizes.get(height) ?? 0);
    this.sizes.set(height, size);
  }

  private file(height: number): string {
    return path.join(this.folder, String(height).padStart(16, '0'));
  }
}
