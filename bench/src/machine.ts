/** What processes of this machine use: CPU seconds and the largest resident memory, from /proc (Linux only; null elsewhere). */

import { readdirSync, readFileSync } from 'node:fs';

const TICKS_A_SECOND = 100;

/** CPU seconds, user and system, of a process and its children so far. */
export function cpuSeconds(pid: number): number {
  let seconds = 0;
  for (const id of processes()) {
    const stat = statOf(id);
    if (stat && (id === pid || stat.parent === pid)) seconds += stat.seconds + (id === pid ? stat.childSeconds : 0);
  }
  return seconds;
}

/** Largest resident memory so far, megabytes. */
export function peakMegabytes(pid: number): number {
  try {
    const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return line ? Number(line[1]) / 1024 : Number.NaN;
  } catch {
    return Number.NaN;
  }
}

function processes(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function statOf(pid: number): { parent: number; seconds: number; childSeconds: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [parent, user, system, childUser, childSystem] = [1, 11, 12, 13, 14].map((i) => fields[i] ?? 0);
    return {
      parent: parent!,
      seconds: (user! + system!) / TICKS_A_SECOND,
      childSeconds: (childUser! + childSystem!) / TICKS_A_SECOND,
    };
  } catch {
    return null;
  }
}
