/**
 * A policy that cannot be used. It names every problem found at once, each with the line to change, so that one run of
 * the editor repairs the file. Fate: refuse to start; nothing is ever read with a guess.
 */

/** One code a check:
 * - `policy.unreadable`  the file is missing, not readable, or larger than the bound
 * - `policy.yaml`        not one YAML document of plain values (no aliases, tags, repeated keys)
 * - `policy.shape`       a field is missing, unknown, of another kind or outside its range
 * - `policy.name`        not a name formats.md allows, or too long for a certificate
 * - `policy.source`      not an exact source nor a prefix ending in `*`, or the services' own
 * - `policy.duplicate`   said twice
 * - `policy.reference`   names something the policy does not have
 * - `policy.system`      the system ledger is not a ledger, or is given to a producer
 * - `policy.drill`       the drill ledger is not a ledger, is the system ledger, or shares a producer with another ledger
 * - `policy.ring`        a stream smaller than twice what its ingesters may hold back
 */
export type PolicyCode =
  | 'policy.unreadable'
  | 'policy.yaml'
  | 'policy.shape'
  | 'policy.name'
  | 'policy.source'
  | 'policy.duplicate'
  | 'policy.reference'
  | 'policy.system'
  | 'policy.drill'
  | 'policy.ring';

export interface PolicyProblem {
  code: PolicyCode;
  /** Line in the file, 1-based; 0 when the problem is the file itself. */
  line: number;
  /** Where in the document, `ledgers[0].name`; empty for the whole document. */
  path: string;
  message: string;
}

export class PolicyError extends Error {
  /** The code of the first problem. */
  readonly code: PolicyCode;

  /** `file` is the name the messages carry; `problems` holds at least one, in the order of the file. */
  constructor(
    readonly file: string,
    readonly problems: [PolicyProblem, ...PolicyProblem[]],
    options?: ErrorOptions,
  ) {
    super(problems.map((problem) => describe(file, problem)).join('\n'), options);
    this.name = 'PolicyError';
    this.code = problems[0].code;
  }
}

function describe(file: string, { line, path, message }: PolicyProblem): string {
  const place = line > 0 ? `${file}:${line}` : file;
  return path === '' ? `${place}: ${message}` : `${place}: ${path}: ${message}`;
}
