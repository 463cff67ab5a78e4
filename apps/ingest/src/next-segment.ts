/**
 * The segment file that will be needed next, made ready ahead of time and off the thread: full size in zeros, header, fsync,
 * then its name, and the folder's fsync. A new segment thus costs an append nothing, and a disk that fills up is noticed while
 * there is still room for the frames under way.
 *
 * ENOSPC and EDQUOT are retried every second (nothing was promised yet: whoever waits for the room waits); every other error
 * stops the process through `take`.
 */
import { renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '@everseal/process';
import { encodeSegmentHeader } from './segment.js';

const CHUNK = Buffer.alloc(1024 * 1024);
const RETRY_MS = 1_000;

export class NextSegment {
  #ready: Promise<string> | null = null;
  #outOfSpace = false;
  readonly #stopped = new AbortController();
  readonly #beside: string;

  /**
   * What a crash left half made is thrown away.
   * @param ordinal number of the next segment: names are `<ordinal>.segment`, in the order they are filled
   */
  constructor(
    private readonly directory: string,
    private readonly size: number,
    private ordinal: number,
  ) {
    this.#beside = path.join(directory, 'next.tmp');
    rmSync(this.#beside, { force: true });
  }

  get outOfSpace(): boolean {
    return this.#outOfSpace;
  }

  /** Starts to make the file, if that has not begun; errors show in `take`. */
  prepare(): void {
    if (this.#ready !== null) return;
    this.#ready = this.make(path.join(this.directory, `${String(this.ordinal).padStart(12, '0')}.segment`));
    this.#ready.catch(() => undefined);
  }

  /** @returns its path, once it is durable; the one after it is the next to be prepared */
  async take(): Promise<string> {
    this.prepare();
    const file = (await this.#ready) as string;
    this.#ready = null;
    this.ordinal += 1;
    return file;
  }

  stop(): void {
    this.#stopped.abort();
  }

  private async make(file: string): Promise<string> {
    for (;;) {
      try {
        await this.write();
        renameSync(this.#beside, file);
        await syncFolder(this.directory);
        this.#outOfSpace = false;
        return file;
      } catch (error) {
        const code = codeOf(error);
        if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
        this.#outOfSpace = true;
        rmSync(this.#beside, { force: true });
        await sleep(RETRY_MS, undefined, { signal: this.#stopped.signal });
      }
    }
  }

  private async write(): Promise<void> {
    const handle = await open(this.#beside, 'w', 0o600);
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

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
