/**
 * What became of the events: for people a table and what to do about each that was not accepted, with `--json` one object
 * a request and a summary as the last line.
 */
import type { BadEvent } from './check-events.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { nameOf } from './input-error.js';
import type { Outcome } from './judge-answer.js';
import type { InputEvent } from './read-events.js';
import type { Sent } from './send-request.js';
import { count, counted, printable, type Terminal } from './terminal.js';

type Kind = Outcome['kind'];

/** More requests than this are told by their number only. */
const MOST_ROWS = 20;
const MOST_BAD = 20;

/** What helps, by refusal code. */
const ADVICE: Readonly<Record<string, string>> = {
  'request.too-large':
    'make it smaller: an event has at most 61,440 bytes; carry what is large elsewhere and its hash here',
  'request.malformed': 'correct it',
  'event.invalid': 'correct it',
  'event.forbidden': "use another --producer, or add the source to the producer's sources in the policy",
  'event.conflict': 'if it is another event, give it an id of its own; an alert was raised',
  'nats.forbidden':
    'the policy gives this producer no right to this ledger: use another --ledger or --producer, or change the policy',
};

export class SubmitReport {
  private readonly started = performance.now();
  private readonly rows: string[][] = [];
  private readonly troubles: string[][] = [];
  private readonly events: Record<Kind, number> = { receipted: 0, refused: 0, unverified: 0, unknown: 0 };
  private requests = 0;

  constructor(
    private readonly terminal: Terminal,
    private readonly producer: string,
    private readonly origin: string,
    private readonly isJson: boolean,
  ) {}

  /** Events that were found bad before anything was sent. */
  addBad(bad: readonly BadEvent[], total: number): void {
    if (bad.length === 0) return;
    const { terminal } = this;
    for (const { event, code, message } of this.isJson ? bad : bad.slice(0, MOST_BAD)) {
      const { file, position, id } = event;
      if (this.isJson) terminal.json({ outcome: 'refused', sent: false, file, position, id, code, message });
      else this.tell(`refused: ${placeOf(event)}: ${code}: ${message}`, ADVICE[code]);
    }
    if (this.isJson) {
      const outcomes = { ...this.events, refused: bad.length, notSent: total - bad.length };
      terminal.json({ summary: { ...this.summary(), events: total, ...outcomes } });
    } else {
      if (bad.length > MOST_BAD) terminal.line(`… and ${count(bad.length - MOST_BAD)} more`);
      terminal.line(`nothing was sent: ${count(bad.length)} of ${counted(total, 'event')} would be refused`);
    }
  }

  add(sent: Sent): void {
    const { request, outcome, attempts } = sent;
    const first = request.events[0];
    this.requests += 1;
    this.events[outcome.kind] += request.events.length;
    if (this.isJson) return this.terminal.json(jsonOf(sent));
    const numbers = [count(request.number), count(request.events.length)];
    if (outcome.kind === 'receipted') {
      const { frame, receipt } = outcome;
      const last = receipt.first + receipt.count - 1;
      const positions = receipt.count === 1 ? String(receipt.first) : `${receipt.first}–${last}`;
      const id = printable(first?.id ?? '');
      this.rows.push([
        ...numbers,
        id,
        frame.ingester,
        count(frame.number),
        positions,
        frame.accepted,
        `${Math.round(sent.ms)}`,
      ]);
      return;
    }
    const [what, advice] = troubleOf(sent);
    this.troubles.push([`${what}${attempts > 1 ? ` (${attempts} attempts)` : ''}`, advice]);
  }

  /** Tells all that was added. @param total events that there were */
  end(total: number): ExitCode {
    const { receipted, refused, unknown, unverified } = this.events;
    const notSent = total - receipted - refused - unknown - unverified;
    if (this.isJson) this.terminal.json({ summary: { ...this.summary(), events: total, ...this.events, notSent } });
    else this.tellAll(total, notSent);
    if (unknown + unverified + notSent > 0) return EXIT.unavailable;
    return refused > 0 ? EXIT.refused : EXIT.ok;
  }

  private summary(): object {
    const { requests, origin, producer } = this;
    return { ledger: origin, producer, requests, seconds: Math.round(performance.now() - this.started) / 1_000 };
  }

  private tellAll(total: number, notSent: number): void {
    const { terminal, rows, troubles } = this;
    const { receipted, refused, unknown, unverified } = this.events;
    if (rows.length > 0 && rows.length <= MOST_ROWS) {
      const head = ['request', 'events', 'first id', 'ingester', 'frame', 'positions', 'accepted', 'ms'];
      terminal.table(head, rows);
    }
    for (const [what = '', advice] of troubles.slice(0, MOST_ROWS)) this.tell(what, advice);
    if (troubles.length > MOST_ROWS) terminal.line(`… and ${count(troubles.length - MOST_ROWS)} requests more`);
    const seconds = ((performance.now() - this.started) / 1_000).toFixed(1);
    const { green, red, yellow } = terminal.colors;
    const parts = [
      green(`${count(receipted)} receipted`) + (receipted > 0 ? ' (each receipt verified)' : ''),
      refused > 0 ? red(`${count(refused)} refused`) : '',
      unknown > 0 ? yellow(`${count(unknown)} of unknown outcome`) : '',
      unverified > 0 ? red(`${count(unverified)} with a receipt that does not verify`) : '',
      notSent > 0 ? yellow(`${count(notSent)} not sent`) : '',
    ];
    const said = parts.filter((part) => part !== '').join(', ');
    terminal.line(`${counted(total, 'event')} to ${this.origin} as ${this.producer} in ${seconds} s: ${said}`);
  }

  private tell(what: string, advice: string | undefined): void {
    this.terminal.line(printable(what));
    if (advice !== undefined) this.terminal.line(`  what to do: ${advice}`);
  }
}

/** What went wrong, and what to do about it. */
function troubleOf({ request, outcome }: Sent): [string, string] {
  const [first] = request.events;
  const last = request.events.at(-1);
  const all =
    request.events.length === 1 && first
      ? placeOf(first)
      : `${counted(request.events.length, 'event')}, ${placeOf(first!)} to ${placeOf(last!)}`;
  if (outcome.kind === 'unknown') {
    return [
      `unknown: ${all}: ${outcome.reason}`,
      'submit the same again until receipts come: what was accepted counts once',
    ];
  }
  if (outcome.kind === 'unverified') {
    const advice = 'do not count these events as accepted; compare the genesis note with the copy that you trust';
    return [`not proven: ${all}: the answer is no receipt for them: ${outcome.reason}`, advice];
  }
  if (outcome.kind === 'receipted') return ['', ''];
  const { code, message, position } = outcome;
  const culprit = position === null ? undefined : request.events[position];
  const others =
    culprit && request.events.length > 1 ? `; its whole request was refused (${all}): submit the others again` : '';
  return [
    `refused: ${culprit ? placeOf(culprit) : all}: ${code}: ${message}`,
    `${ADVICE[code] ?? 'correct it'}${others}`,
  ];
}

function placeOf({ file, position, id }: InputEvent): string {
  const name = id === null ? '' : ` (id ${id})`;
  return file === '' ? `the event${name}` : `event ${position} of ${nameOf(file)}${name}`;
}

function jsonOf({ request, outcome, attempts, ms }: Sent): object {
  const first = request.events[0];
  const last = request.events.at(-1);
  const base = {
    request: request.number,
    events: request.events.length,
    from: first && { file: first.file, position: first.position, id: first.id },
    to: last && { file: last.file, position: last.position, id: last.id },
    outcome: outcome.kind,
    attempts,
    ms: Math.round(ms),
  };
  if (outcome.kind === 'receipted') {
    const { frame, receipt } = outcome;
    const { ingester, number, accepted } = frame;
    return { ...base, ingester, frame: number, first: receipt.first, count: receipt.count, accepted };
  }
  if (outcome.kind !== 'refused') return { ...base, reason: outcome.reason };
  const { code, message, position } = outcome;
  const bad = position === null ? undefined : request.events[position];
  return { ...base, code, message, event: bad && { file: bad.file, position: bad.position, id: bad.id } };
}
