/** Times for people: how long ago, and `--since` as a duration (`90s`, `15m`, `2h`, `7d`) or as an RFC 3339 time. */
import { usage } from './cli-failure.js';

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds as `3 s`, `5 min`, `2 h`, `4 d`; `now` below a second, and for a clock that is behind. */
export function formatAge(ms: number): string {
  if (ms < UNITS.s) return 'now';
  if (ms < 2 * UNITS.m) return `${Math.round(ms / UNITS.s)} s`;
  if (ms < 2 * UNITS.h) return `${Math.round(ms / UNITS.m)} min`;
  if (ms < 2 * UNITS.d) return `${Math.round(ms / UNITS.h)} h`;
  return `${Math.round(ms / UNITS.d)} d`;
}

/**
 * Milliseconds since 1970 that a `--since` means.
 * @throws CliFailure
 */
export function parseSince(text: string, now: number): number {
  const duration = /^(\d{1,9})([smhd])$/.exec(text);
  if (duration) return now - Number(duration[1]) * UNITS[duration[2] as keyof typeof UNITS];
  const time = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw usage(`--since ${text} is no duration (90s, 15m, 2h, 7d) and no RFC 3339 time`);
  return time;
}
