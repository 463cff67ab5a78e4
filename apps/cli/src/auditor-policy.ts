/**
 * `everseal policy`: the C2SP policy file (tlog-policy) that a ledger's key sets stand for: its log key and those before it,
 * and one of its verifiers. What an auditor checks proofs and exports against; it is worth as much as the way on which it came
 * to them.
 */
import { formatTlogPolicy, policyOfKeySets } from '@everseal/audit-core';
import { replaceFile } from '@everseal/process';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { readTrust, withOthers } from './ledger-trust.js';
import { knownKeySets } from './newest-keys.js';

export interface PolicyOptions {
  ledger: string;
  out?: string | undefined;
}

/** Of all key sets that this machine can know of: where it may read announcements, all that there ever were. */
export async function auditorPolicy(context: Context, options: PolicyOptions): Promise<ExitCode> {
  const trust = readTrust(context.settings(), options.ledger);
  const sets = await knownKeySets(context, trust, 'the policy is made');
  const from =
    sets.length === 1
      ? 'From the genesis note of this machine'
      : `From the genesis note of this machine and the ${sets.length - 1} key sets that follow it in the log`;
  const policy = withOthers(policyOfKeySets(sets), trust);
  const whom = trust.witnesses === null ? '' : ', and the witnesses of others';
  const text = `# Whom to believe about ledger ${trust.origin}: its log keys, and one of its verifiers${whom}.\n# ${from}; compare the keys with what you were given by another way.\n${formatTlogPolicy(policy)}`;
  if (options.out === undefined) context.terminal.line(text.trimEnd());
  else replaceFile(options.out, text, 0o644);
  return EXIT.ok;
}
