/** The alerts of an installation as its operator reads them: with the command-line tool, from the stream, every signature checked. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { repositoryRoot } from '@everseal/local';

export interface StoredAlert {
  readonly source: string;
  readonly number: number;
  readonly code: string;
  readonly state: string;
  readonly detail: string;
  /** Number of the alert that this one clears; null for one that is raised. */
  readonly clears: number | null;
}

export interface StoredAlerts {
  readonly alerts: readonly StoredAlert[];
  readonly open: number;
  /** What an alert list must not have: gaps in the numbers, messages that nobody known signed. */
  readonly odd: readonly string[];
}

/** The command-line tool. */
export const EVERSEAL = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');
const MOST_OUTPUT_BYTES = 64 * 1024 * 1024;

interface Line {
  readonly verified?: boolean;
  readonly alert?: Omit<StoredAlert, 'source' | 'number'>;
  readonly source?: string;
  readonly number?: number;
  readonly gap?: object;
  readonly summary?: { readonly open: number };
}

/** Null while the broker cannot be asked. */
export async function readStoredAlerts(dir: string): Promise<StoredAlerts | null> {
  const { out } = await runTool(dir, ['alerts', '--json']);
  const lines = out.split('\n').filter((line) => line !== '');
  const parsed = lines.map((line) => JSON.parse(line) as Line);
  const summary = parsed.find((line) => line.summary)?.summary;
  if (!summary) return null;
  const odd = parsed.filter((line) => line.gap !== undefined || line.verified === false);
  return {
    alerts: parsed.flatMap(({ alert, source, number }) =>
      alert ? [{ ...alert, source: source!, number: number! }] : [],
    ),
    open: summary.open,
    odd: odd.map((line) => JSON.stringify(line)),
  };
}

/** Runs the tool against the installation in `dir`. */
export function runTool(dir: string, args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const options = { maxBuffer: MOST_OUTPUT_BYTES };
    const child = execFile(process.execPath, [EVERSEAL, '--dir', dir, ...args], options, (_, out, err) => {
      resolve({ code: child.exitCode ?? -1, out, err });
    });
  });
}
