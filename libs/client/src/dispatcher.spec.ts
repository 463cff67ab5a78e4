import { afterEach, describe, expect, it } from '@jest/globals';
import { MAX_REQUEST_BYTES } from '@everseal/audit-core';
import { Dispatcher } from './dispatcher.js';
import { PendingEvent } from './pending-event.js';

const pending: PendingEvent[] = [];
afterEach(() => {
  for (const event of pending.splice(0)) event.abandon();
});

function make(id: string, bytes = 10, origin: 'new' | 'old' = 'new'): PendingEvent {
  const event = new PendingEvent({ id, bytes: Buffer.alloc(bytes) }, 60_000, origin);
  event.outcome.catch(() => undefined);
  pending.push(event);
  return event;
}

/** A dispatcher whose requests are answered by hand, in any order. */
class Bench {
  readonly sent: string[][] = [];
  readonly answers: (() => void)[] = [];
  isReady = true;
  readonly dispatcher: Dispatcher;

  constructor(most = { inFlight: 2, events: 512 }) {
    const send = (request: readonly PendingEvent[]): Promise<void> => {
      this.sent.push(request.map(({ event }) => event.id));
      return new Promise((resolve) => this.answers.push(resolve));
    };
    this.dispatcher = new Dispatcher(
      most,
      send,
      () => this.isReady,
      () => undefined,
    );
  }

  push(...events: PendingEvent[]): void {
    for (const event of events) this.dispatcher.push(event);
  }
}

/** Lets everything happen that nothing holds up. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the dispatcher', () => {
  it('sends a lone event at once, and what comes while requests are in flight together', async () => {
    const bench = new Bench();
    for (const id of ['1', '2', '3', '4', '5']) {
      bench.push(make(id));
      await turn();
    }
    expect(bench.sent).toEqual([['1'], ['2']]);
    bench.answers[1]!();
    await turn();
    expect(bench.sent.slice(2)).toEqual([['3', '4', '5']]);
    for (const answer of bench.answers) answer();
    await turn();
    expect([bench.dispatcher.isIdle, bench.dispatcher.isSending]).toEqual([true, false]);
  });

  it('puts together what one turn brings, within the limits of a request', async () => {
    const few = new Bench({ inFlight: 64, events: 2 });
    few.push(...['1', '2', '3', '4', '5'].map((id) => make(id)));
    await turn();
    expect(few.sent).toEqual([['1', '2'], ['3', '4'], ['5']]);

    const large = new Bench({ inFlight: 64, events: 512 });
    // Two of these with brackets and comma are one byte more than a request may have.
    large.push(make('1', MAX_REQUEST_BYTES / 2 - 2), make('2', MAX_REQUEST_BYTES / 2), make('3', 10));
    await turn();
    expect(large.sent).toEqual([['1'], ['2', '3']]);
    const fits = new Bench({ inFlight: 64, events: 512 });
    fits.push(make('1', MAX_REQUEST_BYTES / 2 - 2), make('2', MAX_REQUEST_BYTES / 2 - 2));
    await turn();
    expect(fits.sent).toEqual([['1', '2']]);
  });

  it('sends an event of an earlier process alone', async () => {
    const bench = new Bench({ inFlight: 64, events: 512 });
    bench.push(make('1'), make('2'), make('old-1', 10, 'old'), make('old-2', 10, 'old'), make('3'), make('4'));
    await turn();
    expect(bench.sent).toEqual([['1', '2'], ['old-1'], ['old-2'], ['3', '4']]);
  });

  it('leaves out what was given up before it was sent, unless the outbox keeps it', async () => {
    const bench = new Bench();
    bench.isReady = false;
    const [gone, kept, other] = [make('gone'), make('kept'), make('other')];
    kept.ordinal = 1;
    bench.push(gone, kept, other);
    await turn();
    gone.expire();
    kept.expire();
    await expect(kept.outcome).resolves.toEqual({ state: 'kept', id: 'kept' });
    bench.isReady = true;
    bench.dispatcher.pump();
    await turn();
    expect(bench.sent).toEqual([['kept', 'other']]);
  });

  it('keeps order and loses nothing over many', async () => {
    const bench = new Bench({ inFlight: 1, events: 100 });
    const ids = Array.from({ length: 5_000 }, (_, i) => String(i));
    bench.push(...ids.map((id) => make(id)));
    for (let i = 0; i < 50; i += 1) {
      await turn();
      bench.answers[i]!();
    }
    await turn();
    expect(bench.sent.flat()).toEqual(ids);
    expect(bench.dispatcher.isIdle).toBe(true);
  });
});
