/** Where the repository lies. Both the sources (libs/local/src) and the build (dist/libs/local/src) run from inside it. */
import { existsSync } from 'node:fs';
import path from 'node:path';

/** Absolute path of the folder with package.json and scripts/. */
export function repositoryRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(path.join(folder, 'scripts', 'nats-server.mjs'))) {
    const above = path.dirname(folder);
    if (above === folder) throw new Error(`no repository around ${import.meta.dirname}`);
    folder = above;
  }
  return folder;
}
