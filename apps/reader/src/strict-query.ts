/**
 * The query of a request target, strictly: every parameter known, each once, well encoded. What is misspelt would otherwise
 * be a condition that silently is not there.
 */
import { z } from 'zod';
import { Problem } from './problem.js';

/** More than any list of conditions needs. */
const MOST_CHARACTERS = 8_192;

/**
 * @param target path and query as they came
 * @param schema a strict object of texts
 * @throws Problem request.query: what is wrong, and what to send instead
 */
export function parseQuery<T>(target: string, schema: z.ZodType<T>): T {
  const at = target.indexOf('?');
  const query = at < 0 ? '' : target.slice(at + 1);
  if (query.length > MOST_CHARACTERS) throw refused(`the query is longer than ${MOST_CHARACTERS} characters`);
  const values = new Map<string, string>();
  for (const part of query === '' ? [] : query.split('&')) {
    const equals = part.indexOf('=');
    if (equals < 1) throw refused(`"${part}" is not <name>=<value>`);
    const name = decode(part.slice(0, equals));
    if (values.has(name)) throw refused(`${name} stands there twice: give each parameter once`);
    values.set(name, decode(part.slice(equals + 1)));
  }
  const result = schema.safeParse(Object.fromEntries(values));
  if (result.success) return result.data;
  throw refused(result.error.issues.map((issue) => explain(issue, schema)).join('; '));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'));
  } catch (cause) {
    throw refused(`"${text}" is not percent-encoded UTF-8`, cause);
  }
}

function explain(issue: z.core.$ZodIssue, schema: z.ZodType): string {
  if (issue.code === 'unrecognized_keys') {
    const known = schema instanceof z.ZodObject ? Object.keys(schema.shape).join(', ') : '';
    return `there is no parameter ${issue.keys.join(', ')}: ${known === '' ? 'give none' : `known are ${known}`}`;
  }
  return `${issue.path.join('.')}: ${issue.message}`;
}

function refused(message: string, cause?: unknown): Problem {
  return new Problem('request.query', message, null, { cause });
}
