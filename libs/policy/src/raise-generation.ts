/**
 * Changes one thing in the text of a policy file: the generation of a name, by one (identities.ts). Comments, order and everything else
 * stay as somebody wrote them.
 */
import { parseDocument } from 'yaml';
import { DEPLOY, type Service } from './identities.js';
import { parsePolicy } from './parse-policy.js';
import type { Policy } from './policy.js';

/** Where the policy names each kind; those of deploy time have one generation together. */
const LISTS: Partial<
  Record<Service, 'ingest' | 'sealers' | 'verifiers' | 'ops' | 'readers' | 'followers' | 'producers' | 'auditors'>
> = {
  ingest: 'ingest',
  sealer: 'sealers',
  verifier: 'verifiers',
  ops: 'ops',
  reader: 'readers',
  follower: 'followers',
  producer: 'producers',
  auditor: 'auditors',
};

/**
 * @param file name for messages
 * @returns the new text and the generation in it; null when the policy does not have the name
 * @throws PolicyError as parsePolicy
 */
export function raiseGeneration(
  text: string,
  file: string,
  { service, name }: { service: Service; name: string },
): { text: string; generation: number } | null {
  const policy = parsePolicy(text, file);
  const place = placeOf(policy, service, name);
  if (place === null) return null;
  const document = parseDocument(text);
  const generation = Number(document.getIn([...place, 'generation']) ?? 1) + 1;
  document.setIn([...place, 'generation'], generation);
  const changed = document.toString({ lineWidth: 0, flowCollectionPadding: false });
  parsePolicy(changed, file);
  return { text: changed, generation };
}

function placeOf(policy: Policy, service: Service, name: string): (string | number)[] | null {
  const list = LISTS[service];
  if (list === undefined) return name === DEPLOY ? ['deploy'] : null;
  const index = policy[list].findIndex((one) => one.name === name);
  return index < 0 ? null : [list, index];
}
