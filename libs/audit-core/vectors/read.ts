import { readFileSync } from 'node:fs';
import { FormatError } from '../src/format-error.js';

/** The vector file of a C2SP format; every file says in `how` what its members are. */
export function readVectorFile<T>(format: string): T {
  return JSON.parse(readFileSync(new URL(`${format}.json`, import.meta.url), 'utf8')) as T;
}

/** The code with which something is refused, or 'accepted'. What is not a FormatError goes through. */
export function codeOf(open: () => unknown): string {
  try {
    open();
    return 'accepted';
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
}
