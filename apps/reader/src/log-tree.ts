/**
 * The C2SP tree of one ledger (tlog-tiles) under `/log/<ledger>/`:
 *
 *     checkpoint                      newest signed checkpoint with its cosignatures; to be asked for anew each time
 *     tile/<L>/<N>[.p/<W>]            hashes; never change
 *     tile/entries/<N>[.p/<W>]        entries; never change; compressed for who takes gzip
 *
 * One spelling for each resource: anything else, a query or an encoded character included, is absent like what the newest
 * checkpoint does not cover.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { FormatError, parseEntriesPath, parseTilePath, type TileRef } from '@everseal/audit-core';
import { acceptsGzip } from './accepts-gzip.js';
import type { Reading } from './client.js';
import type { Answer } from './exchange.js';
import { Problem } from './problem.js';
import type { ServedLedger } from './served-ledger.js';

const compress = promisify(gzip);

/** Who compares in a browser comes from another origin. A certificate is never sent along with `*`. */
export const CROSS_ORIGIN = { 'access-control-allow-origin': '*' };

export type TreePath =
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'tile'; readonly ref: TileRef }
  | { readonly kind: 'bundle'; readonly ref: { readonly number: number; readonly width: number } };

const PREFIX = /^\/log\/([a-z0-9][a-z0-9-]{0,47})\/(.+)$/;

/** What a raw request target means; null for anything that is not the one spelling of a resource. */
export function parseTreePath(target: string): { ledger: string; path: TreePath } | null {
  const [, ledger, rest] = PREFIX.exec(target) ?? [];
  if (ledger === undefined || rest === undefined) return null;
  if (rest === 'checkpoint') return { ledger, path: { kind: 'checkpoint' } };
  try {
    return rest.startsWith('tile/entries/')
      ? { ledger, path: { kind: 'bundle', ref: parseEntriesPath(rest) } }
      : { ledger, path: { kind: 'tile', ref: parseTilePath(rest) } };
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

export const readingOf = ({ kind }: TreePath): Reading => (kind === 'bundle' ? 'bundles' : 'hashes');

/**
 * The answer to a path of the tree.
 * @param isOpen whether anybody may have it: else no cache that several use may keep it
 * @throws Problem log.empty, log.absent, log.damaged; StoreError
 */
export async function answerTree(
  ledger: ServedLedger,
  path: TreePath,
  isOpen: boolean,
  acceptEncoding: string | undefined,
): Promise<Answer> {
  const { note, size } = ledger.published;
  if (path.kind === 'checkpoint') {
    const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache', ...CROSS_ORIGIN };
    return { status: 200, headers, body: note };
  }
  const lasting = {
    'content-type': 'application/octet-stream',
    'cache-control': `${isOpen ? 'public' : 'private'}, max-age=604800, immutable`,
    ...CROSS_ORIGIN,
  };
  if (path.kind === 'tile')
    return { status: 200, headers: lasting, body: present(await ledger.tiles.tile(path.ref, size)) };
  const bundle = present(await ledger.tiles.bundle(path.ref, size));
  const headers = { ...lasting, vary: 'accept-encoding' };
  if (!acceptsGzip(acceptEncoding)) return { status: 200, headers, body: bundle };
  const key = `${ledger.ledgerId}/gzip/${path.ref.number}/${path.ref.width}`;
  const body = await ledger.caches.bytes.get(key, () => compress(bundle));
  return { status: 200, headers: { ...headers, 'content-encoding': 'gzip' }, body };
}

function present(bytes: Buffer | null): Buffer {
  if (bytes !== null) return bytes;
  throw new Problem('log.absent', 'the newest checkpoint of this ledger does not cover it');
}
