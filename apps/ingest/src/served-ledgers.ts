/**
 * The ledgers of an ingester: what the policy gives it and what its settings have files for must be the same. A closed ledger
 * may stand in the policy for its readers' sake; where the settings have its successor it is not served any more.
 */
import type { LedgerPolicy, Policy } from '@everseal/policy';
import type { IngestSettings } from './config.js';
import { stop } from './stop.js';
import type { Continues } from './take-over.js';

export type ServedLedger = {
  readonly ledger: LedgerPolicy;
  readonly genesisFile: string;
  readonly continues?: Continues | undefined;
};

/** @throws StopProcess settings.ledgers */
export function servedLedgers(policy: Policy, settings: IngestSettings): ServedLedger[] {
  const { name, policyFile } = settings;
  const given = policy.ledgers.filter(({ ingesters }) => ingesters.includes(name));
  const served = given.flatMap((ledger) => {
    const entry = settings.ledgers.find((one) => one.name === ledger.name);
    return entry === undefined ? [] : [{ ledger, genesisFile: entry.genesisFile, continues: entry.continues }];
  });
  const closed = settings.ledgers.flatMap((entry) => entry.continues?.ledger ?? []);
  const both = closed.filter((ledger) => settings.ledgers.some((entry) => entry.name === ledger));
  if (both.length > 0) {
    throw stop(
      'settings.ledgers',
      `the settings serve ${both.join(', ')} and say that it is closed: take it out of the ledgers`,
    );
  }
  const missing = given
    .filter((ledger) => !served.some((one) => one.ledger === ledger) && !closed.includes(ledger.name))
    .map((ledger) => ledger.name);
  const foreign = settings.ledgers.filter((entry) => !given.some((ledger) => ledger.name === entry.name));
  if (given.length === 0 || missing.length > 0 || foreign.length > 0) {
    const own = given.map((ledger) => ledger.name).join(', ') || 'no ledger';
    throw stop(
      'settings.ledgers',
      `${policyFile} gives ingester ${name}: ${own}; the settings name ${settings.ledgers.map((entry) => entry.name).join(', ')}. Make them agree`,
    );
  }
  return served;
}
