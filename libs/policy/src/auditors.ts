/**
 * Who an auditor is, by the names in the client certificate that a reader was shown. The certificate has been checked
 * against the clients' root before anybody asks here; this is what it entitles to.
 */
import { auditorUri } from './identities.js';
import type { AuditorPolicy, Policy } from './policy.js';

/**
 * The auditor of the policy whose certificate this is, or null: a certificate of anybody else (services and producers have
 * the same root), of an auditor that was removed, or with a further name.
 * @param names subject alternative names as `URI:…`, `DNS:…`, all of them
 */
export function auditorByNames(policy: Policy, names: readonly string[]): AuditorPolicy | null {
  const [only] = names;
  if (only === undefined || names.length > 1) return null;
  return (
    policy.auditors.find(({ name, generation }) => only === `URI:${auditorUri(policy.domain, name, generation)}`) ??
    null
  );
}
