/**
 * One process an outbox. The lock is the kernel's, on the open file `lock`: it ends with the process, however that ends.
 *
 * Node has no file locks, so this takes a native package, the one dependency of its kind: only a program that opens an
 * outbox loads it (docs/decisions/0061).
 */
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { EversealError } from './everseal-error.js';

export class OutboxLock {
  private constructor(private fd: number) {}

  /** @throws EversealError outbox.locked; outbox.failed when the package is not installed */
  static async take(folder: string): Promise<OutboxLock> {
    const { tryLock } = await import('fs-native-extensions').catch((cause: unknown) => {
      const message = 'an outbox needs the package fs-native-extensions, which locks its folder: install it';
      throw new EversealError('outbox.failed', message, { cause });
    });
    const fd = openSync(path.join(folder, 'lock'), 'a+', 0o600);
    if (tryLock(fd)) return new OutboxLock(fd);
    closeSync(fd);
    const message = `the outbox ${folder} is in use by another process: give each process a folder of its own`;
    throw new EversealError('outbox.locked', message);
  }

  release(): void {
    if (this.fd < 0) return;
    closeSync(this.fd);
    this.fd = -1;
  }
}
