/**
 * `everseal tls scan`: what the endpoints offer on the wire, and what that is worth. It logs in nowhere and changes nothing;
 * but each question is a connection that the other end sees fail.
 */
import { existsSync } from 'node:fs';
import { isBelow, judge, scan, type Grade, type Observation, type Posture } from '@everseal/tls-posture';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { Progress } from './progress.js';
import { settingsFile, type SettingsPlace } from './settings-file.js';
import { targetsOf, type Target, type TargetOptions } from './tls-targets.js';
import { counted, printable, type Terminal } from './terminal.js';

export interface TlsScanOptions extends TargetOptions {
  minimum: Grade;
  pin: string[];
  timeout: number;
  json?: boolean | undefined;
}

interface Scanned {
  target: Target;
  seen: Observation;
  posture: Posture;
}

/** Endpoints at a time; each has its own bound of connections. */
const AT_ONCE = 4;
const DAY_MS = 86_400_000;

export async function scanTls(
  context: Context,
  place: SettingsPlace,
  named: readonly string[],
  options: TlsScanOptions,
): Promise<ExitCode> {
  const { terminal } = context;
  const hasSettings = place.config !== undefined || existsSync(settingsFile(place));
  const needsSettings = named.length === 0;
  const targets = targetsOf(named, hasSettings || needsSettings ? context.settings() : null, options);
  const scanned = await scanAll(context, targets, options);
  if (options.json) for (const { posture, seen } of scanned) terminal.json({ ...posture, ...seen });
  else tell(terminal, scanned, context.now());
  const below = scanned.filter(({ posture }) => isBelow(posture.grade, options.minimum));
  if (below.length > 0) terminal.note(`${counted(below.length, 'endpoint')} below ${options.minimum}`);
  if (scanned.length < targets.length) return EXIT.unavailable; // interrupted: what was not looked at is not good
  return below.length === 0 ? EXIT.ok : EXIT.findings;
}

async function scanAll(
  { terminal, now, signal }: Context,
  targets: readonly Target[],
  { pin, timeout }: TlsScanOptions,
): Promise<Scanned[]> {
  const progress = new Progress(terminal.progressOutput, 'scanning endpoints', targets.length);
  const scanned: Scanned[] = [];
  const waiting = targets.entries();
  const work = async (): Promise<void> => {
    for (const [i, target] of waiting) {
      if (signal.aborted) return;
      const { endpoint, roots, identity } = target;
      const seen = await scan(endpoint, { roots, identity, now, patienceMs: timeout });
      scanned[i] = { target, seen, posture: judge(seen, { endpoint, pins: pin, onDisk: null, now: now() }) };
      progress.add(1);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  progress.end();
  return scanned.filter(() => true); // without the holes of an interruption
}

function tell(terminal: Terminal, scanned: readonly Scanned[], now: number): void {
  terminal.table(
    ['endpoint', 'grade', 'protocols', 'suites', 'group', 'certificate', 'left', 'ms'],
    scanned.map(({ seen, posture }) => row(terminal, seen, posture, now)),
  );
  for (const { seen, posture } of scanned) {
    if (posture.findings.length === 0) continue;
    terminal.line();
    terminal.heading(printable(seen.url));
    for (const { atMost, id, what, detail } of posture.findings) {
      terminal.line(`  ${colored(terminal, atMost)}  ${what} (${printable(detail)}) [${id}]`);
    }
  }
}

function row(terminal: Terminal, seen: Observation, { grade }: Posture, now: number): string[] {
  const versions = Object.entries(seen.versions).flatMap(([name, answer]) => (answer === 'offered' ? [name] : []));
  const leaf = seen.chain?.sent[0];
  const suites = new Set(Object.values(seen.suites).flat()).size;
  const left = leaf ? (leaf.notAfter - now) / DAY_MS : null;
  return [
    printable(seen.url),
    colored(terminal, grade),
    versions.map((name) => name.replace('TLS ', '')).join(' ') || '-',
    String(suites),
    seen.groups[0] ?? '-',
    leaf ? printable(`${leaf.keyType} ${leaf.keyBits}, ${leaf.issuer}`) : '-',
    left === null ? '-' : `${left.toFixed(1)} d`,
    String(seen.milliseconds),
  ];
}

function colored({ colors }: Terminal, grade: Grade): string {
  if (grade.startsWith('A')) return colors.green(grade.padEnd(2));
  return grade === 'B' || grade === 'C' ? colors.yellow(grade.padEnd(2)) : colors.red(grade.padEnd(2));
}
