/**
 * Row 45: random faults at random moments, several at once, from a seed alone. The same seed gives the same faults in the same order with
 * the same pauses; what they meet is the machine's business.
 */
import { seededRandom } from '../../soak/src/schedule.js';

export type Target = 'ingest' | 'active sealer' | 'any sealer' | 'verifier' | 'nats-server' | 'Postgres';

/** Without `ms`: over at once. */
export type Strike =
  | { readonly what: 'kill -9' | 'SIGTERM'; readonly target: Target }
  | { readonly what: 'SIGSTOP'; readonly target: Target; readonly ms: number }
  | { readonly what: 'cut' | 'freeze'; readonly target: Linked }
  | { readonly what: 'delay' | 'silence'; readonly target: Linked; readonly ms: number };

/** A connection of a service to an engine. */
export type Linked = {
  readonly of: 'ingest' | 'active sealer' | 'any sealer' | 'verifier';
  readonly to: 'nats' | 'postgres';
};

export interface PlannedStrike {
  /** Milliseconds after the one before began. */
  readonly afterMs: number;
  readonly strike: Strike;
  /** For choices at the moment itself, from 0 to below 1. */
  readonly choice: number;
}

const TARGETS: readonly Target[] = ['ingest', 'active sealer', 'any sealer', 'verifier', 'nats-server', 'Postgres'];
const SERVICES = ['ingest', 'active sealer', 'any sealer', 'verifier'] as const;
const LINKS: readonly Linked[] = [
  ...SERVICES.map((of) => ({ of, to: 'nats' as const })),
  ...SERVICES.filter((of) => of !== 'ingest').map((of) => ({ of, to: 'postgres' as const })),
];
const GAP_MS = { least: 400, most: 5_000 };
const PAUSE_MS = { least: 300, most: 9_000 };

/** Without end. */
export function* planNemesis(seed: number): Generator<PlannedStrike, never> {
  const random = seededRandom(seed);
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const between = ({ least, most }: { least: number; most: number }): number =>
    Math.round(least + random() * (most - least));
  for (;;) {
    const afterMs = between(GAP_MS);
    const what = one([
      'kill -9',
      'kill -9',
      'SIGTERM',
      'SIGSTOP',
      'SIGSTOP',
      'cut',
      'freeze',
      'delay',
      'silence',
    ] as const);
    yield { afterMs, strike: strikeOf(what, one, between), choice: random() };
  }
}

function strikeOf(
  what: Strike['what'],
  one: <T>(list: readonly T[]) => T,
  between: (range: typeof PAUSE_MS) => number,
): Strike {
  if (what === 'kill -9' || what === 'SIGTERM') return { what, target: one(TARGETS) };
  if (what === 'SIGSTOP') return { what, target: one(TARGETS), ms: between(PAUSE_MS) };
  if (what === 'cut' || what === 'freeze') return { what, target: one(LINKS) };
  return { what, target: one(LINKS), ms: between(PAUSE_MS) };
}
