/**
 * Reads the policy file, everseal.yaml: one YAML 1.2 document of plain values, at most 1 MiB.
 *
 * Checked in three stages, the first that finds anything ends it: YAML (policy-yaml.ts), shape and ranges
 * (policy-schema.ts), and what the names mean together (policy-checks.ts): names of formats.md, nothing twice, every
 * reference resolves, each ring at least twice the sum of its ingesters' spool bounds (architecture.md §5).
 */
import { readFileSync, statSync } from 'node:fs';
import { RING_FACTOR, type LedgerPolicy, type Policy } from './policy.js';
import { checkPolicy } from './policy-checks.js';
import { PolicyError } from './policy-error.js';
import { policySchema, type WrittenPolicy } from './policy-schema.js';
import { readYaml } from './policy-yaml.js';

const MOST_FILE_BYTES = 1_048_576;

function withDefaults(parsed: WrittenPolicy): Policy {
  const ledgers = parsed.ledgers.map((ledger): LedgerPolicy => {
    const least = RING_FACTOR * ledger.ingesters.length * ledger.spoolBytes;
    return { ...ledger, frames: { ...ledger.frames, maxBytes: ledger.frames.maxBytes ?? least } };
  });
  return { ...parsed, ledgers };
}

/**
 * Parses the text of a policy file; `file` is the name the messages carry. Throws PolicyError with every problem of the
 * first stage that has any: YAML, then shape, then what the names mean together.
 */
export function parsePolicy(yamlText: string, file: string): Policy {
  const document = readYaml(yamlText, file);
  const parsed = policySchema.safeParse(document.value);
  if (!parsed.success) throw document.shapeError(parsed.error.issues);
  const policy = withDefaults(parsed.data);
  const [first, ...rest] = checkPolicy(policy).map((problem) => document.locate(problem));
  if (first !== undefined) throw new PolicyError(file, [first, ...rest]);
  return policy;
}

/** Reads and parses a policy file of at most 1 MiB; throws PolicyError. */
export function readPolicy(file: string): Policy {
  let text: string;
  try {
    const { size } = statSync(file);
    if (size > MOST_FILE_BYTES) throw new Error(`it is ${size} bytes, more than ${MOST_FILE_BYTES}`);
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot read the policy: ${reason}; give the path of an everseal.yaml`;
    throw new PolicyError(file, [{ code: 'policy.unreadable', line: 0, path: '', message }], { cause });
  }
  return parsePolicy(text, file);
}
