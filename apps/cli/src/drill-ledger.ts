/**
 * The ledger that a drill may tamper with: the policy names it (`drillLedger`) and keeps real events out of it, for its
 * producers have no other ledger. No option of the command line names another.
 */
import { originOf } from '@everseal/audit-core';
import { PolicyError, readPolicy, type Policy } from '@everseal/policy';
import { usage } from './cli-failure.js';
import type { CliSettings } from './config.js';

export interface DrillLedger {
  readonly domain: string;
  readonly name: string;
  readonly origin: string;
  /** Who may write to it, with the sources they may use. */
  readonly producers: Policy['producers'];
  /** `<domain>/verifier/<name>` of every verifier: each has to find what is done. */
  readonly verifiers: readonly string[];
}

/**
 * @param wanted ledger that the command line names; only the policy's drill ledger is taken
 * @throws CliFailure, PolicyError
 */
export function drillLedger(settings: CliSettings, wanted: string | undefined): DrillLedger {
  if (settings.policyFile === undefined)
    throw usage('the settings have no policyFile: it says which ledger drills may use');
  const policy = readPolicy(settings.policyFile);
  const { domain, drillLedger: name, producers, verifiers } = policy;
  if (name === undefined) {
    throw usage(
      `${settings.policyFile} names no drillLedger: a drill needs a ledger of its own (docs/operations/drill.md)`,
    );
  }
  if (wanted !== undefined && wanted !== name) {
    throw usage(
      `a drill tampers with "${name}", the policy's drillLedger, and with no other ledger: not with "${wanted}"`,
    );
  }
  if (domain !== settings.domain)
    throw usage(`the settings are those of ${settings.domain}, the policy is ${domain}'s`);
  return {
    domain,
    name,
    origin: originOf(domain, name),
    producers: producers.filter(({ ledgers }) => ledgers.includes(name)),
    verifiers: verifiers.map((verifier) => `${domain}/verifier/${verifier.name}`),
  };
}

/** Origin of the drill ledger, for telling its alerts from real ones; null when it cannot be told, which hides no alert. */
export function drillOrigin({ policyFile }: CliSettings): string | null {
  if (policyFile === undefined) return null;
  try {
    const { domain, drillLedger: name } = readPolicy(policyFile);
    return name === undefined ? null : originOf(domain, name);
  } catch (error) {
    if (error instanceof PolicyError) return null;
    throw error;
  }
}
