/**
 * The segment file that will be needed next, made ready ahead of time: full size in zeros, header, fsync. Frames then only
 * overwrite, and a disk that fills up is noticed while there is still room for the frames under way.
 *
 * ENOSPC and EDQUOT are retried every second (nothing was promised yet: whoever waits for the room waits); every other error
 * stops the process through `moveTo`.
 */
import { renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, syncFolder } from '@everseal/process';
import { encodeSegmentHeader } from './segment.js';

const CHUNK = Buffer.alloc(1024 * 1024);
const RETRY_MS = 1_000;

export class NextSegment {
  #ready: Promise<void> | null = null;
  #outOfSpace = false;
  readonly #stopped = new AbortController();

  /** What a crash left there is thrown away. */
  constructor(
    private readonly file: string,
    private readonly size: number,
  ) {
    rmSync(file, { force: true });
  }

  get outOfSpace(): boolean {
    return this.#outOfSpace;
  }

  /** Starts to make the file, if that has not begun; errors show in moveTo. */
  prepare(): void {
    if (this.#ready !== null) return;
    this.#ready = this.make();
    this.#ready.catch(() => undefined);
  }

  /** Gives the file its place; durable when it resolves. */
  async moveTo(file: string): Promise<void> {
    this.prepare();
    await this.#ready;
    renameSync(this.file, file);
    syncFolder(path.dirname(file));
    this.#ready = null;
  }

  stop(): void {
    this.#stopped.abort();
  }

  private async make(): Promise<void> {
    for (;;) {
      try {
        await this.write();
        this.#outOfSpace = false;
        return;
      } catch (error) {
        const code = codeOf(error);
        if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
        this.#outOfSpace = true;
        rmSync(this.file, { force: true });
        await sleep(RETRY_MS, undefined, { signal: this.#stopped.signal });
      }
    }
  }

  private async write(): Promise<void> {
    const handle = await open(this.file, 'w', 0o600);
    try {
      for (let at = 0; at < this.size;) {
        const { bytesWritten } = await handle.write(CHUNK, 0, Math.min(CHUNK.length, this.size - at), at);
        at += bytesWritten;
      }
      await handle.write(encodeSegmentHeader(this.size), 0, undefined, 0);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}
