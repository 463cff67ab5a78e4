import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FormatError, parseVkey, VerifierKey } from '@everseal/audit-core';

/**
 * The vector files of this folder: `<format>.json`, valid and invalid cases with the reason, for our tests and for any
 * other implementation.
 *
 *     { "format": …, "specification": …, "how": …, "keys": { … }, "given": { … }, "cases": [ … ] }
 *
 * Every case has a `name`, says `valid` or not, and brings what has to be opened. A valid one has the `value` that must
 * come out: hashes and byte ranges as base64, keys as vkey, numbers and times as they are. An invalid one has the `code`
 * of our check that refuses it, and the `reason` in words. Any implementation has to refuse it; which check does so may
 * differ where more than one could.
 *
 * Bytes are a JSON string (its UTF-8), or a list of parts to be put together: `text` (UTF-8) or `hex`, each `times`
 * times (once when left out).
 *
 * `make/` writes the files from fixed seeds; vectors.spec.ts checks that they are what it writes, and the specs in src
 * read the files only.
 */
export type Bytes = string | Part[];
type Part = ({ text: string } | { hex: string }) & { times?: number };

export type Case<Input> = { name: string } & Input & ({ valid: true; value: unknown } | Invalid);
type Invalid = { valid: false; code: string; reason: string };

export type VectorFile<Input> = {
  format: string;
  /** Where the format is defined. */
  specification: string;
  /** How to run a case, in words. */
  how: string;
  /** The keys that appear, by a short label. */
  keys: Record<string, { name: string; type: string; seed: string; vkey: string }>;
  /** Notes that cases refer to by label. */
  given?: Record<string, string>;
  cases: Case<Input>[];
};

export function vectorPath(format: string): string {
  return fileURLToPath(new URL(`${format}.json`, import.meta.url));
}

export function readVectors<Input>(format: string): VectorFile<Input> {
  return JSON.parse(readFileSync(vectorPath(format), 'utf8')) as VectorFile<Input>;
}

/** The key with a label: out of a file for the specs, out of the cast for the makers. */
export type Keys = (label: string) => VerifierKey;

export function keysOf(file: VectorFile<unknown>): Keys {
  const keys = new Map(Object.entries(file.keys).map(([label, { vkey }]) => [label, parseVkey(vkey)]));
  return (label) => {
    const key = keys.get(label);
    if (key === undefined) throw new Error(`${file.format}.json has no key ${label}`);
    return key;
  };
}

export function bytesOf(bytes: Bytes): Buffer {
  if (typeof bytes === 'string') return Buffer.from(bytes);
  return Buffer.concat(
    bytes.map((part) => {
      const once = 'text' in part ? Buffer.from(part.text) : Buffer.from(part.hex, 'hex');
      return Buffer.alloc(once.length * (part.times ?? 1), once);
    }),
  );
}

/** A value in the form of the files. */
export function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (value instanceof VerifierKey) return value.vkey;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}

/** What opening gives, to be compared with `expected`; anything thrown that is not a FormatError goes through. */
export function outcome(open: () => unknown): { value: unknown } | { code: string } {
  try {
    return { value: plain(open()) };
  } catch (error) {
    if (error instanceof FormatError) return { code: error.code };
    throw error;
  }
}

export function expected(vector: Case<unknown>): { value: unknown } | { code: string } {
  return vector.valid ? { value: vector.value } : { code: vector.code };
}

/** Builds a valid case. */
export function valid<Input>(name: string, input: Input, open: () => unknown): Case<Input> {
  return { name, valid: true, ...input, value: plain(open()) };
}

/** Builds an invalid case. */
export function invalid<Input>(name: string, input: Input, code: string, reason: string): Case<Input> {
  return { name, valid: false, ...input, code, reason };
}
