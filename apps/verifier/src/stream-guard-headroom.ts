/**
 * How long until the oldest frame that the sealer has not taken leaves the stream, which is a ring: pushed out by newer
 * bytes at the present rate, or aged out. Pure arithmetic over what STREAM.INFO says.
 *
 * Time alone would cry wolf: at full load a ring of the usual size is some ten seconds long, and nothing is wrong with
 * that. Ingest stops accepting while its unsealed frames take its spool bound, and the policy makes a ring twice the sum
 * of those bounds (and a quarter of the age): so only what takes more than half of the ring, or of its age, is near
 * anything.
 */

export interface RingState {
  /** Bounds of the ring. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  /** What it holds. */
  readonly bytes: number;
  readonly messages: number;
  /** Messages from the oldest one that the sealer has not taken on; 0 when it has taken all. */
  readonly waiting: number;
  /** Age of that oldest one, milliseconds. */
  readonly oldestAgeMs: number;
  /** Bytes a second that come in now. */
  readonly bytesPerSecond: number;
}

export interface Headroom {
  /** Milliseconds; Infinity when nothing waits. */
  readonly leftMs: number;
  /** Part of the ring, by bytes or by age, that what waits takes: 0 to 1. */
  readonly taken: number;
}

/** What waits takes more than this of the ring: somebody is past a bound. */
const NEAR = 0.5;

export function headroomOf(ring: RingState): Headroom {
  const { maxBytes, maxAgeMs, bytes, messages, waiting, oldestAgeMs, bytesPerSecond } = ring;
  if (waiting === 0 || messages === 0) return { leftMs: Infinity, taken: 0 };
  const waitingBytes = Math.min(bytes, (bytes / messages) * waiting);
  const byBytes = bytesPerSecond > 0 ? ((maxBytes - waitingBytes) / bytesPerSecond) * 1_000 : Infinity;
  const byAge = maxAgeMs > 0 ? maxAgeMs - oldestAgeMs : Infinity;
  const aged = maxAgeMs > 0 ? oldestAgeMs / maxAgeMs : 0;
  return { leftMs: Math.max(0, Math.min(byBytes, byAge)), taken: Math.max(waitingBytes / maxBytes, aged) };
}

/** @param leastMs time that must be left */
export function isShort({ leftMs, taken }: Headroom, leastMs: number): boolean {
  return taken > NEAR && leftMs < leastMs;
}
