/**
 * Reads names out of a subject: the counterpart of the builders that put them in. `audit.submit.*.*` and
 * `audit.submit.main.billing` give `['main', 'billing']`.
 */

/** What a name may be, in any place: `[a-z0-9][a-z0-9-]*`, at most 63 characters (formats.md "Names"). */
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

/**
 * @param pattern subject with `*` in each name's place
 * @returns the names in the pattern's order; null when the subject does not match or a name is no name
 */
export function namesIn(pattern: string, subject: string): string[] | null {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  if (tokens.length !== wanted.length) return null;
  const names: string[] = [];
  for (const [place, token] of tokens.entries()) {
    if (wanted[place] === '*') names.push(token);
    else if (wanted[place] !== token) return null;
  }
  return names.every((name) => NAME.test(name)) ? names : null;
}
