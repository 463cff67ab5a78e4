/**
 * What was agreed on for the database: written and signed by the deploy step, compared with the database by the verifiers.
 *
 * A deploy step does not make right what it finds. It adds to the agreement exactly what it changed itself, between its first
 * look at the database and its last; whatever else differs stays a difference, and the verifiers go on saying so, until somebody
 * undoes it or runs the step with `accept`. The first agreement takes the database as it is, provided that its schema is the
 * one that this release makes.
 *
 * Who gets in as whom (pg_ident.conf, the lines of our map) follows from the policy and not from what is found.
 */
import { existsSync, readFileSync } from 'node:fs';
import {
  carryAgreement,
  compareCatalog,
  firstDifferent,
  formatTimestamp,
  openCatalog,
  signCatalog,
  type SigningKey,
} from '@everseal/audit-core';
import { type Catalog, SCHEMA_CATALOG } from '@everseal/ledger-store';
import { identitiesOf, type Policy } from '@everseal/policy';
import { LocalError } from './local-error.js';
import { replaceFile } from '@everseal/tls';

/** Where the agreement is, and who signs it. */
export interface AgreementPlace {
  file: string;
  key: SigningKey;
  /** Takes the database as it is found, after an operator has looked at it. */
  accept: boolean;
}

/** The catalog before the deploy step, null when there was no database, and after it. */
export interface CatalogLooks {
  before: Catalog | null;
  after: Catalog;
}

/** Changes that are told one by one; a migration makes many. */
const MOST_NEWS = 20;

const IDENT = 'ident everseal: ';

/**
 * Writes the agreement after a deploy step. Returns notices for the operator: what was accepted anew, and what differs.
 * LocalError `catalog-differs` when a first agreement would be over another schema than this release makes; `key-mismatch` when
 * the agreement that is there was not signed by this key.
 */
export function agreeOnCatalog(
  policy: Policy,
  database: string,
  { before, after }: CatalogLooks,
  { file, key, accept }: AgreementPlace,
  now: number,
): string[] {
  const found = linesOf(after);
  const former = existsSync(file) ? formerLines(file, key) : null;
  if (former === null && !accept) requireOwnSchema(after);
  const carried = former === null || accept ? found : carryAgreement(former, before ? linesOf(before) : [], found);
  const lines = accept ? carried : [...carried.filter((line) => !line.startsWith(IDENT)), ...identLines(policy)];
  const { domain } = policy;
  if (former === null || !isSame(former, lines)) {
    replaceFile(file, signCatalog({ domain, database, time: formatTimestamp(now), lines }, key), 0o644);
  }
  return [...newsOf(former, lines), ...differencesOf(found, lines)];
}

function linesOf({ schema, installation }: Catalog): string[] {
  return [...schema, ...installation];
}

function identLines(policy: Policy): string[] {
  return identitiesOf(policy).flatMap(({ commonName, role }) =>
    role === null ? [] : [`${IDENT}certificate ${commonName} is role ${role}, error -`],
  );
}

function formerLines(file: string, key: SigningKey): readonly string[] {
  try {
    return openCatalog(readFileSync(file), key.verifier).lines;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LocalError('key-mismatch', `${file} is not signed by ${key.name} (${why}): put the right one back`, {
      cause,
    });
  }
}

function requireOwnSchema({ schema }: Catalog): void {
  const first = firstDifferent(compareCatalog(schema, SCHEMA_CATALOG));
  if (!first) return;
  throw new LocalError(
    'catalog-differs',
    `${first.object} of the database is not as the migrations make it, so nothing is agreed on: undo that change first ` +
      `(found: ${first.found ?? 'nothing'})`,
  );
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  const { missing, unexpected } = compareCatalog(a, b);
  return missing.length + unexpected.length === 0;
}

function newsOf(former: readonly string[] | null, lines: readonly string[]): string[] {
  if (former === null) return [`the catalog of the database was agreed on for the first time, ${lines.length} lines`];
  const { missing, unexpected } = compareCatalog(lines, former);
  const news = [
    ...missing.map((line) => `not agreed on any more: ${line}`),
    ...unexpected.map((line) => `agreed on anew: ${line}`),
  ];
  const left = news.length - MOST_NEWS;
  return left > 0 ? [...news.slice(0, MOST_NEWS), `… and ${left} changes more of the agreement`] : news;
}

function differencesOf(found: readonly string[], agreed: readonly string[]): string[] {
  const first = firstDifferent(compareCatalog(found, agreed));
  if (!first) return [];
  return [
    `${first.object} of the database is not what was agreed on (found: ${first.found ?? 'nothing'}); verifiers raise ` +
      'store.catalog until it is undone, or accepted with --accept-catalog',
  ];
}
