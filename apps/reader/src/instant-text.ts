/** Times with microseconds, as text: what the index holds is finer than a JavaScript date. */
import { parseInstant } from '@everseal/audit-core';

/** `2026-01-31T09:30:00.250000Z` of microseconds since 1970, years 0001 to 9999. */
export function instantText(microseconds: bigint): string {
  const rest = ((microseconds % 1000n) + 1000n) % 1000n;
  const milliseconds = new Date(Number((microseconds - rest) / 1000n)).toISOString();
  return `${milliseconds.slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
}

/** A time in any spelling of RFC 3339, in the one of `instantText`; undefined for what is none. */
export function normalInstant(text: string | undefined): string | undefined {
  const instant = text === undefined ? null : parseInstant(text);
  return instant === null ? undefined : instantText(instant);
}
