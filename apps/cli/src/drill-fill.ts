/**
 * Events for the drill ledger, so that there is something to tamper with: sent by a producer of that ledger and sealed like
 * any others. Once there is enough, nothing is sent any more.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { submitSubject } from '@everseal/policy';
import { CliFailure, usage } from './cli-failure.js';
import { connectAsProducer } from './connections.js';
import type { Context } from './context.js';
import type { DrillDatabase } from './drill-database.js';
import { DRILL_TYPE, type DrillFacts } from './drill-facts.js';
import type { DrillLedger } from './drill-ledger.js';
import { EXIT } from './exit-code.js';
import { readTrust } from './ledger-trust.js';
import { newestKeys } from './newest-keys.js';
import { newEvent } from './new-event.js';
import { sendRequest } from './send-request.js';
import { requestsOf } from './submit-request.js';

/** A full tile is 256 entries; the second request makes a block behind that of the first. */
const REQUESTS = [300, 3];
const SENT_WITHIN_MS = 60_000;
const SEALED_WITHIN_MS = 90_000;
const LOOK_EVERY_MS = 250;

/** @throws CliFailure when it cannot be filled; StoreError, MessagingError */
export async function filledLedger(
  context: Context,
  database: DrillDatabase,
  ledger: DrillLedger,
  say: (step: string) => void,
): Promise<DrillFacts> {
  const facts = await database.facts();
  if (facts !== null) return facts;
  say('the drill ledger holds too little: sending events of its own');
  for (const events of REQUESTS) {
    const before = await database.events();
    await send(context, ledger, events);
    await waited(context, async () => ((await database.events()) >= before + events ? true : null));
  }
  return waited(context, () => database.facts());
}

/** What comes to be once what was sent is sealed, cosigned and indexed. */
async function waited<T>({ signal }: Context, look: () => Promise<T | null>): Promise<T> {
  for (const deadline = performance.now() + SEALED_WITHIN_MS; performance.now() < deadline && !signal.aborted;) {
    const found = await look();
    if (found !== null) return found;
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  const why = signal.aborted ? 'interrupted' : 'what was sent to the drill ledger is not sealed and cosigned in time';
  throw new CliFailure(EXIT.unavailable, `${why}; nothing was changed (everseal status says what does not work)`);
}

async function send(context: Context, ledger: DrillLedger, count: number): Promise<void> {
  const settings = context.settings();
  const granted = ledger.producers.find(({ name }) => settings.producers.some((one) => one.name === name));
  const login = settings.producers.find(({ name }) => name === granted?.name);
  if (granted === undefined || login === undefined) {
    throw usage(
      `the settings have no producer of the drill ledger "${ledger.name}" (${ledger.producers.map(({ name }) => name).join(', ') || 'the policy has none'}): add its certificate`,
    );
  }
  const trust = readTrust(settings, ledger.name);
  const { ingest: ingestKeys } = await newestKeys(context, trust, 'receipts are checked');
  const source = granted.sources[0]!.replace(/\*$/, 'drill');
  const events = Array.from({ length: count }, () =>
    newEvent({ source, type: DRILL_TYPE, data: '{"actor":{"id":"everseal drill"}}' }, context.now()),
  );
  const link = await connectAsProducer(settings, login);
  try {
    for (const request of requestsOf(events)) {
      const { outcome } = await sendRequest(link, request, {
        subject: submitSubject(ledger.name, login.name),
        trust: { origin: trust.origin, producer: login.name, ingestKeys },
        withinMs: SENT_WITHIN_MS,
        signal: context.signal,
      });
      if (outcome.kind === 'receipted') continue;
      const why = outcome.kind === 'refused' ? outcome.message : outcome.reason;
      throw new CliFailure(EXIT.unavailable, `no receipt for events of the drill ledger: ${why}`);
    }
  } finally {
    await link.close();
  }
}
