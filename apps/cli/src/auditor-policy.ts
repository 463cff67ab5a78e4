/**
 * `everseal policy`: the C2SP policy file (tlog-policy) that a ledger's first key set stands for: its log key, and one of its
 * verifiers. What an auditor checks proofs and exports against; it is worth as much as the way on which it came to them.
 */
import { formatTlogPolicy, policyOfKeySet } from '@everseal/audit-core';
import { replaceFile } from '@everseal/process';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { readTrust } from './ledger-trust.js';

export interface PolicyOptions {
  ledger: string;
  out?: string | undefined;
}

/** `everseal policy`: the C2SP policy file that the ledger's first key set stands for, for an auditor to keep. */
export function auditorPolicy(context: Context, options: PolicyOptions): ExitCode {
  const { origin, keys } = readTrust(context.settings(), options.ledger);
  const text = `# Whom to believe about ledger ${origin}: its log key, and one of its verifiers.\n# From the genesis note of this machine; compare the keys with what you were given by another way.\n${formatTlogPolicy(policyOfKeySet(keys))}`;
  if (options.out === undefined) context.terminal.line(text.trimEnd());
  else replaceFile(options.out, text, 0o644);
  return EXIT.ok;
}
