/**
 * `everseal claim`: hands receipts in and says what became of their events. Sealed is only what proves itself here, offline:
 * the frame of the receipt is under a checkpoint that the log key signed and a verifier of the ledger cosigned. Pending and
 * overdue are the verifier's word.
 */
import {
  FormatError,
  formatReceipt,
  parseClaimAnswer,
  parseFrameText,
  parseNote,
  parseOrigin,
  verifyClaimAnswer,
  type ClaimTrust,
} from '@everseal/audit-core';
import { MessagingError, request, ServiceError, type NatsLink } from '@everseal/messaging';
import { claimSubject } from '@everseal/policy';
import { usage } from './cli-failure.js';
import { producerSettings } from './config.js';
import { connectAsProducer } from './connections.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { readTrust } from './ledger-trust.js';
import { newestKeys } from './newest-keys.js';
import { readReceipts, type KeptReceipt } from './receipt-files.js';
import { count, counted, printable, type Terminal } from './terminal.js';

export interface ClaimOptions {
  producer?: string | undefined;
  /** Seconds to wait for an answer. */
  timeout: number;
  json?: boolean | undefined;
}

/** What became of a receipt. */
type Outcome =
  | { state: 'sealed'; index: number; size: number; cosigners: string[] }
  | { state: 'pending' | 'overdue' }
  /** The verifier says sealed, and does not prove it. */
  | { state: 'unproven' | 'unknown'; reason: string }
  | { state: 'refused'; code: string; reason: string };

/** What is told of each when something is wrong with several: the gravest first. */
const EXITS: readonly (readonly [Outcome['state'], ExitCode])[] = [
  ['overdue', EXIT.findings],
  ['unproven', EXIT.findings],
  ['unknown', EXIT.unavailable],
  ['pending', EXIT.unavailable],
  ['refused', EXIT.refused],
];

/** @param files receipts as submit keeps them */
export async function claim(context: Context, files: readonly string[], options: ClaimOptions): Promise<ExitCode> {
  const settings = context.settings();
  const kept = files.flatMap(readReceipts);
  const [ledger, ...others] = new Set(kept.map(({ receipt }) => receipt.ledger));
  if (others.length > 0)
    throw usage(`the receipts are of several ledgers (${[ledger, ...others].join(', ')}): claim one at a time`);
  const producer = producerSettings(settings, options.producer ?? producerOf(kept));
  const { ledger: name } = parseOrigin(ledger!);
  const trust = readTrust(settings, name);
  if (trust.origin !== ledger) throw usage(`the receipts are of ${ledger}, the settings are for ${trust.origin}`);
  const keys = await newestKeys(context, trust, 'proofs are checked');
  const link = await connectAsProducer(settings, producer);
  const seen = new Set<Outcome['state']>();
  try {
    for (const one of kept) {
      if (context.signal.aborted) break;
      const subject = claimSubject(name, producer.name);
      const outcome = await ask(link, subject, one, options.timeout, {
        logKeys: [keys.log],
        verifiers: keys.verifiers,
      });
      seen.add(outcome.state);
      tell(context.terminal, one, outcome, options.json === true);
    }
  } finally {
    await link.close();
  }
  if (context.signal.aborted) seen.add('unknown');
  return EXITS.find(([state]) => seen.has(state))?.[1] ?? EXIT.ok;
}

/** The one that the files name; undefined when they name none. */
function producerOf(kept: readonly KeptReceipt[]): string | undefined {
  const names = new Set(kept.flatMap(({ producer }) => producer ?? []));
  if (names.size > 1) throw usage(`the receipts are those of ${[...names].join(', ')}: claim them one at a time`);
  return [...names][0];
}

async function ask(
  link: NatsLink,
  subject: string,
  { receipt }: KeptReceipt,
  seconds: number,
  trust: ClaimTrust,
): Promise<Outcome> {
  let data: Buffer;
  try {
    ({ data } = await request(link, subject, formatReceipt(receipt), { timeoutMs: seconds * 1_000 }));
  } catch (error) {
    if (error instanceof ServiceError && error.fate === 'refuse') {
      return { state: 'refused', code: error.code, reason: error.message };
    }
    if (error instanceof MessagingError && error.code === 'nats.forbidden') {
      return { state: 'refused', code: error.code, reason: error.message };
    }
    if (!(error instanceof MessagingError) && !(error instanceof ServiceError)) throw error;
    return { state: 'unknown', reason: error.message };
  }
  try {
    const answer = parseClaimAnswer(data);
    if (answer.state !== 'sealed') return answer;
    const { checkpoint, cosignatures } = verifyClaimAnswer(answer, receipt, trust);
    const cosigners = cosignatures.map(({ key }) => key.name);
    return { state: 'sealed', index: answer.index, size: checkpoint.size, cosigners };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { state: 'unproven', reason: `${error.code}: ${error.message}` };
  }
}

function tell(terminal: Terminal, { place, receipt }: KeptReceipt, outcome: Outcome, asJson: boolean): void {
  const { ingester, number } = parseFrameText(parseNote(receipt.frame).text);
  const { ledger, first, count: events } = receipt;
  if (asJson) return terminal.json({ receipt: place, ledger, ingester, frame: number, first, events, ...outcome });
  const { green, red, yellow } = terminal.colors;
  const what = `${printable(place)} (${counted(events, 'event')} in frame ${count(number)} of ${ingester})`;
  switch (outcome.state) {
    case 'sealed': {
      const { index, size, cosigners } = outcome;
      const entries =
        events === 1 ? `entry ${count(index)}` : `entries ${count(index)} to ${count(index + events - 1)}`;
      const by = cosigners.map((name) => name.split('/').at(-1)).join(', ');
      return terminal.line(
        green(
          `sealed: ${what} is ${entries}; proven under the checkpoint of ${count(size)} entries, cosigned by ${by}`,
        ),
      );
    }
    case 'pending':
      return terminal.line(yellow(`pending: ${what} is not below a cosigned checkpoint yet; ask again`));
    case 'overdue':
      terminal.line(red(`overdue: ${what} should be sealed and is not; the verifier has raised an alert`));
      return terminal.line('  what to do: keep the receipt and the events, they are the proof; tell the operator');
    case 'refused':
      return terminal.line(red(`refused: ${what}: ${printable(outcome.reason)} (${outcome.code})`));
    case 'unproven':
      terminal.line(
        red(`unproven: ${what}: the answer says sealed and does not prove it (${printable(outcome.reason)})`),
      );
      return terminal.line('  what to do: keep the receipt; whoever answered is not to be believed');
    case 'unknown':
      return terminal.line(yellow(`unknown: ${what}: ${printable(outcome.reason)}; ask again`));
  }
}
