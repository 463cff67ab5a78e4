/**
 * A loop of a verifier. Nothing that the database says ends one: whoever owns the database is the suspect, and a right that was taken
 * away, or a value of no meaning, would silence the one who is to tell of it. The loop tries again, as when the database is away; what
 * was done to the rights is the catalog guard's alert.
 */
import { StoreError } from '@everseal/ledger-store';
import { fateOf, Loop, type Fate, type LoopOptions } from '@everseal/process';

export function runVerifierLoop(options: Omit<LoopOptions, 'fate'>): Loop {
  return Loop.run({ ...options, fate: verifierFate });
}

/** As `fateOf`; but a verifier writes nothing to the database, so no answer of it says that this process does harm. */
export function verifierFate(error: unknown): Fate {
  return error instanceof StoreError ? 'retry' : fateOf(error);
}
