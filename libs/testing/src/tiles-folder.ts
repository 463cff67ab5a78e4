/** Writes a copy of a log in C2SP tlog-tiles layout, as a mirror has it: `checkpoint` and `tile/entries/`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { encodeBundle, entriesPath, splitBundle, TILE_WIDTH } from '@everseal/audit-core';

/**
 * @param bodies block bodies from height 0 on
 * @param checkpoint the signed note over all of them
 */
export function writeTilesFolder(folder: string, bodies: readonly Buffer[], checkpoint: string): void {
  const entries = bodies.flatMap((body) => {
    const offsets = splitBundle(body);
    return Array.from({ length: offsets.count }, (_, i) => body.subarray(offsets.start(i), offsets.end(i)));
  });
  mkdirSync(folder, { recursive: true });
  for (let number = 0; number * TILE_WIDTH < entries.length; number++) {
    const bundle = entries.slice(number * TILE_WIDTH, (number + 1) * TILE_WIDTH);
    const file = path.join(folder, ...entriesPath(number, bundle.length).split('/'));
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, encodeBundle(bundle));
  }
  writeFileSync(path.join(folder, 'checkpoint'), checkpoint);
}
