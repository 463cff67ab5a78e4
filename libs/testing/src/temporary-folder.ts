/** A folder for one spec. Others may pass through it (Postgres runs as another user when we are root), nothing in it is readable for them by itself. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

export function temporaryFolder(name = 'spec'): TemporaryFolder {
  const folder = mkdtempSync(path.join(tmpdir(), `everseal-${name}-`));
  chmodSync(folder, 0o711);
  return { path: folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
