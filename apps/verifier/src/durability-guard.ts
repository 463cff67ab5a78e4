/**
 * What a confirmation of the database is worth: verdict `store.durability`. The sealer refuses to start on a careless server;
 * this sees one that became careless afterwards, and what was set for a role or a database only.
 */
import type { Finding } from '@everseal/audit-core';
import { durabilityProblems, readDurability } from '@everseal/ledger-store';
import type { AlertBook } from '@everseal/process';
import type { Pool } from 'pg';

export class DurabilityGuard {
  constructor(
    private readonly pool: Pool,
    private readonly alerts: AlertBook,
    private readonly domain: string,
  ) {}

  /** One look: one alert a setting and place. @throws StoreError when the database is away */
  async look(): Promise<void> {
    const problems = durabilityProblems(await readDurability(this.pool));
    this.alerts.reconcile(
      'the durability of the database',
      problems.map(({ setting, of, detail, expected, found }) => {
        const finding: Finding = { code: 'store.durability', index: null, height: null, detail, expected, found };
        return { finding, context: { ledger: this.domain, subject: `${setting} of ${of}` } };
      }),
    );
  }
}
