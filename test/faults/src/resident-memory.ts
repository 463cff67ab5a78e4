/** How much of the machine's memory a process has now, megabytes; 0 for one that has ended, and where there is no /proc. */
import { readFileSync } from 'node:fs';

export function residentMegabytes(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kilobytes ?? 0) / 1_024;
  } catch {
    return 0;
  }
}
