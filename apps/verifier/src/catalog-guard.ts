/**
 * The database as it describes itself, against what was agreed on: verdict `store.catalog`. A superuser who wants to get at
 * rows, or to hide some, changes something here first (a trigger, a grant, a rule, a policy, a role, a way in), whether or not
 * a row ever follows.
 *
 * The agreement is a file that the deploy step wrote and signed. It lies beside this verifier's settings, not in the database,
 * and is read anew at every look: a later deploy step replaces it. What does not carry the signature of the deploy key that
 * this verifier was told of is no agreement, and says so as an alert: a guard must not be blinded in silence.
 */
import { readFileSync } from 'node:fs';
import { types } from 'node:util';
import {
  compareCatalog,
  FormatError,
  firstDifferent,
  openCatalog,
  sha256,
  type CatalogDifference,
  type Finding,
  type VerifierKey,
} from '@everseal/audit-core';
import { DURABILITY_SETTINGS, readCatalog, StoreError } from '@everseal/ledger-store';
import type { AlertBook, AlertContext } from '@everseal/process';
import type { Pool } from 'pg';

/** Lines of each side that go into an alert; an agreement has some hundreds. */
const MOST_LINES = 60;
/** Of one line: the definition of a function or a view may be long. */
const MOST_CHARACTERS = 1_000;

export interface CatalogGuardOptions {
  readonly domain: string;
  readonly database: string;
  /** The signed agreement. */
  readonly agreementFile: string;
  readonly deployKey: VerifierKey;
}

interface Named {
  readonly finding: Finding;
  readonly context: AlertContext;
}

export class CatalogGuard {
  private readonly scope: string;

  constructor(
    private readonly pool: Pool,
    private readonly alerts: AlertBook,
    private readonly options: CatalogGuardOptions,
  ) {
    this.scope = `the catalog of database ${options.database}`;
  }

  /** One look. @throws StoreError when the database is away: nothing is known then, and nothing is cleared */
  async look(): Promise<void> {
    const agreed = this.readAgreement();
    if ('finding' in agreed) return this.alerts.reconcile(this.scope, [agreed], false);
    const found = await this.readFound();
    if ('finding' in found) return this.alerts.reconcile(this.scope, [found], false);
    const named = this.judge(found.lines, agreed.lines);
    // A change under way may be seen in parts: what counts is what a second look sees, too.
    const again = named && (await this.readFound());
    if (again && 'finding' in again) return this.alerts.reconcile(this.scope, [again], false);
    const standing = again && this.judge(again.lines, this.linesAgreedOn() ?? agreed.lines);
    this.alerts.reconcile(this.scope, standing ? [standing] : []);
  }

  private linesAgreedOn(): readonly string[] | null {
    const agreed = this.readAgreement();
    return 'lines' in agreed ? agreed.lines : null;
  }

  private judge(found: readonly string[], agreed: readonly string[]): Named | null {
    const difference = compareCatalog(found.filter(isGuardedHere), agreed.filter(isGuardedHere));
    const first = firstDifferent(difference);
    if (!first) return null;
    const { object, expected, found: instead } = first;
    const more =
      difference.missing.length + difference.unexpected.length - (expected === null || instead === null ? 1 : 2);
    const finding: Finding = {
      code: 'store.catalog',
      index: null,
      height: null,
      detail: `${object} of database ${this.options.database} is not what was agreed${more > 0 ? `, nor are ${more} lines more` : ''}`,
      ...(expected === null ? {} : { expected: shortened(expected) }),
      ...(instead === null ? {} : { found: shortened(instead) }),
    };
    const evidence = { missing: evidenceOf(difference.missing), unexpected: evidenceOf(difference.unexpected) };
    return { finding, context: { ledger: this.options.domain, subject: subjectOf(difference), evidence } };
  }

  private readAgreement(): { readonly lines: readonly string[] } | Named {
    const { agreementFile, deployKey, domain, database } = this.options;
    try {
      const agreement = openCatalog(readFileSync(agreementFile), deployKey);
      if (agreement.domain === domain && agreement.database === database) return agreement;
      return this.cannot(`the agreement in ${agreementFile} is about ${agreement.database} of ${agreement.domain}`);
    } catch (error) {
      if (!(error instanceof FormatError) && !isSystemError(error)) throw error;
      return this.cannot(`what was agreed on is not to be had from ${agreementFile}: ${error.message}`);
    }
  }

  private async readFound(): Promise<{ readonly lines: readonly string[] } | Named> {
    try {
      const { schema, installation } = await readCatalog(this.pool);
      return { lines: [...schema, ...installation] };
    } catch (error) {
      if (!(error instanceof StoreError) || error.fate !== 'stop') throw error;
      return this.cannot(`the database does not let itself be described: ${error.message}`);
    }
  }

  private cannot(detail: string): Named {
    const finding = { code: 'store.catalog', index: null, height: null, detail } as const;
    return { finding, context: { ledger: this.options.domain, subject: 'unreadable' } };
  }
}

/** What is set about durability has a verdict of its own, `store.durability`. */
function isGuardedHere(line: string): boolean {
  const setting = /^setting for role .*: ([a-z_]+)=/.exec(line)?.[1];
  return setting === undefined || !DURABILITY_SETTINGS.includes(setting);
}

/** Two looks that see the same differences mean the same alert; one more difference is another one. */
function subjectOf({ missing, unexpected }: CatalogDifference): string {
  const text = JSON.stringify([missing.toSorted(), unexpected.toSorted()]);
  return sha256(Buffer.from(text)).toString('hex', 0, 8);
}

function evidenceOf(lines: readonly string[]): string {
  const left = lines.length - MOST_LINES;
  return [...lines.slice(0, MOST_LINES).map(shortened), ...(left > 0 ? [`… and ${left} more`] : [])].join('\n');
}

function shortened(line: string): string {
  return line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)}…` : line;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return types.isNativeError(error) && 'syscall' in error;
}
