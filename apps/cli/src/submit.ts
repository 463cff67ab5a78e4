/**
 * `everseal submit`: events in, receipts out. Everything is checked before anything is sent; then requests go out, several
 * at a time, each until its outcome is settled (send-request.ts). What was accepted is only what a verified receipt says.
 *
 * Requests in flight may be accepted in any order; with one at a time the log has the order of the input.
 */
import type { NatsLink } from '@everseal/messaging';
import { submitSubject } from '@everseal/policy';
import { checkEvents, idOf } from './check-events.js';
import { usage } from './cli-failure.js';
import { producerSettings } from './config.js';
import { connectAsProducer } from './connections.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import type { InputFormat } from './input-format.js';
import { readTrust } from './ledger-trust.js';
import { newestKeys } from './newest-keys.js';
import { isEventGiven, newEvent, type EventOptions } from './new-event.js';
import { Progress } from './progress.js';
import { readEvents, type InputEvent } from './read-events.js';
import { receiptKeeper } from './receipt-files.js';
import { sendRequest, type SendOptions, type Sent } from './send-request.js';
import { SubmitReport } from './submit-report.js';
import { requestsOf } from './submit-request.js';

export interface SubmitOptions extends EventOptions {
  ledger: string;
  producer?: string | undefined;
  file?: string[] | undefined;
  format?: InputFormat | undefined;
  batch: number;
  inFlight: number;
  /** Seconds until an outcome is given up as unknown. */
  timeout: number;
  receipts?: string | undefined;
  /** False: send what is no event, too, and let ingest refuse it. */
  check: boolean;
  json?: boolean | undefined;
}

/** @param files positional arguments; `-` is standard input */
export async function submit(context: Context, files: string[], options: SubmitOptions): Promise<ExitCode> {
  const { terminal, signal } = context;
  const settings = context.settings();
  const producer = producerSettings(settings, options.producer);
  const trust = readTrust(settings, options.ledger);
  const events = await gather(context, [...files, ...(options.file ?? [])], options);
  const report = new SubmitReport(terminal, producer.name, trust.origin, options.json === true);
  if (!check(events, options.check, report)) return EXIT.refused;

  const keep = receiptKeeper(options.receipts, producer.name);
  const { ingest: ingestKeys } = await newestKeys(context, trust, 'receipts are checked');
  const link = await connectAsProducer(settings, producer);
  // With --json every request is a line already.
  const progress = new Progress(options.json ? null : terminal.progressOutput, 'submitting events', events.length);
  try {
    await sendAll(link, events, options, {
      subject: submitSubject(options.ledger, producer.name),
      trust: { origin: trust.origin, producer: producer.name, ingestKeys },
      withinMs: options.timeout * 1_000,
      signal,
      onSent: (sent) => {
        if (sent.outcome.kind === 'receipted') keep(sent.request, sent.outcome);
        progress.add(sent.request.events.length);
        report.add(sent);
      },
    });
  } finally {
    progress.end();
    await link.close();
  }
  return report.end(events.length);
}

async function gather(context: Context, files: string[], options: SubmitOptions): Promise<InputEvent[]> {
  if (isEventGiven(options)) {
    if (files.length > 0) throw usage('give an event by its options or in files, not both');
    return [newEvent(options, context.now())];
  }
  if (files.length === 0) throw usage('give events: --source and --type, files, or - for standard input');
  if (files.filter((file) => file === '-').length > 1) throw usage('standard input can be read once');
  const read: InputEvent[][] = [];
  for (const file of files) read.push(await readEvents(file, options.format ?? null, context.stdin));
  return read.flat();
}

/** False when there are bad events; they are told. */
function check(events: readonly InputEvent[], isWanted: boolean, report: SubmitReport): boolean {
  if (!isWanted) {
    for (const event of events) event.id = idOf(event.bytes);
    return true;
  }
  const bad = checkEvents(events);
  report.addBad(bad, events.length);
  return bad.length === 0;
}

/** So many workers take requests from one source; one that returns closes it, and the others finish what they have. */
async function sendAll(
  link: NatsLink,
  events: readonly InputEvent[],
  { batch, inFlight }: SubmitOptions,
  options: SendOptions & { onSent: (sent: Sent) => void },
): Promise<void> {
  const requests = requestsOf(events, batch);
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const worker = async (): Promise<void> => {
    for (const request of requests) {
      const sent = await sendRequest(link, request, { ...options, signal });
      options.onSent(sent);
      // Whoever did not answer this one in all its time, or proved nothing, is not sent the rest.
      const isSettled = sent.outcome.kind === 'receipted' || sent.outcome.kind === 'refused';
      if (signal.aborted || !isSettled) return;
    }
  };
  try {
    await Promise.all(Array.from({ length: inFlight }, worker));
  } finally {
    failed.abort(); // one that failed must not leave the others trying
  }
}
