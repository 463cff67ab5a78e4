/**
 * What `everseal watch` shows: on a terminal one screen that is drawn again and again, elsewhere a line for everything that
 * begins or ends, with `--json` one object for every message that was judged, too.
 */
import { formatAge } from './durations.js';
import { count, counted, printable, type Terminal } from './terminal.js';
import type { Standing, Transition } from './watch-latch.js';
import type { WatchedInstallation } from './watched-installation.js';
import type { WatchedLedger } from './watched-ledger.js';

/** Transitions that the screen shows. */
const MOST_RECENT = 8;

export type WatchForm = 'screen' | 'lines' | 'json';

export class WatchLines {
  private recent: readonly Transition[] = [];
  /** Keys of what was told as a line already. */
  private readonly told = new Set<string>();

  constructor(
    private readonly terminal: Terminal,
    private readonly form: WatchForm,
  ) {}

  begin(watched: WatchedInstallation): void {
    if (this.form === 'screen') return this.terminal.openScreen();
    if (this.form === 'json') return;
    const verifiers = watched.ledgers.map(
      ({ trust, expected }) => `${trust.origin} (verifiers ${expected.join(', ')})`,
    );
    const parts = watched.parts.map(({ service, name }) => `${service} ${name}`);
    this.terminal.note(printable(`watching ${[...verifiers, ...parts].join(', ')}`));
  }

  /** A message that was judged. @param what what it was and what became of it */
  observed(what: Readonly<Record<string, unknown>>, at: string): void {
    if (this.form === 'json') this.terminal.json({ at, ...what });
  }

  transitions(transitions: readonly Transition[]): void {
    this.recent = [...this.recent, ...transitions].slice(-MOST_RECENT);
    for (const transition of transitions) {
      if (this.form === 'json') this.terminal.json({ observed: transition.state, ...transition });
      if (this.form === 'lines') this.terminal.line(this.line(transition));
      if (this.form === 'lines') this.told.add(transition.key);
    }
  }

  note(text: string): void {
    if (this.form !== 'screen') this.terminal.note(`note: ${printable(text)}`);
  }

  /** @param connection what is to be said about the connections; '' when they stand */
  draw(watched: WatchedInstallation, standing: readonly Standing[], connection: string, now: number): void {
    if (this.form === 'screen') this.terminal.screen(this.screen(watched, standing, connection, now));
  }

  /** Gives the terminal back. */
  close(): void {
    if (this.form === 'screen') this.terminal.closeScreen();
  }

  /** @param whole everybody was heard and every alert was read */
  end(standing: readonly Standing[], whole: boolean): void {
    const { terminal } = this;
    if (this.form === 'json') {
      terminal.json({
        summary: { standing: standing.length, codes: [...new Set(standing.map(({ code }) => code))], whole },
      });
      return;
    }
    const { red, green } = terminal.colors;
    const untold = standing.filter(({ key }) => !this.told.has(key));
    for (const one of untold) terminal.line(this.line({ ...one, state: 'raised', at: one.since }));
    if (standing.length > 0) terminal.line(red(`${counted(standing.length, 'condition')} standing`));
    else terminal.line(whole ? green('all well') : 'nothing stands, but not everything was seen');
  }

  private line({ state, code, severity, detail, at, runbook }: Transition): string {
    const { red, green } = this.terminal.colors;
    const word = state === 'raised' ? red('RAISED ') : green('cleared');
    return `${printable(at)}  ${word}  ${printable(`${code} (${severity}): ${detail} (${runbook})`)}`;
  }

  private screen(watched: WatchedInstallation, standing: readonly Standing[], connection: string, now: number): string {
    const { red, green, bold, dim } = this.terminal.colors;
    const well = watched.isWhole ? green('all well') : 'nothing stands; not everybody was heard yet';
    const state = standing.length === 0 ? well : red(`${counted(standing.length, 'condition')} standing`);
    const head = `${bold('everseal watch')}  ${new Date(now).toISOString()}  ${state}  ${dim('Ctrl-C ends')}`;
    const ledgers = this.terminal.tableText(
      ['ledger', 'checkpoint', 'grown'],
      watched.ledgers.map(({ trust, newest }) => [
        printable(trust.origin),
        count(newest.size),
        ago(now, newest.grownAt),
      ]),
    );
    const verifiers = watched.ledgers.flatMap((ledger) => verifierRows(ledger, now));
    const parts = watched.parts.map(({ service, name, heardAt }) => [
      `${service} ${name}`,
      '',
      ago(now, heardAt),
      '',
      '',
      '',
    ]);
    const columns = [
      'service',
      'ledger',
      'heard',
      'cosigned',
      'behind',
      'oldest byte re-read (bodies / index / stored)',
    ];
    const services = this.terminal.tableText(columns, [...verifiers, ...parts]);
    const stand = standing.map(({ code, detail, since }) => red(printable(`${since}  ${code}: ${detail}`)));
    const recent = this.recent.map((transition) => this.line(transition));
    const block = (title: string, lines: readonly string[]): string[] =>
      lines.length === 0 ? [] : ['', bold(title), ...lines];
    const lines = [head, ...(connection === '' ? [] : [red(printable(connection))]), '', ledgers, '', services];
    return [...lines, ...block('standing', stand), ...block('recent', recent)].join('\n');
  }
}

function verifierRows(ledger: WatchedLedger, now: number): string[][] {
  return ledger.expected.map((name) => {
    const seen = ledger.seenOf(name);
    const coverage = seen?.coverage ?? null;
    const oldest = (['bodies', 'index', 'stored'] as const).map((sweep) =>
      ago(now, coverage?.[sweep].oldestReadAt ?? null),
    );
    const { origin } = ledger.trust;
    const behind = coverage === null ? '-' : formatAge(coverage.tail.behindMs).replace('now', '-');
    const cells = [ago(now, seen?.heardAt ?? null), seen === null ? '-' : count(seen.size), behind, oldest.join(' / ')];
    return [`verifier ${name}`, origin, ...cells].map(printable);
  });
}

function ago(now: number, time: number | null): string {
  return time === null ? '-' : `${formatAge(now - time)} ago`.replace('now ago', 'now');
}
