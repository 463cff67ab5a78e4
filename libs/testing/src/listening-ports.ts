/** On which TCP ports a set of processes listens: from /proc on Linux, from lsof elsewhere. Nothing is asked of the processes themselves. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** State LISTEN in /proc/net/tcp. */
const LISTEN = '0A';

/** These processes and everything that they started, in ascending order. */
export function withDescendants(pids: readonly number[]): number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const pairs = table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const found = new Set(pids);
  for (let size = -1; size !== found.size;) {
    size = found.size;
    for (const [pid, parent] of pairs) if (found.has(parent)) found.add(pid);
  }
  return [...found].sort((a, b) => a - b);
}

/** The ports, each once, in ascending order. */
export function listeningPorts(pids: readonly number[]): number[] {
  const ports = existsSync('/proc/net/tcp') ? portsByProc(pids) : portsByLsof(pids);
  return [...new Set(ports)].sort((a, b) => a - b);
}

function portsByProc(pids: readonly number[]): number[] {
  const sockets = new Set(pids.flatMap(socketsOf));
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].filter((file) => existsSync(file));
  return tables.flatMap((file) =>
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => state === LISTEN && sockets.has(inode!))
      .map(([, local]) => Number.parseInt(local!.split(':')[1]!, 16)),
  );
}

/** Inodes of the sockets that a process has open; none when it has ended. */
function socketsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).flatMap((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`${folder}/${fd}`))?.[1];
      return inode === undefined ? [] : [inode];
    });
  } catch {
    return [];
  }
}

/** '' for one that was closed meanwhile. */
function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}

function portsByLsof(pids: readonly number[]): number[] {
  const args = ['-nP', '-iTCP', '-sTCP:LISTEN', '-a', '-p', pids.join(','), '-Fn'];
  const lines = execFileSync('lsof', args, { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => (line.startsWith('n') ? [Number(line.slice(line.lastIndexOf(':') + 1))] : []));
}
