/**
 * What a database must be set to so that what it confirmed survives a power failure and a bad disk shows. Pure; how the
 * settings are read is in durability.ts.
 */

/** Accepted values of each setting. `remote_apply` waits for more than `on` does; `local` and `remote_write` for less. */
const ACCEPTED: Readonly<Record<string, readonly string[]>> = {
  fsync: ['on'],
  full_page_writes: ['on'],
  synchronous_commit: ['on', 'remote_apply'],
  // `minimal` keeps no log that a backup or a replica could continue from.
  wal_level: ['replica', 'logical'],
  // Without them a page that rots on the disk is read as if nothing were.
  data_checksums: ['on'],
  ignore_checksum_failure: ['off'],
  zero_damaged_pages: ['off'],
};

export const DURABILITY_SETTINGS = Object.keys(ACCEPTED);

/** The least without which a sealer does not seal. */
export const SEALING_SETTINGS = ['fsync', 'full_page_writes', 'synchronous_commit'];

/** One setting, where it is made, and its value as Postgres writes it. */
export interface DurabilityFact {
  readonly setting: string;
  /** `the server`, `this session`, `role r`, `every role in database d`, … */
  readonly of: string;
  readonly value: string;
  /** Our own session was given the value for itself, so it does not show what others get. */
  readonly masked?: boolean;
}

export interface DurabilityProblem {
  readonly setting: string;
  readonly of: string;
  readonly detail: string;
  readonly expected: string;
  readonly found: string;
}

/** In the order of the facts; of a setting that is not one of ours there is no problem. */
export function durabilityProblems(facts: readonly DurabilityFact[]): DurabilityProblem[] {
  return facts.flatMap(({ setting, of, value, masked = false }) => {
    const accepted = ACCEPTED[setting];
    if (!accepted) return [];
    if (!accepted.includes(value)) {
      // What our own role is set to is read for itself.
      if (masked) return [];
      const expected = accepted.join(' or ');
      return [{ setting, of, detail: `${setting} is ${value} for ${of}, must be ${expected}`, expected, found: value }];
    }
    if (!masked) return [];
    const detail = `${setting} is set for the verifier's own role, which hides what ${of} is set to`;
    return [{ setting, of, detail, expected: 'no value of its own', found: value }];
  });
}
