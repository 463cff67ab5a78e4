/**
 * The append-only flag of a file (`chattr +a`): where the file system has it and this process may set it, nobody but root can change
 * what stands in the file. It is tried; whoever starts the sealer can set it beforehand instead.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What became of it. */
export interface AppendOnly {
  readonly inForce: boolean;
  /** Why not; '' when it is in force. */
  readonly reason: string;
}

/** Sets it, and looks whether it is set. Never throws. */
export async function setAppendOnly(file: string): Promise<AppendOnly> {
  if (await isSet(file)) return { inForce: true, reason: '' };
  try {
    await run('chattr', ['+a', '--', file]);
  } catch (error) {
    return { inForce: false, reason: reasonOf(error) };
  }
  return (await isSet(file))
    ? { inForce: true, reason: '' }
    : { inForce: false, reason: 'it was set and is not there' };
}

/** `lsattr` prints the letters of what is set, then the name. */
async function isSet(file: string): Promise<boolean> {
  try {
    const { stdout } = await run('lsattr', ['-d', '--', file]);
    return (stdout.split(' ', 1)[0] ?? '').includes('a');
  } catch {
    return false;
  }
}

function reasonOf(error: unknown): string {
  const { code, stderr = '' } = error as { code?: unknown; stderr?: string };
  if (code === 'ENOENT') return 'there is no program chattr';
  return stderr.trim().split('\n')[0] || 'chattr failed';
}
