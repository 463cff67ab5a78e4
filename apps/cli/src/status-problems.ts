/**
 * What is not as it should be, in words, from the facts alone. An empty list is what "healthy" means.
 *
 * Bounds: a checkpoint follows its block within seconds, an idle ledger gets a block every 10 minutes (architecture.md
 * §6); both are given plenty, so that a slow moment is no alarm. Alerts have the fine bounds.
 */
import { formatAge } from './durations.js';
import type { LedgerFacts, ServiceFacts, StatusFacts, VerifierFacts, WitnessFacts } from './status-facts.js';
import { count, counted } from './terminal.js';

const CHECKPOINT_WITHIN_MS = 60_000;
const BLOCK_WITHIN_MS = 15 * 60_000;

/** @param now milliseconds since 1970 */
export function problemsOf(facts: StatusFacts, now: number): string[] {
  const { services, ledgers, streams, verifiers, witnesses, alerts } = facts;
  return [
    ...services.flatMap(ofService),
    ...ledgers.flatMap((ledger) => ofLedger(ledger, now)),
    ...verifiers.flatMap((verifier) => ofVerifier(verifier, ledgers, now)),
    ...witnesses.flatMap(ofWitness),
    ...(streams.ok ? streams.value : []).flatMap(({ name, lost }) =>
      lost > 0 ? [`stream ${name}: the server lost ${counted(lost, 'message')} in its own files`] : [],
    ),
    ...(streams.ok ? [] : [`the streams cannot be asked: ${streams.problem}`]),
    ...ofAlerts(alerts),
  ];
}

function ofService({ service, name, live, ready, reasons }: ServiceFacts): string[] {
  if (live && ready) return [];
  return [`${service} ${name} is ${live ? 'not ready' : 'not live'}: ${reasons.join('; ') || 'it gives no reason'}`];
}

function ofLedger({ ledger, stored, announced }: LedgerFacts, now: number): string[] {
  const problems: string[] = [];
  const add = (problem: string): void => void problems.push(`ledger ${ledger}: ${problem}`);
  if (stored !== null && !stored.ok) add(`the database cannot be asked: ${stored.problem}`);
  if (!announced.ok) add(`the newest announcement cannot be believed: ${announced.problem}`);
  if (!stored?.ok) return problems;
  const { size, sealed, state, holder, leaseLeftMs } = stored.value;
  if (state !== 'open') {
    add('it is closed; its successor takes the events');
    return problems;
  }
  if (holder === null) add('no sealer holds it: nothing is sealed');
  else if (leaseLeftMs !== null && leaseLeftMs < 0)
    add(`sealer ${holder} has let its lease run out ${formatAge(-leaseLeftMs)} ago`);
  const age = sealed === null ? null : now - sealed;
  if (age !== null && age > BLOCK_WITHIN_MS)
    add(`the newest block is ${formatAge(age)} old, even an idle ledger gets one every 10 min`);
  if (!announced.ok) return problems;
  const signed = announced.value?.size ?? 0;
  if (signed < size && age !== null && age > CHECKPOINT_WITHIN_MS) {
    add(`${counted(size - signed, 'entry', 'entries')} beyond the newest checkpoint for ${formatAge(age)}`);
  }
  if (signed > size) {
    add(`the database ends at ${count(size)} entries, a checkpoint of ${count(signed)} was cosigned: blocks are gone`);
  }
  return problems;
}

/** The one that cosigned is there already; another gets as long as a checkpoint does. */
function ofVerifier({ name, origin, verified }: VerifierFacts, ledgers: readonly LedgerFacts[], now: number): string[] {
  const announced = ledgers.find((ledger) => ledger.origin === origin)?.announced;
  if (!announced?.ok || announced.value === null) return [];
  const { size, stored } = announced.value;
  if (verified >= size || now - stored <= CHECKPOINT_WITHIN_MS) return [];
  return [`verifier ${name} has derived ${count(verified)} of ${count(size)} entries of ${origin}`];
}

function ofWitness({ ledger, witness, size, overdue }: WitnessFacts): string[] {
  if (!overdue) return [];
  const last = size === 0 ? 'nothing yet' : `up to size ${count(size)}`;
  return [`witness ${witness} of ledger ${ledger} does not cosign in time: it cosigned ${last}`];
}

function ofAlerts(alerts: StatusFacts['alerts']): string[] {
  if (!alerts.ok) return [`the alerts cannot be read: ${alerts.problem}`];
  const { open, openCodes, unverified, gaps } = alerts.value;
  return [
    ...(open > 0 ? [`${counted(open, 'alert')} open: ${openCodes.join(', ')} (everseal alerts --open)`] : []),
    ...(unverified > 0
      ? [`${counted(unverified, 'message')} among the alerts not signed by a known key (everseal alerts)`]
      : []),
    ...(gaps > 0 ? [`${counted(gaps, 'gap')} in the numbers of the alerts: some were dropped (everseal alerts)`] : []),
  ];
}
