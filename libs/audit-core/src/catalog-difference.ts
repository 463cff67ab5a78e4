/**
 * Two descriptions of a database, compared: what is there and what was agreed. A description is a set of lines, one fact each,
 * `<kind> <name>: <what>` (`trigger everseal.block.append_only: …, fires A`); how they are read is the store's business.
 */

export interface CatalogDifference {
  /** Expected and not there: a dropped trigger, a withdrawn constraint. */
  missing: string[];
  /** There and not expected: a rule, a grant, the changed form of what is missing. */
  unexpected: string[];
}

/** The first object that differs, and how it is described on either side; null where that side does not have it. */
export interface DifferentObject {
  readonly object: string;
  readonly expected: string | null;
  readonly found: string | null;
}

/** What an act would be undone by comes first: a renamed schema takes every other line with it. */
const ORDER = ['schema', 'database', 'hba', 'ident', 'role', 'member', 'setting', 'event', 'system'];

/** What makes two sets of lines differ, the weightiest first; empty lists when they are equal. */
export function compareCatalog(found: readonly string[], expected: readonly string[]): CatalogDifference {
  const [foundLines, expectedLines] = [new Set(found), new Set(expected)];
  return {
    missing: [...expectedLines].filter((line) => !foundLines.has(line)).sort(byWeight),
    unexpected: [...foundLines].filter((line) => !expectedLines.has(line)).sort(byWeight),
  };
}

/** Null when nothing differs. Of two objects that weigh the same, one that was agreed on comes first. */
export function firstDifferent({ missing, unexpected }: CatalogDifference): DifferentObject | null {
  const [line] = [...missing.slice(0, 1), ...unexpected.slice(0, 1)].sort((a, b) => rankOf(a) - rankOf(b));
  if (line === undefined) return null;
  const object = objectOf(line);
  const describing = (lines: readonly string[]): string | null =>
    lines.find((other) => objectOf(other) === object) ?? null;
  return { object, expected: describing(missing), found: describing(unexpected) };
}

/**
 * The agreement after a deploy step: what was agreed before it, plus exactly what the step itself changed. What somebody else
 * had changed before the step stays a difference: a deploy step does not make it right.
 *
 * @param agreed the lines agreed on before the step
 * @param before what was there when the step began
 * @param after what was there when it had ended
 * @returns sorted lines
 */
export function carryAgreement(
  agreed: readonly string[],
  before: readonly string[],
  after: readonly string[],
): string[] {
  const { missing: made, unexpected: removed } = compareCatalog(before, after);
  const gone = new Set(removed);
  return [...new Set([...agreed.filter((line) => !gone.has(line)), ...made])].sort();
}

function objectOf(line: string): string {
  const end = line.indexOf(': ');
  return end < 0 ? line : line.slice(0, end);
}

function byWeight(a: string, b: string): number {
  return rankOf(a) - rankOf(b) || (a < b ? -1 : 1);
}

function rankOf(line: string): number {
  const rank = ORDER.indexOf(line.slice(0, line.indexOf(' ')));
  return rank < 0 ? ORDER.length : rank;
}
