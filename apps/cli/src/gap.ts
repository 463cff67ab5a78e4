/**
 * `everseal gap`: which lanes of a ledger wait for frames, what was declared missing, and an operator's order to declare it
 * at once. The sealer that holds the lease answers; the others say that they stand by.
 *
 * An order is a note signed by an operator key. It may be signed on the machine that has the key, without any network
 * (`--out`), and be sent from another one (`--order`): whoever may ask the sealers can send it, nobody else can make it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import {
  formatGapRequest,
  formatTimestamp,
  parseGapReport,
  signGapOrder,
  SigningKey,
  type GapReport,
  type SealedGap,
  type WaitingLane,
} from '@everseal/audit-core';
import { gapsSubject } from '@everseal/policy';
import { readPrivateText } from '@everseal/tls';
import { askSealers } from './ask-sealers.js';
import { usage } from './cli-failure.js';
import type { CliSettings } from './config.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { readTrust } from './ledger-trust.js';
import { count, counted, printable, type Terminal } from './terminal.js';

export interface GapOptions {
  ledger: string;
  /** Seconds to wait for an answer. */
  timeout: number;
  json?: boolean | undefined;
}

export interface DeclareOptions extends GapOptions {
  /** File with the operator key, which signs the order. */
  key?: string | undefined;
  /** File to write the order to, instead of sending it. */
  out?: string | undefined;
  /** File with an order that was signed before. */
  order?: string | undefined;
}

/** The frames that are not to be waited for. */
export interface DeclaredFrames {
  ingester: string;
  first: number;
  last: number;
}

export async function listGaps(context: Context, options: GapOptions): Promise<ExitCode> {
  tell(context.terminal, await ask(context.settings(), null, options), options.json === true);
  return EXIT.ok;
}

/** @param frames null with `order`, which names them itself */
export async function declareGap(
  context: Context,
  frames: DeclaredFrames | null,
  options: DeclareOptions,
): Promise<ExitCode> {
  const { terminal } = context;
  const settings = context.settings();
  if ((options.order === undefined) === (frames === null || options.key === undefined)) {
    throw usage('say which frames and give the operator key (--key), or an order that was signed before (--order)');
  }
  const order = frames === null ? readFileSync(options.order!, 'utf8') : sign(context, settings, frames, options);
  if (options.out !== undefined) {
    writeFileSync(options.out, order, { flag: 'wx' });
    terminal.note(`the order is in ${options.out}: send it with gap declare --order`);
    return EXIT.ok;
  }
  const report = await ask(settings, order, options);
  terminal.note('declared: the gap record is in the log');
  tell(terminal, report, options.json === true);
  return EXIT.ok;
}

function sign(
  { now }: Context,
  settings: CliSettings,
  frames: DeclaredFrames,
  { ledger, key: file }: DeclareOptions,
): string {
  const { origin } = readTrust(settings, ledger);
  const key = SigningKey.fromSkey(readPrivateText(file!).trim());
  try {
    return signGapOrder({ origin, ...frames, time: formatTimestamp(now()) }, key);
  } catch (error) {
    if (error instanceof RangeError) throw usage(`${file} is no operator key of ${origin}: ${error.message}`);
    throw error;
  }
}

/** An order that reaches the active sealer twice is carried out once. */
function ask(settings: CliSettings, order: string | null, { ledger, timeout }: GapOptions): Promise<GapReport> {
  const subjectOf = (sealer: string): string => gapsSubject(ledger, sealer);
  return askSealers(settings, { ledger, subjectOf, body: formatGapRequest(order), parse: parseGapReport, timeout });
}

function tell(terminal: Terminal, { lanes, gaps, more }: GapReport, asJson: boolean): void {
  if (asJson) {
    for (const lane of lanes) terminal.json({ state: 'waiting', ...lane });
    for (const gap of gaps) terminal.json({ state: stateOf(gap), ...gap });
    return;
  }
  if (lanes.length === 0) terminal.line('no lane waits');
  else terminal.table(['lane', 'waits for', 'since', 'gap by itself', 'asked'], lanes.map(laneRow));
  if (gaps.length === 0) return;
  terminal.line();
  terminal.table(['gap', 'frames', 'cause', 'entry', 'debt'], gaps.map(gapRow));
  if (more > 0) terminal.note(`${counted(more, 'older gap')} left out`);
}

const rangeOf = ([first, last]: readonly [number, number]): string =>
  first === last ? count(first) : `${count(first)} to ${count(last)}`;

function laneRow({ ingester, first, last, since, due, asked }: WaitingLane): string[] {
  const times = asked === 1 ? 'once' : `${count(asked)} times`;
  const cells = [ingester, rangeOf([first, last]), since ?? '-', due ?? 'never: no frame behind it is held'];
  return [...cells, asked === 0 ? 'not yet' : times].map(printable);
}

function gapRow(gap: SealedGap): string[] {
  const { ingester, first, last, cause, index, open } = gap;
  const debt = stateOf(gap) === 'open' ? `open: ${open.map(rangeOf).join(', ')}` : stateOf(gap);
  return [ingester, rangeOf([first, last]), cause, count(index), debt].map(printable);
}

/** `closed`: its frames can never come; `open`: some still can; `paid`: all of them have. */
function stateOf({ cause, open }: SealedGap): 'closed' | 'open' | 'paid' {
  if (cause !== 'lost') return 'closed';
  return open.length > 0 ? 'open' : 'paid';
}
