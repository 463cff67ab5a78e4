/**
 * What can be wrong with JSON bytes. Two sets, because they have different fates:
 *
 * - a **fault** stops the scan: the bytes are no JSON text (RFC 8259) in strict UTF-8, or nested too deep to read on;
 * - a **finding** does not: the text is JSON, but two parsers could read it differently. A repeated member name keeps
 *   the first value in one and the last in another; a lone surrogate becomes U+FFFD, an error or itself; 1e400 becomes
 *   infinity, an error or a big decimal; `__proto__` and its kin reach an object's prototype in JavaScript.
 *
 * Ingest refuses both. The projection reads on over findings, save the repeated name (formats.md "Event index").
 */
import { FormatError } from './format-error.js';

export type JsonFault =
  | 'json.bom'
  | 'json.control'
  | 'json.depth'
  | 'json.end'
  | 'json.escape'
  | 'json.number'
  | 'json.token'
  | 'json.trailing'
  | 'json.utf8';

export type JsonFinding = 'json.name-repeated' | 'json.name-reserved' | 'json.number-overflow' | 'json.surrogate';

/** What each code says to a person; the offset follows it. */
const MESSAGES: Readonly<Record<JsonFault | JsonFinding, string>> = {
  'json.bom': 'the text starts with a byte order mark; send UTF-8 without one',
  'json.control': 'a control character stands raw inside a string; escape it as \\u00XX',
  'json.depth': 'arrays and objects are nested deeper than 32; flatten the data or carry it as a string',
  'json.end': 'the text ends inside a value',
  'json.escape': 'a backslash starts no JSON escape; double it or use \\uXXXX',
  'json.number': 'a number does not follow the JSON grammar',
  'json.token': 'this byte cannot stand here in JSON',
  'json.trailing': 'bytes follow the JSON value',
  'json.utf8': 'the bytes are not valid UTF-8; send UTF-8 and no other encoding',
  'json.name-repeated': 'an object gives a member name twice, this value has the second; send each name once',
  'json.name-reserved': 'a member is named __proto__, constructor or prototype, which is unsafe to read; rename it',
  'json.number-overflow': 'a number is beyond what a double can hold; carry it as a string',
  'json.surrogate': 'an escaped surrogate stands without its partner and is no character; replace it',
};

const FINDINGS: ReadonlySet<string> = new Set<JsonFinding>([
  'json.name-repeated',
  'json.name-reserved',
  'json.number-overflow',
  'json.surrogate',
]);

/** True for a finding, false for a fault. */
export function isFinding(code: JsonFault | JsonFinding): code is JsonFinding {
  return FINDINGS.has(code);
}

/** The bytes cannot be taken as JSON: `code` says why and `offset` is the byte where, counted in the scanned buffer. */
export class JsonError extends FormatError {
  constructor(
    override readonly code: JsonFault | JsonFinding,
    readonly offset: number,
  ) {
    super(code, `${MESSAGES[code]} (byte ${offset})`);
    this.name = 'JsonError';
  }
}
