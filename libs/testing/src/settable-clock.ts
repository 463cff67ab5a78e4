/**
 * A wall clock that a test can set, for a real process of the unmodified build:
 *
 *     node --import …/settable-clock.js main.js settings.yaml
 *
 * does to one process what `date -s` does to a machine. The file `clock-offset` in the process's working folder holds milliseconds
 * that are added to the time of day; what is applied stands in `clock-applied`. The monotonic clock, timers and what C libraries ask
 * the system for (OpenSSL's look at a certificate's dates) are not touched; a real step does not touch the first two either.
 *
 * Worker threads inherit `--import`, so they are set with their process.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isMainThread } from 'node:worker_threads';

const LOOK_EVERY_MS = 50;
const folder = process.cwd();
const applied = path.join(folder, 'clock-applied');
const realNow = Date.now;
const RealDate = Date;
let offset = 0;
let isKnown = false;

const now = (): number => realNow() + offset;

function look(): void {
  let wanted = 0;
  try {
    wanted = Number(readFileSync(path.join(folder, 'clock-offset'), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  if (!Number.isSafeInteger(wanted) || (isKnown && wanted === offset)) return;
  isKnown = true; // told at the start as well: an earlier process may have applied another one
  offset = wanted;
  if (!isMainThread) return;
  writeFileSync(`${applied}.new`, String(offset));
  renameSync(`${applied}.new`, applied);
}

RealDate.now = now;
globalThis.Date = new Proxy(RealDate, {
  apply: () => new RealDate(now()).toString(),
  construct: (target, args: unknown[], newTarget) =>
    Reflect.construct(target, args.length > 0 ? args : [now()], newTarget),
});
look();
setInterval(look, LOOK_EVERY_MS).unref();
