/** Alerts as they are shown: a table and the open ones at length for people, one object a line with `--json`. */
import type { AlertHistory, ReadAlert, VerifiedAlert } from './alert-history.js';
import { counted, printable, type Terminal } from './terminal.js';

type IsOpen = (alert: VerifiedAlert) => boolean;

export class AlertLines {
  constructor(
    private readonly terminal: Terminal,
    private readonly isJson: boolean,
    /** Origin of the ledger that drills tamper with: its alerts are marked. */
    private readonly drill: string | null = null,
  ) {}

  /** The alerts there were when the command began, in their order. */
  history(alerts: readonly ReadAlert[], isOpen: IsOpen): void {
    if (this.isJson) {
      for (const alert of alerts) this.json(alert, isOpen);
      return;
    }
    if (alerts.length === 0) return;
    const head = ['time', 'state', 'severity', 'code', 'ledger', 'where', 'number', 'signature'];
    this.terminal.table(
      head,
      alerts.map((alert) => this.row(alert, isOpen)),
    );
    for (const alert of alerts) if (alert.verified && isOpen(alert)) this.explain(alert);
  }

  /** One that came while following. */
  live(alert: ReadAlert, isOpen: IsOpen): void {
    if (this.isJson) return this.json(alert, isOpen);
    this.terminal.line(this.row(alert, isOpen).join('  '));
    if (alert.verified && isOpen(alert)) this.explain(alert);
  }

  /** How it stands in the end, with what is missing. */
  end(history: AlertHistory, hasFirst: boolean): void {
    const gaps = history.gaps(hasFirst);
    const open = history.standing.length;
    const { terminal } = this;
    if (this.isJson) {
      for (const gap of gaps) terminal.json({ gap });
      terminal.json({ summary: { open, unverified: history.unverified, gaps: gaps.length, complete: hasFirst } });
      return;
    }
    const { red, green } = terminal.colors;
    for (const { source, first, last } of gaps) {
      const what = first === last ? `alert ${first}` : `alerts ${first} to ${last}`;
      terminal.line(
        red(
          `missing: ${what} of ${printable(source)}: it was signed and is not here; look into ${printable(source)}'s alerts.json`,
        ),
      );
    }
    if (history.unverified > 0) {
      terminal.line(
        red(
          `${counted(history.unverified, 'message')} not signed by a known key: ignored, but somebody could publish there`,
        ),
      );
    }
    if (!hasFirst) terminal.line('the oldest alerts are no longer in the stream: what they raised may be missing here');
    terminal.line(open === 0 ? green('no alert is open') : red(`${counted(open, 'alert')} open`));
  }

  private row(alert: ReadAlert, isOpen: IsOpen): string[] {
    const { red, green, dim } = this.terminal.colors;
    if (!alert.verified) {
      const reason = red(`NOT VERIFIED: ${printable(alert.reason)}`);
      return [alert.time, '?', '', printable(alert.subject), '', '', '', reason];
    }
    const { body, oddity } = alert;
    const open = isOpen(alert);
    const state = open
      ? red('open')
      : body.state === 'cleared'
        ? green(`clears ${body.clears ?? '?'}`)
        : dim('cleared');
    const signature = oddity === '' ? 'good' : red(`good, but ${printable(oddity)}`);
    const ledger = this.isDrill(body) ? `${body.ledger} (drill)` : body.ledger;
    const cells = [body.severity, body.code, ledger, whereOf(alert), `${alert.source} ${alert.number}`];
    return [alert.time, state, ...cells.map(printable), signature];
  }

  private isDrill({ ledger }: { ledger: string }): boolean {
    return ledger === this.drill;
  }

  /** What it means, and what to do. */
  private explain({ number, source, body }: VerifiedAlert): void {
    const { terminal } = this;
    terminal.line();
    terminal.line(terminal.colors.red(printable(`open: ${body.code} on ${body.ledger}: ${body.meaning}`)));
    if (this.isDrill(body))
      terminal.line('  drill       on the ledger that drills tamper with: look for one that is running');
    terminal.line(printable(`  found       ${body.detail}`));
    const good = body.lastGoodBlock === null ? '' : `, everything up to block ${body.lastGoodBlock} is good`;
    const event = body.first?.eventId ? `, event id ${body.first.eventId}` : '';
    terminal.line(printable(`  first bad   ${whereOf({ body }) || 'not one record'}${event}${good}`));
    terminal.line(printable(`  raised by   ${source}, its alert ${number}, since ${body.since}`));
    terminal.line(printable(`  what to do  ${body.runbook}`));
    if (body.stands) {
      terminal.line(printable(`              it clears by nothing but \`everseal alerts ack ${source} ${number}\``));
    }
  }

  private json(alert: ReadAlert, isOpen: IsOpen): void {
    const { terminal } = this;
    if (!alert.verified) {
      const { subject, time, reason } = alert;
      return terminal.json({ verified: false, subject, time, reason });
    }
    const { source, number, time, oddity, json } = alert;
    const said = JSON.parse(json.toString('utf8')) as unknown;
    terminal.json({
      verified: true,
      open: isOpen(alert),
      source,
      number,
      time,
      ...(oddity === '' ? {} : { oddity }),
      ...(this.isDrill(alert.body) ? { drill: true } : {}),
      alert: said,
    });
  }
}

function whereOf({ body: { first } }: Pick<VerifiedAlert, 'body'>): string {
  if (!first) return '';
  const block = first.height === null ? '' : `block ${first.height}`;
  const entry = first.index === null ? '' : `entry ${first.index}`;
  return [block, entry].filter((part) => part !== '').join(', ');
}
